/** What a study survives: killed workers, tasks and sweeps, and a user who stops it. The ranking never shows it. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  childrenOf,
  descendantsOf,
  gone,
  hasProc,
  leases,
  run,
  type Run,
  smallSweep,
  start,
  type Study,
  studyAt,
  temporaryFolder,
  until,
  writeDiamonds,
} from './harness.ts';

const folder = temporaryFolder();
/** Trials long enough to be met in the middle, with a checkpoint every tenth. */
const long = ['--set', 'training.epochs=240', '--set', 'training.checkpointEveryEpochs=24', '--workers', '2'];
const command = (output: string): string[] => ['sweep', 'small.yaml', ...long, '--output', output];

const reference = studyAt(folder, 'undisturbed', 'small');
before(async () => {
  writeDiamonds(folder);
  writeFileSync(join(folder, 'small.yaml'), smallSweep);
  await run(0, folder, ...command('undisturbed'));
});

function sameResults(study: Study): void {
  for (const name of ['ranking.csv', 'ranking.json', 'best/features.npy', 'best/predictions.csv'])
    assert.ok(study.bytes(name).equals(reference.bytes(name)), `${name} differs from that of an undisturbed run`);
}

const trial = (n: number): string => `trial-000${n}/`;

/** Waits for a trial to have a checkpoint, but not its last one. */
const checkpointOf = (running: Run, study: Study, task: string): Promise<unknown> =>
  until(running, `a checkpoint of ${task}`, () =>
    study.log().some((line) => line.task?.startsWith(task) === true && line.message.startsWith('checkpoint at step')),
  );

/** The worker that started a task last, by its process. */
function workerOf(study: Study, task: string): number {
  const name = study.log().findLast((line) => line.message === 'task started' && line.task?.startsWith(task) === true)?.worker;
  return workers(study).findLast((worker) => worker.name === name)?.pid ?? assert.fail(`nobody runs ${task}`);
}

/** Every worker that ever joined, by its own word. */
const workers = (study: Study): { name: string; pid: number }[] =>
  study
    .log()
    .flatMap(({ message, worker = '', pid = 0 }) => (message === 'welcomed by the coordinator' ? [{ name: worker, pid }] : []));

describe('a sweep whose processes are killed', { skip: !hasProc }, () => {
  it('ends with the same ranking when a worker is killed, and then the process of a task', async () => {
    const study = studyAt(folder, 'killed', 'small');
    const running = start(folder, ...command('killed'));
    await checkpointOf(running, study, trial(1));
    const worker = workerOf(study, trial(1));
    const orphans = descendantsOf(worker);
    assert.ok(orphans.length > 0, 'the worker runs no task');
    process.kill(worker, 'SIGKILL');
    await gone([worker, ...orphans], 10_000);

    await checkpointOf(running, study, trial(3));
    const tasks = childrenOf(workerOf(study, trial(3)));
    assert.ok(tasks.length > 0, 'no task runs');
    for (const task of tasks) process.kill(task, 'SIGKILL');

    assert.equal(await running.ended, 0, running.stderr());
    sameResults(study);
    const attempts = new Map(study.table('timings.csv').map((row) => [row['trial'], row['attempts']]));
    assert.deepEqual([attempts.get('raw'), attempts.get('trial-0001'), attempts.get('trial-0003')], ['1', '2', '2']);
    const causes = study.log().map(({ message }) => message);
    assert.ok(causes.includes('worker process ended') && causes.includes('TASK_CRASHED'));
  });

  it('leaves no process behind when it is killed itself; the same command ends with the same ranking', async () => {
    const study = studyAt(folder, 'sweep-killed', 'small');
    const running = start(folder, ...command('sweep-killed'));
    await checkpointOf(running, study, trial(2));
    const below = descendantsOf(running.pid);
    assert.ok(below.length >= 3, `processes: ${below.join()}`);
    running.child.kill('SIGKILL');
    assert.equal(await running.ended, 'SIGKILL');
    await gone(below, 10_000);

    await run(0, folder, ...command('sweep-killed'));
    sameResults(study);
    const counts = leases(study);
    assert.deepEqual([counts['raw'], counts['untrained-1'], counts['trial-0002']], [1, 1, 2]);
  });
});

describe('a sweep that ends while its processes start', { skip: !hasProc }, () => {
  it('leaves none behind when it is killed', async () => {
    const running = start(folder, ...command('killed-early'));
    const below = await until(running, 'worker processes', () => {
      const pids = childrenOf(running.pid);
      return pids.length >= 2 && pids;
    });
    running.child.kill('SIGKILL');
    await running.ended;
    await gone(below, 10_000);
  });

  it('is stopped without blame for the tasks that Ctrl-C ended', async () => {
    const study = studyAt(folder, 'stopped-early', 'small');
    const running = start(folder, ...command('stopped-early'));
    await until(running, 'a task process', () => workers(study).some(({ pid }) => childrenOf(pid).length > 0));
    running.interrupt();
    assert.equal(await running.ended, 75);
    assert.ok(study.log().some(({ message }) => message === 'handed back' || message === 'done'));
    assert.ok(!study.log().some(({ message }) => message === 'TASK_CRASHED'));
  });
});

describe('a sweep that is stopped', { skip: process.platform === 'win32' }, () => {
  it('says how to go on, and goes on where it stopped: what was finished is not run again', async () => {
    const study = studyAt(folder, 'stopped', 'small');
    const running = start(folder, ...command('stopped'));
    await checkpointOf(running, study, trial(3));
    running.interrupt();
    assert.equal(await running.ended, 75);
    assert.match(
      running.stderr(),
      /INTERRUPTED .*stopped\/small: \d of 3 trials and 2 of 2 baselines are done; .*\n.*noisefold sweep small\.yaml .*--output stopped/,
    );
    const finished = study.table('timings.csv').map((row) => row['trial'] ?? '');
    assert.ok(finished.length >= 3 && !finished.includes('trial-0003'), `finished: ${finished.join()}`);

    const versions = join(study.folder, 'versions.json');
    const own = readFileSync(versions, 'utf8');
    assert.equal((JSON.parse(own) as { node: string }[])[0]?.node, process.versions.node);
    writeFileSync(versions, own.replace(/"noisefold": ".*"/, '"noisefold": "0.0.1"'));
    const again = await run(0, folder, ...command('stopped'));
    assert.match(again.stderr(), /Going on with the study.*\n.*noisefold 0\.0\.1 ran it before, and this is .* bytes may differ/);
    sameResults(study);
    const counts = leases(study);
    for (const id of finished) assert.equal(counts[id], 1, `${id} was run again`);
    assert.equal(counts['trial-0003'], 2);
  });

  it(
    'stops at once when asked twice, while its workers hang; a second sweep of the study is refused meanwhile',
    { skip: !hasProc },
    async () => {
      const study = studyAt(folder, 'twice', 'small');
      const running = start(folder, ...command('twice'));
      await checkpointOf(running, study, trial(1));
      const below = descendantsOf(running.pid);
      for (const { pid } of workers(study)) process.kill(pid, 'SIGSTOP');

      const second = await run(2, folder, ...command('twice'));
      assert.match(second.stderr(), /^STORE_LOCKED .*twice\/small/m);

      running.interrupt();
      await until(running, 'the answer to the first signal', () => running.stderr().includes('stopping:'));
      await sleep(300);
      assert.ok(!running.over(), 'it did not wait for its workers');
      const asked = Date.now();
      running.interrupt();
      assert.equal(await running.ended, 75);
      assert.ok(Date.now() - asked < 2_000, `took ${Date.now() - asked} ms`);
      await gone(below, 10_000);

      await run(0, folder, ...command('twice'));
      sameResults(study);
    },
  );
});
