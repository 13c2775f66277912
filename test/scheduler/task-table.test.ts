import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { newTaskState, taskTable, type TaskTable } from '../../src/scheduler/task-table.ts';
import { isHeld } from '../../src/scheduler/transitions.ts';
import { taskStatuses, type TaskState } from '../../src/scheduler/types.ts';
import { taskNamed } from './fixtures.ts';

const states = (count: number): TaskState[] =>
  Array.from({ length: count }, (_, i) => newTaskState(taskNamed(`t${i}`, `trial${i >> 1}`)));

/** Everything that a table answers, against a plain list. */
function assertIs(table: TaskTable, list: readonly TaskState[]): void {
  assert.deepEqual([...table.values()], list);
  assert.equal(table.size, list.length);
  for (const status of taskStatuses) assert.equal(table.count(status), list.filter((task) => task.status === status).length);
  assert.deepEqual(
    table.held(),
    list.filter(({ status }) => isHeld(status)),
  );
  for (const nowMs of [0, 5, 10])
    assert.equal(
      table.firstReady(nowMs),
      list.find(({ status, notBefore }) => status === 'pending' && notBefore <= nowMs),
    );
  for (const hash of ['h1', 'h2'])
    assert.equal(table.pointingAt(hash), list.filter(({ checkpoint }) => checkpoint?.hash === hash).length);
  assert.deepEqual(
    table.ofTrial('trial1'),
    list.filter(({ task }) => task.trial === 'trial1'),
  );
}

describe('a table of tasks', () => {
  it('answers as a plain list would, after any changes, and tables from before stay what they were', () => {
    const change = fc.record({
      at: fc.nat(599),
      status: fc.constantFrom(...taskStatuses),
      notBefore: fc.constantFrom(0, 5, 10, 15),
      hash: fc.constantFrom(undefined, 'h1', 'h2'),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60, size: 'max' }), (changes) => {
        const list = states(600);
        let table = taskTable(list);
        const old: [TaskTable, TaskState[]][] = [];
        changes.forEach(({ at, status, notBefore, hash }, i) => {
          if (i % 10 === 0) old.push([table, [...list]]);
          const task = list[at];
          assert.ok(task !== undefined);
          const changed = { ...task, status, notBefore, checkpoint: hash === undefined ? undefined : { hash, step: 1 } };
          list[at] = changed;
          table = table.with(changed);
        });
        for (const [then, as] of [...old, [table, list] as const]) assertIs(then, as);
      }),
      { numRuns: 40 },
    );
  });

  it('grows at its end, and the shorter one stays', () => {
    const [first, second] = [states(300), states(301).slice(300)];
    const table = taskTable(first);
    assertIs(table.append(second), [...first, ...second]);
    assertIs(table, first);
    assert.equal(table.get('t300'), undefined);
  });

  it('refuses two tasks with one id, and a change of a task that it lacks', () => {
    assert.throws(() => taskTable([...states(1), ...states(1)]), RangeError);
    assert.throws(() => taskTable([]).with(newTaskState(taskNamed('a'))), RangeError);
  });
});
