import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { workerStatuses, type WorkerState } from '../../src/scheduler/types.ts';
import { workerTable } from '../../src/scheduler/worker-table.ts';

const workers: fc.Arbitrary<WorkerState> = fc.record({
  id: fc.integer({ min: 0, max: 99 }).map((i) => `p${i}`),
  name: fc.constant('w'),
  status: fc.constantFrom(...workerStatuses),
  lastSeen: fc.nat(1_000),
  task: fc.constant(undefined),
});
const changes = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: workers },
    fc.integer({ min: 0, max: 99 }).map((i) => `p${i}`),
  ),
  {
    maxLength: 300,
    size: 'max',
  },
);

describe('The table of workers', () => {
  it('answers as a Map would, in the order of joining, and leaves every earlier table as it was', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const model = new Map<string, WorkerState>();
        let table = workerTable([]);
        const earlier: { table: typeof table; entries: [string, WorkerState][] }[] = [];
        for (const change of list) {
          earlier.push({ table, entries: [...model] });
          if (typeof change === 'string') {
            model.delete(change);
            table = table.without(change);
          } else {
            model.set(change.id, change);
            table = table.with(change);
          }
        }
        earlier.push({ table, entries: [...model] });
        for (const { table: then, entries } of earlier) {
          assert.deepEqual([...then], entries);
          assert.deepEqual(
            [...then.keys()],
            entries.map(([id]) => id),
          );
          assert.deepEqual(then.firstIdle(), entries.find(([, { status }]) => status === 'idle')?.[1]);
          assert.equal(then.size, entries.length);
        }
        for (let i = 0; i < 100; i++) {
          assert.equal(table.get(`p${i}`), model.get(`p${i}`));
          assert.equal(table.has(`p${i}`), model.has(`p${i}`));
        }
      }),
      { numRuns: 50 },
    );
  });

  it('refuses two workers with one id', () => {
    const worker: WorkerState = { id: 'p', name: 'w', status: 'idle', lastSeen: 0, task: undefined };
    assert.throws(() => workerTable([worker, worker]), RangeError);
  });
});
