/** Disks that fill up for real, and a machine that is sick: the study waits or goes elsewhere, and comes to the same bytes. */
import assert from 'node:assert/strict';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { assertSame, type Cluster, isCheckpoint, type Outcome, outcomeOf, startCluster } from './cluster.ts';
import { hasProc, type LogLine, run, smallSweep, studyAt, temporaryFolder, writeDiamonds } from './harness.ts';
import { noSmallDisks, smallDisk } from './hosts.ts';

const folder = temporaryFolder();
const small = ['--set', 'training.epochs=200', '--set', 'training.checkpointEveryEpochs=10'];
const MiB = 2 ** 20;

let undisturbed: Outcome;
before(async () => {
  writeDiamonds(folder);
  writeFileSync(join(folder, 'small.yaml'), smallSweep.replace('trials: 3', 'trials: 2'));
  await run(0, folder, 'sweep', 'small.yaml', ...small, '--workers', '2', '--output', 'undisturbed');
  undisturbed = outcomeOf(studyAt(folder, 'undisturbed', 'small'));
});
const submit = (to: Cluster, ...settings: readonly string[]) =>
  to.command(0, 'submit', 'small.yaml', ...small, ...settings.flatMap((setting) => ['--set', setting]));

/** Takes all that a disk has left. */
function fill(disk: string): void {
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(join(disk, 'filler'), new Uint8Array(bavail * bsize));
}

const free = (disk: string): void => rmSync(join(disk, 'filler'));

describe('a full disk', { skip: !hasProc || noSmallDisks(join(folder, 'try')), concurrency: 2 }, () => {
  it('of the coordinator stops the study, which says so, and goes on when there is space', async (t) => {
    const data = join(folder, 'service-disk');
    const disk = smallDisk(data, 8 * MiB);
    const service = await startCluster({ folder, name: 'full', data, lease: 3 });
    t.after(async () => {
      await service.close();
      disk.close();
    });
    await service.coordinate();
    await submit(service);
    const workers = [service.worker('near'), service.worker('far', { far: true })];
    await service.logged('a checkpoint', isCheckpoint);
    fill(data);
    const troubled = async (): Promise<string | undefined> =>
      (await service.ask({ type: 'status', study: 'small' }, 'study')).study.trouble;
    const limit = Date.now() + 60_000;
    while ((await troubled()) === undefined) assert.ok(Date.now() < limit, 'nobody says that the disk is full');
    assert.match((await troubled()) ?? '', /disk .*full/);
    // For longer than a lease, and than a failed task waits.
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    assert.ok(!service.coordinator().over(), service.coordinator().stderr());
    for (const worker of workers) assert.ok(!worker.over(), worker.stderr());
    free(data);
    await service.finished('small');
    assert.equal(await troubled(), undefined);
    assert.ok(
      service.log().some(({ message }) => /space .*again/.test(message)),
      'the log goes on, too',
    );
    assertSame(await service.outcome('small'), undisturbed);
  });

  it('of a worker’s cache is nobody’s failure: its tasks go elsewhere, and it rests until there is space', async (t) => {
    const cache = join(folder, 'cache-disk');
    const disk = smallDisk(cache, MiB);
    const service = await startCluster({ folder, name: 'cache', lease: 3 });
    t.after(async () => {
      await service.close();
      disk.close();
    });
    await service.coordinate();
    await submit(service);
    fill(cache);
    const worker = service.worker('cramped', { far: true, cache });
    const isFull = ({ message, task }: LogLine): boolean => message.startsWith('DISK_FULL') && task !== undefined;
    await service.logged('a full disk', isFull);
    const roomy = service.worker('roomy', { far: true });
    await service.finished('small');
    assert.equal(service.log().filter(isFull).length <= 3, true, 'it rests, and does not make every task wait');
    // When its canary is due there is space.
    free(cache);
    await service.logged('the canary', ({ message, worker: name }) => message === 'canary went well' && name === 'cramped');
    roomy.child.kill('SIGTERM');
    await submit(service, 'study=again');
    await service.finished('again');
    assert.ok(!worker.over(), worker.stderr());
    assertSame(await service.outcome('small'), undisturbed);
  });
});

describe('a worker on a sick machine', { skip: !hasProc }, () => {
  it('is quarantined and stays so by its canary; it does not eat the sweep', async (t) => {
    const service = await startCluster({ folder, name: 'sick', lease: 3 });
    t.after(service.close);
    await service.coordinate();
    await submit(service);
    const sick = service.worker('sick', { sick: true });
    await service.logged('quarantine', ({ to, worker }) => to === 'quarantined' && worker === 'sick');
    service.worker('well');
    await service.finished('small');
    const { workers } = await service.ask({ type: 'workers' }, 'workers');
    assert.equal(workers.find(({ name }) => name === 'sick')?.status === 'idle', false);
    const failures = service.log().filter(({ message, task }) => message === 'TASK_CRASHED' && task !== undefined);
    assert.ok(failures.length <= 3, `${failures.length} attempts failed on it`);
    assert.ok(!sick.over(), sick.stderr());
    assertSame(await service.outcome('small'), undisturbed);
  });
});
