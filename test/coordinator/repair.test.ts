import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { silentLog } from '../../src/base/ports.ts';
import { repairStudy } from '../../src/coordinator/repair.ts';
import type { Store } from '../../src/store/store.ts';
import { briefTask, checkpointHash, open, scores, storeOf, until, type Bench } from './bench.ts';

async function finished(more = ''): Promise<{ store: Store; bench: Bench }> {
  const store = storeOf('s', more);
  const bench = open({ stores: new Map([['s', store]]) });
  bench.join('w1');
  await bench.coordinator.ended('s');
  await bench.close();
  return { store, bench };
}

const repaired = (store: Store, { artifacts }: Bench, thorough: boolean): Promise<readonly string[]> =>
  repairStudy({ store, artifacts, thorough, nowMs: 1, log: silentLog });

describe('repairing a study', () => {
  it('leaves alone what is whole', async () => {
    const { store, bench } = await finished();
    const before = store.tasks();
    assert.deepEqual(await repaired(store, bench, true), []);
    assert.deepEqual(store.tasks(), before);
    assert.equal(store.study()?.status, 'finished');
  });

  it('has results made again whose checkpoint is gone or damaged; they end as before', async () => {
    const { store, bench } = await finished();
    await bench.artifacts.delete(checkpointHash('trial-0001', 10));
    bench.artifacts.damage(checkpointHash('trial-0003', 10), 'truncate');
    assert.deepEqual(await repaired(store, bench, false), ['trial-0001/all/0-10'], 'a quick look sees what is gone');
    assert.deepEqual(await repaired(store, bench, true), ['trial-0003/all/0-10']);
    assert.deepEqual(scores(store), [0, undefined, 2, undefined, 4]);
    assert.equal(store.study()?.status, 'running');
    const again = open({ stores: new Map([['s', store]]), artifacts: bench.artifacts });
    const attempts: string[] = [];
    again.join('w1', (spec, folder, reports) => {
      attempts.push(spec.task.trial);
      return briefTask(again.artifacts)(spec, folder, reports);
    });
    assert.equal(await again.coordinator.ended('s'), 'finished');
    await again.close();
    assert.deepEqual(attempts, ['trial-0001', 'trial-0003']);
    assert.deepEqual(scores(store), [0, 1, 2, 3, 4]);
    assert.equal(await bench.artifacts.verify(checkpointHash('trial-0003', 10)), 'good');
  });

  it('does not want back what the study’s policy lets go', async () => {
    const { store, bench } = await finished('checkpoints: { keep: { best: 1 } }');
    await bench.artifacts.delete(checkpointHash('trial-0004', 10));
    assert.deepEqual(await repaired(store, bench, true), []);
  });
});

describe('a service', () => {
  /** Serves the finished study with the artifacts of another coordinator. */
  const serve = ({ store, bench }: Awaited<ReturnType<typeof finished>>): Bench =>
    open({
      ...{ stores: new Map([['s', store]]), artifacts: bench.artifacts, policy: { whenDone: 'wait' } },
      garbage: { everyMs: 10, graceMs: 3_600_000 },
    });
  const whole = async ({ artifacts }: Bench, trial: string): Promise<boolean> =>
    (await artifacts.verify(checkpointHash(trial, 10))) === 'good';

  it('has results made again whose checkpoint is gone, by itself', async () => {
    const before = await finished();
    await before.bench.artifacts.delete(checkpointHash('trial-0002', 10));
    const bench = serve(before);
    await until(() => bench.coordinator.state().studies.get('s')?.status === 'running', 'the study to go on');
    bench.join('w1');
    await bench.coordinator.ended('s');
    assert.ok(await whole(bench, 'trial-0002'));
    assert.deepEqual(scores(before.store), [0, 1, 2, 3, 4]);
    assert.deepEqual(
      before.store.tasks().map(({ attempt }) => attempt),
      [1, 1, 2, 1, 1],
    );
    await bench.close();
  });

  it('reads the bytes too when it is asked to try again', async () => {
    const before = await finished();
    before.bench.artifacts.damage(checkpointHash('trial-0001', 10), 'truncate');
    const bench = serve(before);
    assert.deepEqual(await bench.ask({ type: 'retry', study: 's' }), { type: 'accepted', study: 's', existed: true });
    await until(() => bench.coordinator.state().studies.get('s')?.status === 'running', 'the study to go on');
    bench.join('w1');
    await bench.coordinator.ended('s');
    assert.ok(await whole(bench, 'trial-0001'));
    await bench.close();
  });

  it('wants nothing back that its study lets go, and nothing of a cancelled one', async () => {
    for (const more of ['checkpoints: { keep: { best: 1 } }', 'seed: 1']) {
      const before = await finished(more);
      if (more.startsWith('seed'))
        before.store.commit({ tasks: [], study: { status: 'cancelled', from: 'finished', cause: 'a test', atMs: 1 } });
      await before.bench.artifacts.delete(checkpointHash('trial-0004', 10));
      const bench = serve(before);
      bench.join('w1');
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.ok(before.store.tasks().every(({ attempt }) => attempt === 1));
      await bench.close();
    }
  });
});
