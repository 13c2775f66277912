/** A coordinator service and its workers, killed and stopped at every stage: what comes out is, byte for byte, what an undisturbed sweep gives. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  assertSame,
  atNextWrite,
  type Cluster,
  isCheckpoint,
  type Outcome,
  outcomeOf,
  signal,
  startCluster,
  tasksOf,
} from './cluster.ts';
import { gone, hasProc, type LogLine, run, smallSweep, studyAt, temporaryFolder, writeDiamonds } from './harness.ts';

const folder = temporaryFolder();
/** Trials long enough to be met in the middle, with a checkpoint every tenth. */
const long = ['--set', 'training.epochs=200', '--set', 'training.checkpointEveryEpochs=20'];

let undisturbed: Outcome;
const clusters: Cluster[] = [];
before(async () => {
  writeDiamonds(folder);
  writeFileSync(join(folder, 'small.yaml'), smallSweep);
  await run(0, folder, 'sweep', 'small.yaml', ...long, '--workers', '2', '--output', 'undisturbed');
  undisturbed = outcomeOf(studyAt(folder, 'undisturbed', 'small'));
});
after(async () => {
  for (const cluster of clusters) await cluster.close();
});

async function cluster(name: string): Promise<Cluster> {
  const started = await startCluster({ folder, name, lease: 2 });
  clusters.push(started);
  await started.coordinate();
  return started;
}

const submit = (to: Cluster, ...args: readonly string[]) => to.command(0, 'submit', 'small.yaml', ...long, ...args);

describe('a study whose processes are killed, frozen, or told to wait', { skip: !hasProc, concurrency: 2 }, () => {
  it('has the same ranking and checkpoints: coordinator at the first lease and in commits, worker in an upload, task in a checkpoint', async () => {
    const service = await cluster('killed');
    const study = join(service.data, 'studies', 'small');
    const incoming = join(service.data, 'artifacts', 'tmp');
    await submit(service);
    const kill = async (): Promise<void> => {
      service.coordinator().child.kill('SIGKILL');
      await service.coordinator().ended;
      await service.coordinate();
    };
    const near = service.worker('near');
    await service.logged('the first lease', ({ to, message }) => to === 'leased' && message === 'leased');
    await kill();

    // The far worker alone: parts that arrive are its uploads.
    const seen = await service.logged('a checkpoint', isCheckpoint);
    near.child.kill('SIGKILL');
    const orphans = tasksOf(near);
    const far = service.worker('far', { far: true });
    await atNextWrite(
      incoming,
      (name) => name.endsWith('.part'),
      () => far.child.kill('SIGKILL'),
    ).next;
    await gone([far.pid, ...orphans], 10_000);

    const again = service.worker('far', { far: true });
    await service.logged('a checkpoint', isCheckpoint, seen);
    await atNextWrite(
      study,
      (name) => name === 'study.db-wal',
      () => service.coordinator().child.kill('SIGKILL'),
    ).next;
    await service.coordinator().ended;
    await service.coordinate();

    const last = service.worker('near');
    await atNextWrite(
      incoming,
      (name) => !name.endsWith('.part'),
      () => {
        for (const pid of tasksOf(last)) signal(pid, 'SIGKILL');
      },
    ).next;
    await atNextWrite(
      study,
      (name) => name === 'study.db-wal',
      () => service.coordinator().child.kill('SIGKILL'),
    ).next;
    await service.coordinator().ended;
    await service.coordinate();

    await service.finished('small');
    const outcome = await service.outcome('small');
    assertSame(outcome, undisturbed);
    assert.ok(Object.values(outcome.attempts).some((attempts) => attempts > 1));
    again.child.kill('SIGTERM');
    assert.equal(await again.ended, 75, again.stderr());
  });

  it('goes on with the same attempts when the coordinator is started again, by force or not, while workers train', async () => {
    const service = await cluster('restarted');
    await submit(service);
    service.worker('a');
    let seen = await service.logged('a checkpoint', isCheckpoint);
    const held: LogLine[] = [];
    for (const how of ['SIGTERM', 'SIGKILL'] as const) {
      service.coordinator().child.kill(how);
      held.push(...service.log().slice(seen - 1, seen));
      assert.equal(await service.coordinator().ended, how === 'SIGTERM' ? 0 : how);
      await service.coordinate();
      seen = await service.logged('a checkpoint', isCheckpoint, seen);
    }
    await service.finished('small');
    const outcome = await service.outcome('small');
    assertSame(outcome, undisturbed);
    for (const { task = '', attempt } of held) assert.equal(outcome.attempts[task], attempt, `${task} was begun again`);
  });

  it('refuses what a worker says that was frozen for longer than its lease, and shows it in the log', async () => {
    const service = await cluster('frozen');
    await submit(service);
    const zombie = service.worker('zombie');
    const seen = await service.logged('a checkpoint', isCheckpoint);
    const tasks = tasksOf(zombie);
    // The worker only: its task goes on, and has checkpoints and a result to tell of.
    zombie.child.kill('SIGSTOP');
    const other = service.worker('other');
    const ended = await service.logged(
      'the end of the lease',
      ({ to, task = '' }) => to === 'pending' && task.startsWith('trial-'),
      seen,
    );
    const [taken] = service.log().slice(ended - 1);
    const next = await service.logged('another attempt', ({ task, attempt }) => task === taken?.task && attempt === 2, ended);
    assert.equal(service.log()[next - 1]?.worker, 'other');
    zombie.child.kill('SIGCONT');
    await service.logged(
      'fencing',
      ({ message, task, attempt }) => /changed nothing/.test(message) && task === taken?.task && attempt === 1,
      ended,
    );
    await gone(tasks, 20_000);

    // A task that stands still is not its worker's silence: the lease is renewed.
    const [child] = tasksOf(other);
    if (child !== undefined) {
      signal(child, 'SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      signal(child, 'SIGCONT');
    }
    // Nor is a coordinator that stands still for longer than a lease the end of any.
    const before = service.log().length;
    service.coordinator().child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    service.coordinator().child.kill('SIGCONT');
    await service.finished('small');
    const lost = service
      .log()
      .slice(before)
      .filter(({ message }) => message === 'lease ended');
    assert.deepEqual(lost, []);
    assertSame(await service.outcome('small'), undisturbed);
  });

  it('may be submitted twice, paused, resumed, and have one beside it cancelled', async () => {
    const service = await cluster('commanded');
    await submit(service);
    const worker = service.worker('a');
    const seen = await service.logged('a checkpoint', isCheckpoint);
    await service.command(0, 'pause', 'small');
    assert.match((await submit(service)).stdout(), /there already/);
    await service.logged('the pause', ({ to, message }) => to === 'paused' || message === 'paused', seen);
    assert.deepEqual(tasksOf(worker), []);
    const status = await service.ask({ type: 'status', study: 'small' }, 'study');
    assert.deepEqual([status.study.status, status.running.length, status.study.tasks.failed], ['paused', 0, 0]);

    await submit(service, '--set', 'study=other');
    await service.logged('the other study', ({ study, message }) => study === 'other' && message === 'leased', seen);
    await service.command(0, 'cancel', 'other');
    await service.command(0, 'resume', 'small');
    await service.command(0, 'retry', 'small');
    await service.finished('small');
    assertSame(await service.outcome('small'), undisturbed);
    const other = await service.ask({ type: 'status', study: 'other' }, 'study');
    assert.equal(other.study.status, 'cancelled');
  });
});
