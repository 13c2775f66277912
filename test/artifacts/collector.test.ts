import assert from 'node:assert/strict';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createCollector } from '../../src/artifacts/collector.ts';
import { memoryArtifacts, type MemoryArtifacts } from '../../src/artifacts/memory.ts';
import { sha256 } from '../../src/base/hash.ts';
import { bytesOf } from '../contract/artifacts.ts';

/** A store whose every operation takes turns of the event loop, before and after it does something. */
function slow(store: MemoryArtifacts, turns: () => number): MemoryArtifacts {
  const taking = async <T>(work: () => Promise<T>): Promise<T> => {
    for (let i = turns(); i > 0; i--) await nextTurn();
    const done = await work();
    for (let i = turns(); i > 0; i--) await nextTurn();
    return done;
  };
  return {
    ...store,
    put: (bytes) => taking(() => store.put(bytes)),
    size: (hash) => taking(() => store.size(hash)),
    delete: (hash) => taking(() => store.delete(hash)),
  };
}

describe('garbage collection', () => {
  it('deletes what has been without reference for the time of grace, and nothing younger, held or referred to', async () => {
    let now = 0;
    const collector = createCollector({ artifacts: memoryArtifacts(), clock: { now: () => now }, graceMs: 100 });
    const { artifacts } = collector;
    const [kept, held, old] = [
      await artifacts.put(bytesOf('kept')),
      await artifacts.put(bytesOf('held')),
      await artifacts.put(bytesOf('old')),
    ];
    const release = collector.hold(held);
    const isReferred = (hash: string): boolean => hash === kept;
    assert.equal(await collector.collect(isReferred), 0);
    now = 99;
    const young = await artifacts.put(bytesOf('young'));
    assert.equal(await collector.collect(isReferred), 0);
    now = 100;
    assert.equal(await collector.collect(isReferred), 1);
    assert.deepEqual(await artifacts.list(), [kept, held, young].sort());
    assert.equal(await artifacts.has(old), false);
    release();
    now = 198;
    assert.equal(await collector.collect(isReferred), 0, 'what was held begins its time when it is let go');
    now = 500;
    assert.equal(await collector.collect(isReferred), 2);
    assert.deepEqual(await artifacts.list(), [kept]);
  });

  it('counts the time of grace from the last put of the same bytes', async () => {
    let now = 0;
    const { artifacts, collect } = createCollector({ artifacts: memoryArtifacts(), clock: { now: () => now }, graceMs: 100 });
    await artifacts.put(bytesOf('blob'));
    await collect(() => false);
    now = 99;
    await artifacts.put(bytesOf('blob'));
    now = 150;
    assert.equal(await collect(() => false), 0);
    now = 260;
    assert.equal(await collect(() => false), 1);
  });

  it('discards a superseded blob at once, unless something else refers to the same bytes', async () => {
    const { artifacts, discard, hold } = createCollector({ artifacts: memoryArtifacts(), clock: { now: () => 0 }, graceMs: 100 });
    const hash = await artifacts.put(bytesOf('blob'));
    assert.equal(await discard(hash, () => true), false);
    const release = hold(hash);
    assert.equal(await discard(hash, () => false), false);
    release();
    assert.equal(await discard(hash, () => false), true);
    assert.equal(await artifacts.has(hash), false);
  });

  it('never deletes what somebody was told is there and then refers to, however operations interleave', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('refer', 'forget', 'collect', 'discard'), fc.nat(3)), { maxLength: 25 }),
        fc.infiniteStream(fc.nat(2)),
        async (commands, turns) => {
          let now = 0;
          const store = memoryArtifacts();
          const behind = slow(store, () => Number(turns.next().value ?? 0));
          const collector = createCollector({ artifacts: behind, clock: { now: () => now }, graceMs: 2 });
          const blobs = [0, 1, 2, 3].map((i) => bytesOf(`blob ${i}`));
          const referred = new Map<string, number>();
          const isReferred = (hash: string): boolean => (referred.get(hash) ?? 0) > 0;
          const refer = async (bytes: Uint8Array): Promise<void> => {
            const hash = sha256(bytes);
            // As the coordinator does: the blob arrives, its sender names it, it is looked for under a hold, and then a row refers to it.
            await collector.artifacts.put(bytes);
            const release = collector.hold(hash);
            if ((await collector.artifacts.size(hash)) !== undefined) referred.set(hash, (referred.get(hash) ?? 0) + 1);
            release();
          };
          const running: Promise<unknown>[] = [];
          for (const [command, which] of commands) {
            const bytes = blobs[which] ?? assert.fail();
            const hash = sha256(bytes);
            now++;
            if (command === 'refer') running.push(refer(bytes));
            else if (command === 'forget') referred.set(hash, 0);
            else if (command === 'collect') running.push(collector.collect(isReferred));
            else running.push(collector.discard(hash, isReferred));
            if (turns.next().value === 0) await nextTurn();
            for (const [name, count] of referred) if (count > 0) assert.ok(await store.has(name), `${name} is referred to`);
          }
          await Promise.all(running);
          for (const [name, count] of referred) if (count > 0) assert.ok(await store.has(name), `${name} is referred to`);
        },
      ),
      { numRuns: 200 },
    );
  });
});
