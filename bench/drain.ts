/**
 * Seconds from a signal to the end of a worker that trains the reference model and has its blobs streamed: the step under way, the checkpoint, its upload,
 * handing back, goodbye. Schedulers of clusters give 15 s or more.
 */
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { silentLog } from '../src/base/ports.ts';
import { loadStudyInputs, realClock } from '../src/cli/context.ts';
import { identityIn, oneStore, realTimers } from '../src/cli/coordinator-parts.ts';
import { openStudy, studyPaths } from '../src/cli/study-folder.ts';
import { startCoordinator } from '../src/coordinator/coordinator.ts';
import { summaryOf } from '../src/report/summary.ts';
import { defaultPolicy } from '../src/scheduler/types.ts';
import { createBlobServer } from '../src/wire/blobs/server.ts';
import { bindCoordinator } from '../src/wire/zmq.ts';
import { printHeading, type BenchOptions } from './measure.ts';

const sweep = `
study: drain
seed: 1
data: { train: diamonds.csv.gz, target: { column: price, task: regression, transform: log } }
noise: { swapProbability: { categorical: 0.3, numerical: 0.2 } }
model: { kind: transformer, tokens: 8, tokenSize: 128, heads: 8, feedForward: 512, layers: 3 }
training: { epochs: 200, batchSize: 384, checkpointEveryEpochs: 100 }
ridge: { alphas: [1] }
search: { trials: 1 }
`;

const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));

export async function main({ rounds = 3 }: BenchOptions): Promise<void> {
  printHeading('From SIGTERM to the end of a worker: reference model (8 x 128, 3 layers), batches of 384, blobs streamed');
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-drain-'));
  writeFileSync(join(folder, 'sweep.yaml'), sweep);
  copyFileSync(fileURLToPath(new URL('../examples/diamonds/diamonds.csv.gz', import.meta.url)), join(folder, 'diamonds.csv.gz'));
  const { config, prepared } = await loadStudyInputs(join(folder, 'sweep.yaml'), silentLog);
  const paths = studyPaths(folder, 'drain');
  const study = await openStudy(paths, config, prepared, realClock.now());
  const transport = await bindCoordinator({ address: 'tcp://127.0.0.1:0' });
  const coordinator = startCoordinator({
    stores: oneStore('drain', study.store),
    transport,
    artifacts: study.artifacts,
    artifactsAt: join(folder, 'out-of-sight'),
    identity: identityIn(paths.artifacts),
    blobs: createBlobServer,
    policy: defaultPolicy,
    heartbeatMs: 1_000,
    graceMs: 0,
    clock: realClock,
    timers: realTimers,
    log: silentLog,
    summaryOf,
    version: '0',
  });
  const trained = () => [...(coordinator.state().studies.get('drain')?.tasks.values() ?? [])].find(({ task }) => task.toStep > 0);
  try {
    for (let round = 0; round < rounds; round++) {
      const args = ['worker', '--connect', transport.address, '--cache', join(folder, 'cache')];
      const worker = spawn(process.execPath, [...process.execArgv, program, ...args], { stdio: 'ignore' });
      const ended = new Promise<number | null>((resolve) => worker.on('close', resolve));
      const before = trained()?.checkpoint?.step ?? 0;
      // Some steps into its training, wherever it is then.
      while ((trained()?.progress?.step ?? 0) < before + 5) await sleep(50);
      await sleep(1_000 * (round / rounds));
      const from = performance.now();
      worker.kill('SIGTERM');
      const code = await ended;
      const seconds = (performance.now() - from) / 1_000;
      const { hash = '', step = 0 } = trained()?.checkpoint ?? {};
      const megabytes = ((await study.artifacts.size(hash)) ?? 0) / 1e6;
      console.log(`${seconds.toFixed(2)} s, exit code ${code}, checkpoint of step ${step}: ${megabytes.toFixed(1)} MB`);
    }
  } finally {
    await coordinator.close();
    await transport.close();
    study.store.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
