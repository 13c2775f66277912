/** deploy/slurm/workers.sbatch by itself: what it does with signals and exit codes. Slurm and noisefold are scripts of some lines here. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { exitCodes } from '../../src/worker/session.ts';

const script = fileURLToPath(new URL('../../deploy/slurm/workers.sbatch', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'noisefold-slurm-'));
after(() => rmSync(folder, { recursive: true }));
const skip = process.platform !== 'linux' && 'sbatch scripts run on Linux';

const executable = (name: string, text: string): void => {
  writeFileSync(join(folder, name), `#!/bin/bash\n${text}\n`);
  chmodSync(join(folder, name), 0o755);
};
executable('scontrol', 'echo scontrol "$@"');
/** Says that it listens, and leaves half a second after SIGTERM; `END=code` ends it at once. */
executable(
  'noisefold',
  `echo "$@" >"$OUT"; [ -z "\${END:-}" ] || exit "$END"; trap stop=1 TERM; echo >"$OUT.listens"; while [ -z "\${stop:-}" ]; do sleep 0.05; done; sleep 0.5; exit ${exitCodes.stopped}`,
);
mkdirSync(join(folder, 'shared/keys'), { recursive: true });
writeFileSync(join(folder, 'shared/address'), 'tcp://node1:7777\n');
writeFileSync(join(folder, 'shared/keys/worker.json'), '{}');

let runs = 0;
/** Runs it as the third task of the array 8; the signals come once the worker listens. */
async function job(signals: readonly NodeJS.Signals[], environment: Readonly<Record<string, string>> = {}) {
  const out = join(folder, `run-${++runs}`);
  const { CUDA_VISIBLE_DEVICES: _, ...inherited } = process.env;
  const slurm = { SLURM_JOB_ID: '8', SLURM_ARRAY_JOB_ID: '8', SLURM_ARRAY_TASK_ID: '3', SLURM_CPUS_PER_TASK: '2' };
  const env = { ...inherited, ...slurm, NOISEFOLD_SHARED: join(folder, 'shared'), OUT: out, ...environment };
  const child = spawn('bash', [script, '--engine', 'onnx'], {
    env: { ...env, PATH: `${folder}:${process.env['PATH'] ?? ''}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  const closed = once(child, 'close');
  if (signals.length > 0) while (!existsSync(`${out}.listens`)) await sleep(20);
  for (const signal of signals) {
    child.kill(signal);
    await sleep(100);
  }
  const [code] = (await closed) as [number];
  return { code, requeued: /^scontrol requeue (.*)$/m.exec(said)?.[1], worker: readFileSync(out, 'utf8').trim() };
}

describe('deploy/slurm/workers.sbatch', { skip, concurrency: 4 }, () => {
  it('when time is nearly up, lets the worker leave and has this one task of the array requeued', async () => {
    const { code, requeued } = await job(['SIGUSR1']);
    assert.deepEqual([code, requeued], [exitCodes.stopped, '8_3']);
  });

  it('when it is preempted or cancelled, lets the worker leave and Slurm decide, however often it is told', async () => {
    const { code, requeued } = await job(['SIGTERM', 'SIGTERM', 'SIGTERM']);
    assert.deepEqual([code, requeued], [exitCodes.stopped, undefined]);
  });

  it('does not come back from a cancellation that follows the warning', async () => {
    assert.equal((await job(['SIGUSR1', 'SIGTERM'])).requeued, undefined);
  });

  it('is requeued when its worker found no coordinator, and not when there was no more work, a fault in its setup, or a crash', async () => {
    const codes = [exitCodes.stopped, exitCodes.drained, exitCodes.refused, 1];
    const ends = await Promise.all(codes.map((code) => job([], { END: String(code) })));
    assert.deepEqual(
      ends.map(({ code }) => code),
      codes,
    );
    assert.deepEqual(
      ends.map(({ requeued }) => requeued),
      ['8_3', undefined, undefined, undefined],
    );
  });

  it('starts a worker a GPU that Slurm gave, or else a core; its own arguments go to the worker', async () => {
    const common = `worker --connect tcp://node1:7777 --key ${join(folder, 'shared/keys/worker.json')} --idle-exit 900`;
    const none = (await job([], { END: '0' })).worker;
    assert.match(none, /--devices cpu:2 --name \S+-3 --engine onnx$/);
    assert.ok(none.startsWith(common), none);
    assert.equal((await job([], { END: '0', CUDA_VISIBLE_DEVICES: 'NoDevFiles' })).worker, none);
    assert.match((await job([], { END: '0', CUDA_VISIBLE_DEVICES: '0,1' })).worker, /--devices gpu --name \S+ --engine onnx$/);
  });
});
