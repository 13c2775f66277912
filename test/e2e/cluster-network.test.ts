/** A coordinator service and workers behind a network that fails: delayed, cut, reset, and two hosts whose cable is pulled. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertSame, type Cluster, isCheckpoint, type Outcome, outcomeOf, startCluster } from './cluster.ts';
import { startFaultProxy } from './fault-proxy.ts';
import { hasProc, run, smallSweep, studyAt, temporaryFolder, writeDiamonds } from './harness.ts';
import { noHosts, twoHosts } from './hosts.ts';

const folder = temporaryFolder();
/** A network large enough that its checkpoints take several pieces of a connection. */
const large = ['--set', 'model.units=128', '--set', 'training.epochs=60', '--set', 'training.checkpointEveryEpochs=6'];

let undisturbed: Outcome;
before(async () => {
  writeDiamonds(folder);
  writeFileSync(join(folder, 'small.yaml'), smallSweep.replace('trials: 3', 'trials: 2'));
  await run(0, folder, 'sweep', 'small.yaml', ...large, '--workers', '2', '--output', 'undisturbed');
  undisturbed = outcomeOf(studyAt(folder, 'undisturbed', 'small'));
});
const submit = (to: Cluster) => to.command(0, 'submit', 'small.yaml', ...large);

describe('workers behind a network that fails', { skip: !hasProc, concurrency: 2 }, () => {
  it('go on with transfers and tasks through delay, resets and silence; the same bytes arrive', async (t) => {
    const service = await startCluster({ folder, name: 'proxied', lease: 3 });
    t.after(service.close);
    await service.coordinate();
    await submit(service);
    const proxy = await startFaultProxy(Number(new URL(service.address).port));
    t.after(proxy.close);
    proxy.delay(20);
    // The data of the first task are on their way: the connection is reset in the middle.
    proxy.after(20_000, 'down', proxy.reset);
    const worker = service.worker('behind', { far: true, address: proxy.address });
    let seen = await service.logged('the first task', ({ message, task }) => message === 'done' && task !== undefined);
    // A checkpoint is on its way.
    proxy.after(50_000, 'up', proxy.reset);
    seen = await service.logged('a checkpoint', isCheckpoint, seen);
    // For longer than its lease nothing arrives, and nobody is told.
    proxy.set('blackhole');
    seen = await service.logged(
      'the end of the lease',
      ({ to, task = '' }) => to === 'pending' && task.startsWith('trial-'),
      seen,
    );
    proxy.set('refuse');
    proxy.reset();
    await sleep(500);
    proxy.set('none');
    proxy.delay(0);
    await service.logged('a checkpoint', isCheckpoint, seen);
    proxy.reset();
    await service.finished('small');
    assert.ok(!worker.over(), worker.stderr());
    assertSame(await service.outcome('small'), undisturbed);
  });

  it('work on another host with keys, whose cable is pulled and plugged in again', { skip: noHosts() }, async (t) => {
    const hosts = twoHosts();
    const service = await startCluster({
      folder,
      name: 'two-hosts',
      lease: 2,
      host: hosts.a.address,
      coordinator: { under: hosts.a.under },
      commands: { under: hosts.a.under, args: ['--key', join('two-hosts', 'keys', 'client.json')] },
    });
    t.after(async () => {
      await service.close();
      hosts.close();
    });
    await service.coordinate();
    await submit(service);
    const refused = service.worker('stranger', { under: hosts.b.under });
    assert.equal(await refused.ended, 78, refused.stderr());
    const key = join(service.data, 'keys', 'worker.json');
    const worker = service.worker('b', { under: hosts.b.under, far: true, args: ['--key', key] });
    let seen = await service.logged('a checkpoint', isCheckpoint);
    hosts.link('down');
    seen = await service.logged(
      'the end of the lease',
      ({ to, task = '' }) => to === 'pending' && task.startsWith('trial-'),
      seen,
    );
    hosts.link('up');
    await service.logged('a checkpoint', isCheckpoint, seen);
    await service.logged('the end', ({ message }) => message === 'the study is finished', seen);
    assert.ok(!worker.over(), worker.stderr());
    assertSame(await service.outcome('small'), undisturbed);
  });
});
