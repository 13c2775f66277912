/** What every store does, wherever it keeps things. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import type { Plan, Task, Trial } from '../../src/plan/types.ts';
import { summaryOf } from '../../src/scheduler/result-summary.ts';
import { newTaskState } from '../../src/scheduler/task-table.ts';
import { studyStatuses, taskStatuses, type TaskState } from '../../src/scheduler/types.ts';
import type { Store, StudyChange, StudyRow, TaskChange } from '../../src/store/store.ts';
import type { TaskResult } from '../../src/train/types.ts';
import { taskProgress, taskResult, taskSpec } from '../wire/messages.ts';

export interface StoreHarness {
  readonly store: Store;
  /** The same store after a restart of the process. */
  readonly reopen: () => Store;
  /** Another store, from the bytes of a snapshot. */
  readonly restore: (snapshot: Uint8Array) => Store;
  readonly dispose: () => void;
}

export const study: StudyRow = {
  name: 'diamonds',
  config: '{"study":"diamonds"}',
  configHash: 'c0ffee',
  dataHash: 'da7a',
  data: ['da7a', 'f01d'],
  table: '7ab1e',
  status: 'running',
  createdMs: 1_700_000_000_123.5,
  version: '0.1.0',
};

const [spec] = fc.sample(taskSpec, { numRuns: 1, seed: 7 });
assert.ok(spec);

/** Ids whose alphabetical order is not that of the plan. */
const ids = ['raw', 'untrained-1', 'trial-0002', 'trial-0001'];
const trials: Trial[] = ids.map((id) => ({
  id,
  kind: id.startsWith('trial') ? 'trained' : 'raw',
  parameters: { 'noise.numerical': 0.25, 'noise.columns.cut': 'none' },
  config: spec.config,
  ...(id.startsWith('trial') && { untrained: 'untrained-1' }),
}));
const tasks: Task[] = ids.map((trial, index) => ({
  id: `${trial}/all/0-10`,
  trial,
  fold: index === 1 ? 0 : 'all',
  rung: index,
  fromStep: 0,
  toStep: 2 ** 40 + index,
}));
export const plan: Plan = { trials, tasks };
export const taskAt = (index: number): Task => plan.tasks[index] ?? assert.fail(`no task ${index}`);

export function change(task: Task, changes: Partial<TaskState>, atMs = 1, cause = 'test'): TaskChange {
  const state = { ...newTaskState(task), ...changes };
  const { status, attempt, worker } = state;
  return { task: state, transition: { atMs, task: task.id, attempt, from: 'pending', to: status, worker, cause } };
}

const taskState = fc
  .record({
    index: fc.nat(tasks.length - 1),
    status: fc.constantFrom(...taskStatuses),
    attempt: fc.nat(),
    failures: fc.nat(),
    failedOn: fc.uniqueArray(fc.string(), { maxLength: 2 }),
    losses: fc.nat(),
    worker: fc.option(fc.string(), { nil: undefined }),
    leaseUntil: fc.option(fc.nat(), { nil: undefined }),
    notBefore: fc.maxSafeNat().map((eighths) => eighths / 8),
    checkpoint: fc.option(fc.record({ hash: fc.string(), step: fc.maxSafeNat() }), { nil: undefined }),
    progress: fc.option(taskProgress, { nil: undefined }),
    progressedAt: fc.option(fc.nat(), { nil: undefined }),
    result: fc.option(taskResult, { nil: undefined }),
    error: fc.option(fc.record({ code: fc.string(), message: fc.string(), retryable: fc.boolean() }), { nil: undefined }),
  })
  .map((made): Finished => {
    const { index, result, ...state } = structuredClone(made);
    return { state: { task: taskAt(index), ...state, result: result && summaryOf(result) }, result };
  });

/** A state, and the whole of its result. */
interface Finished {
  readonly state: TaskState;
  readonly result: TaskResult | undefined;
}

const changeOf = ({ state, result }: Finished): TaskChange => ({ ...change(state.task, state), result });

/** What is left of a state in a store. */
const kept = (state: TaskState): TaskState => ({
  ...state,
  worker: undefined,
  leaseUntil: undefined,
  progress: undefined,
  progressedAt: undefined,
});

const studyChange = fc
  .record({
    status: fc.constantFrom(...studyStatuses),
    from: fc.constantFrom(...studyStatuses),
    cause: fc.string(),
    atMs: fc.nat(),
  })
  .map((made): StudyChange => ({ ...made }));

const resultWith = (seconds: number): TaskResult => {
  const [result] = fc.sample(taskResult, { numRuns: 1, seed: seconds });
  assert.ok(result);
  return { ...structuredClone(result), seconds };
};

const commitTasks = (store: Store, tasks: readonly TaskChange[]): void => store.commit({ tasks });

/** The store before a restart, then after it. */
function* restarted(store: Store, reopen: () => Store): Generator<Store> {
  yield store;
  yield reopen();
}

const failed = (error: unknown): boolean => error instanceof NoisefoldError && error.code === 'STORE_FAILED';

export function storeContract(name: string, open: () => StoreHarness): void {
  const withStore = (test: (harness: StoreHarness) => void) => () => {
    const harness = open();
    try {
      test(harness);
    } finally {
      harness.dispose();
    }
  };
  const withStudy = (test: (harness: StoreHarness) => void) =>
    withStore((harness) => {
      harness.store.create(study, plan);
      test(harness);
    });

  describe(`${name} store`, () => {
    it(
      'is empty at first',
      withStore(({ store }) => {
        assert.equal(store.study(), undefined);
        assert.deepEqual(store.plan(), { trials: [], tasks: [] });
        assert.deepEqual(store.tasks(), []);
        assert.deepEqual(store.transitions(), []);
      }),
    );

    it(
      'gives back the study, the plan and new tasks, in plan order',
      withStudy(({ store, reopen }) => {
        for (const opened of restarted(store, reopen)) {
          assert.deepEqual(opened.study(), study);
          assert.deepEqual(opened.plan(), plan);
          assert.deepEqual(opened.tasks(), tasks.map(newTaskState));
        }
      }),
    );

    it(
      'holds one study only',
      withStudy(({ store }) => {
        assert.throws(() => store.create({ ...study, name: 'another' }, { trials: [], tasks: [] }), failed);
        assert.deepEqual(store.study(), study);
        assert.deepEqual(store.plan(), plan);
      }),
    );

    it(
      'applies all changes or none',
      withStudy(({ store, reopen }) => {
        commitTasks(store, [change(taskAt(2), { status: 'leased', attempt: 1 })]);
        const before = { tasks: store.tasks(), transitions: store.transitions() };
        const stranger = { ...taskAt(0), id: 'nobody/all/0-10' };
        assert.throws(
          () => commitTasks(store, [change(taskAt(1), { status: 'leased', attempt: 1 }), change(stranger, {})]),
          failed,
        );
        const mixed = change(taskAt(1), { status: 'leased', attempt: 1 });
        const study: StudyChange = { status: 'paused', from: 'running', cause: 'test', atMs: 1 };
        const bad = { ...mixed, transition: { ...mixed.transition, task: 'nobody' } };
        assert.throws(() => store.commit({ tasks: [bad], study }), failed);
        assert.equal(store.study()?.status, 'running');
        assert.deepEqual(store.studyTransitions(), []);
        for (const opened of restarted(store, reopen))
          assert.deepEqual({ tasks: opened.tasks(), transitions: opened.transitions() }, before);
      }),
    );

    it(
      'tells each task’s story, in the order of the commits',
      withStudy(({ store, reopen }) => {
        const story = [
          change(taskAt(1), { status: 'leased', attempt: 1, worker: 'w1' }, 5, 'assign'),
          change(taskAt(0), { status: 'leased', attempt: 1, worker: 'w2' }, 5, 'assign'),
          // A clock that was set back does not change the order.
          change(taskAt(1), { status: 'running', attempt: 1, worker: 'w1' }, 4, 'heartbeat'),
          change(taskAt(1), { status: 'pending', attempt: 1 }, 9.5, 'lease expired'),
        ];
        commitTasks(store, story.slice(0, 2));
        for (const one of story.slice(2)) commitTasks(store, [one]);
        for (const opened of restarted(store, reopen)) {
          assert.deepEqual(
            opened.transitions(),
            story.map(({ transition }) => transition),
          );
          assert.deepEqual(
            opened.transitions(taskAt(1).id),
            [0, 2, 3].map((index) => story[index]?.transition),
          );
          assert.deepEqual(opened.transitions('nobody'), []);
          assert.deepEqual(opened.transitions(undefined, 1), [story[3]?.transition]);
          assert.deepEqual(
            opened.transitions(taskAt(1).id, 2),
            [2, 3].map((index) => story[index]?.transition),
          );
        }
      }),
    );

    it('keeps any state but progress, deadlines and workers, over any commits and restarts', () => {
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.array(taskState, { maxLength: 3 }), fc.boolean()), { maxLength: 5 }), (batches) => {
          withStudy((harness) => {
            let { store } = harness;
            const expected = new Map(tasks.map((task) => [task.id, newTaskState(task)]));
            const results = new Map<string, TaskResult | undefined>();
            for (const [states, restart] of batches) {
              commitTasks(store, states.map(changeOf));
              for (const { state, result } of states) {
                expected.set(state.task.id, kept(state));
                results.set(state.task.id, result);
              }
              if (restart) store = harness.reopen();
              assert.deepEqual(store.tasks(), [...expected.values()]);
              for (const { id } of tasks) assert.deepEqual(store.result(id), results.get(id));
            }
            assert.equal(store.transitions().length, batches.flatMap(([states]) => states).length);
          })();
        }),
        { numRuns: 30 },
      );
    });

    it(
      'keeps the whole of a result for as long as its task has one, whatever else changes; another one takes its place',
      withStudy(({ store, reopen, restore }) => {
        const [one, two] = [resultWith(1), resultWith(2)];
        const { id } = taskAt(1);
        assert.equal(store.result(id), undefined);
        commitTasks(store, [{ ...change(taskAt(1), { status: 'done', result: summaryOf(one) }), result: one }]);
        commitTasks(store, [change(taskAt(1), { status: 'done', result: summaryOf(one), attempt: 2 })]);
        const copy = restore(store.snapshot());
        assert.deepEqual(copy.result(id), one);
        copy.close();
        let last = store;
        for (const opened of restarted(store, reopen)) {
          assert.deepEqual(opened.result(id), one);
          assert.deepEqual([opened.result(taskAt(0).id), opened.result('nobody')], [undefined, undefined]);
          last = opened;
        }
        commitTasks(last, [change(taskAt(1), { status: 'pending' })]);
        assert.equal(last.result(id), undefined);
        commitTasks(last, [{ ...change(taskAt(1), { status: 'done', result: summaryOf(two) }), result: two }]);
        assert.deepEqual(last.result(id), two);
      }),
    );

    it(
      'takes tasks that it does not have yet: the last ones from then on, in the plan too; the same change may go on with them',
      withStudy((harness) => {
        const { store, reopen } = harness;
        const before = store.tasks().length;
        const added = ['x', 'y'].map((id): Task => ({ ...taskAt(0), id, rung: 1, fromStep: 10, toStep: 30 }));
        const states = added.map((task) => ({ ...newTaskState(task), checkpoint: { hash: 'h', step: 10 } }));
        const news = states.map((state): TaskChange => ({ ...change(state.task, state), isNew: true }));
        const [first] = states;
        assert.ok(first !== undefined);
        commitTasks(store, [...news, change(first.task, { ...first, status: 'leased', attempt: 1 })]);
        assert.throws(() => commitTasks(store, news), failed);
        for (const opened of restarted(store, reopen)) {
          assert.deepEqual(
            opened
              .tasks()
              .slice(before)
              .map(({ task, status, checkpoint }) => [task, status, checkpoint]),
            added.map((task, i) => [task, i === 0 ? 'leased' : 'pending', { hash: 'h', step: 10 }]),
          );
          assert.deepEqual(opened.plan().tasks.slice(before), added);
          assert.equal(opened.transitions('x').length, 2);
        }
      }),
    );

    it('keeps the study’s status with its story, beside the tasks’', () => {
      fc.assert(
        fc.property(fc.array(fc.tuple(studyChange, fc.array(taskState, { maxLength: 2 })), { maxLength: 5 }), (commits) => {
          withStudy(({ store, reopen }) => {
            for (const [studyChanged, states] of commits) store.commit({ tasks: states.map(changeOf), study: studyChanged });
            for (const opened of restarted(store, reopen)) {
              assert.equal(opened.study()?.status, commits.at(-1)?.[0].status ?? 'running');
              assert.deepEqual(
                opened.studyTransitions(),
                commits.map(([studyChanged]) => studyChanged),
              );
              assert.equal(opened.transitions().length, commits.flatMap(([, states]) => states).length);
            }
          })();
        }),
        { numRuns: 20 },
      );
    });

    it('has no status to change before there is a study', () => {
      withStore(({ store }) => {
        assert.throws(
          () => store.commit({ tasks: [], study: { status: 'paused', from: 'running', cause: '', atMs: 0 } }),
          failed,
        );
      })();
    });

    it(
      'is copied whole while it goes on: the copy is what was committed before, and opens as a store',
      withStudy(({ store, restore }) => {
        commitTasks(store, [change(taskAt(1), { status: 'leased', attempt: 1, failedOn: ['w1'] })]);
        const before = { study: store.study(), plan: store.plan(), tasks: store.tasks(), story: store.transitions() };
        const bytes = store.snapshot();
        commitTasks(store, [change(taskAt(1), { status: 'done', attempt: 1 })]);
        assert.equal(store.tasks()[1]?.status, 'done');
        const copy = restore(bytes);
        assert.deepEqual({ study: copy.study(), plan: copy.plan(), tasks: copy.tasks(), story: copy.transitions() }, before);
        copy.close();
      }),
    );

    it(
      'can be given more trials: what is there stays as it is',
      withStudy(({ store, reopen }) => {
        const first = taskAt(0);
        commitTasks(store, [change(first, { status: 'failed', attempt: 2 })]);
        const before = store.tasks();
        const trial = { ...(trials[2] ?? assert.fail()), id: 'trial-0003' };
        const task = { ...taskAt(2), id: 'trial-0003/all/0-10', trial: 'trial-0003' };
        // The wider plan lacks one of the old trials, which stays.
        store.extend(
          { ...study, config: '{"more":true}' },
          { trials: [...trials.slice(1), trial], tasks: [...tasks.slice(1), task] },
        );
        for (const opened of restarted(store, reopen)) {
          assert.deepEqual(opened.tasks(), [...before, newTaskState(task)]);
          assert.deepEqual(opened.plan(), { trials: [...trials, trial], tasks: [...tasks, task] });
          assert.equal(opened.study()?.config, '{"more":true}');
        }
      }),
    );

    it(
      'is not given trials that differ from those of the same name, and stays as it was',
      withStudy(({ store }) => {
        const other = { ...(trials[2] ?? assert.fail()), parameters: { 'noise.numerical': 0.5 } };
        assert.throws(() => store.extend({ ...study, config: 'x' }, { trials: [other], tasks: [] }), failed);
        assert.deepEqual(store.study(), study);
        assert.deepEqual(store.plan(), plan);
      }),
    );

    it(
      'can be closed twice',
      withStudy(({ store }) => {
        store.close();
        store.close();
      }),
    );
  });
}
