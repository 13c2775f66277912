/**
 * Slurm: deploy/slurm as a user of deploy/README.md has it, on a real cluster of one node with four GPUs that are not there (test/deploy/with-slurm.sh).
 * Elsewhere it is skipped: it preempts, requeues and cancels.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { studyAt, temporaryFolder } from '../e2e/harness.ts';
import { commandsOf, commandWith } from './commands.ts';
import { command, eventually, inTheMiddle, settings, study, tasksOf, undisturbed } from './sweeps.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const partitions = spawnSync('sinfo', ['--noheader', '--format', '%R'], { encoding: 'utf8', timeout: 20_000 }).stdout as
  string | null;
const skip = !/^service$/m.test(partitions ?? '') && 'no Slurm of this test’s answers (test/deploy/with-slurm.sh starts one)';

const folder = temporaryFolder();
const shared = join(folder, 'shared');
const bin = join(folder, 'bin');
const environment = { ...process.env, NOISEFOLD_SHARED: shared, PATH: `${bin}:${process.env['PATH'] ?? ''}` };
const slurm = (program: string, ...args: readonly string[]): string => command(program, args, { cwd: folder, env: environment });
const submit = (...args: readonly string[]): string => slurm('sbatch', '--parsable', ...args).trim();
/** Runs a command of deploy/README.md, for the tests' study and cluster. */
function written(words: string, changed: (line: string) => string = (line) => line): string {
  const line = commandWith(commandsOf('deploy/README.md', '## Slurm'), words)
    .replace('diamonds', study)
    .replace('deploy/slurm/', join(root, 'deploy/slurm/'));
  // The logs of jobs are where they were submitted.
  const cwd = line.startsWith('sbatch') ? folder : join(folder, 'study');
  return command('sh', ['-c', changed(line)], { cwd, env: environment }).trim();
}

/** [task of the array, state, restarts] of its tasks that are in the queue. */
const jobs = (array: string) =>
  slurm('squeue', '--noheader', '--array', '--jobs', array, '--states', 'all', '--format', '%K %T %r').trim().split('\n');
const logOf = (task: number): string => {
  const path = join(folder, `noisefold-worker-${task}.log`);
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};
const everything = (): string =>
  [
    slurm('squeue', '--array', '--states', 'all'),
    ...readdirSync(folder)
      .filter((name) => name.endsWith('.log'))
      .map((name) => `${name}:\n${readFileSync(join(folder, name), 'utf8').slice(-3_000)}`),
  ].join('\n');

const address = (): string => readFileSync(join(shared, 'address'), 'utf8').trim();
const noisefold = (...args: readonly string[]): string =>
  command('noisefold', [...args, '--connect', address(), '--key', join(shared, 'keys/client.json')], {
    cwd: join(folder, 'study'),
    env: environment,
  });
const restarts = (array: string): number =>
  [...slurm('scontrol', 'show', 'job', array).matchAll(/Restarts=(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);

describe('deploy/slurm', { skip }, () => {
  let expected: Buffer;
  let workers: string;
  let coordinator: string;

  before(async () => {
    mkdirSync(bin);
    // The command that a user has from `npm link`.
    writeFileSync(
      join(bin, 'noisefold'),
      `#!/bin/sh\nexec "${process.execPath}" --import "${import.meta.resolve('tsx')}" "${join(root, 'src/main.ts')}" "$@"\n`,
    );
    chmodSync(join(bin, 'noisefold'), 0o755);
    expected = (await undisturbed(folder)).ranking;
    coordinator = written('coordinator.sbatch', (line) => line.replace('sbatch', 'sbatch --parsable --partition=service'));
    workers = written('workers.sbatch', (line) =>
      line
        .replace('sbatch', 'sbatch --parsable --partition=low --mem=1G --cpus-per-task=1')
        .replace('--array=1-8', '--array=1-2')
        .replace('--time=08:00:00', '--time=00:20:00'),
    );
    await eventually('coordinator', () => existsSync(join(shared, 'keys/client.json')), everything);
  });

  it('an array of workers has a GPU each, and they are known by them', async () => {
    const names = await eventually(
      'two workers',
      () => {
        const found = (JSON.parse(noisefold('workers', '--json')) as readonly { name: string }[]).map(({ name }) => name);
        return found.length === 2 && found.toSorted();
      },
      everything,
    );
    const host = slurm('hostname', '-s').trim();
    for (const name of names) assert.match(name, new RegExp(`^${host}/gpu-[0-3]d5ba0d6$`));
    assert.notEqual(names[0], names[1]);
  });

  it('workers that a more important job evicts checkpoint, are requeued by Slurm, and resume', async () => {
    written('noisefold submit', (line) => `${line} ${settings.join(' ')}`);
    const evicted = await eventually(
      'two tasks in the middle',
      () => {
        const found = inTheMiddle(tasksOf(noisefold));
        return found.length === 2 && found;
      },
      everything,
    );
    submit(
      '--partition=high',
      '--cpus-per-task=1',
      '--gres=gpu:4',
      '--time=1',
      '--job-name=important',
      '--output=/dev/null',
      '--wrap=sleep 5',
    );
    await eventually('restart of both', () => restarts(workers) === 2, everything);
    for (const before of evicted) {
      const now = tasksOf(noisefold).find(({ task }) => task === before.task);
      assert.ok(now !== undefined);
      assert.deepEqual([now.failures, now.losses], [0, 0], 'they handed back what they had');
      assert.ok((now.checkpointStep ?? 0) > (before.checkpointStep ?? 0), 'with a checkpoint later than the one before');
    }
    await eventually('worker that runs again', () => tasksOf(noisefold).some(({ attempt }) => attempt > 1), everything);
  });

  it('a worker that is warned of the end of its time checkpoints, and has itself requeued', async () => {
    const [before] = await eventually(
      'task in the middle',
      () => {
        const found = inTheMiddle(tasksOf(noisefold));
        return found.length > 0 && found;
      },
      everything,
    );
    assert.ok(before !== undefined);
    slurm('scancel', '--batch', '--signal=USR1', workers);
    await eventually('restart of both', () => restarts(workers) === 4, everything);
    assert.match(logOf(1), /USR1: to be requeued/);
    const now = tasksOf(noisefold).find(({ task }) => task === before.task);
    assert.deepEqual([now?.failures, now?.losses], [0, 0]);
  });

  it('a coordinator that is requeued goes on where it was', async () => {
    slurm('scontrol', 'requeue', coordinator);
    await eventually(
      'restart',
      () =>
        restarts(coordinator) === 1 &&
        slurm('squeue', '--noheader', '--jobs', coordinator, '--format', '%T').trim() === 'RUNNING',
      everything,
    );
    await eventually('end of the study', () => tasksOf(noisefold).every(({ status }) => status === 'done'), everything);
  });

  it('the ranking is the same to the byte as that of an undisturbed sweep', () => {
    written('noisefold fetch', (line) => `${line} --output ${join(folder, 'fetched')}`);
    assert.equal(studyAt(folder, 'fetched', study).text('ranking.csv'), expected.toString());
  });

  it('workers that are cancelled stay away', async () => {
    slurm('scancel', workers);
    await eventually(
      'end of the workers',
      () => jobs(workers).every((job) => !/PENDING|RUNNING|COMPLETING/.test(job)),
      everything,
    );
    assert.equal(restarts(workers), 4);
  });
});
