/** What every store does, wherever it keeps things. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import type { Plan, Task, Trial } from '../../src/plan/types.ts';
import { newTaskState } from '../../src/scheduler/step.ts';
import { taskStatuses, type TaskState } from '../../src/scheduler/types.ts';
import type { Store, StudyRow, TaskChange } from '../../src/store/store.ts';
import { taskProgress, taskResult, taskSpec } from '../wire/messages.ts';

export interface StoreHarness {
  readonly store: Store;
  /** The same store after a restart of the process. */
  readonly reopen: () => Store;
  readonly dispose: () => void;
}

export const study: StudyRow = {
  name: 'diamonds',
  config: '{"study":"diamonds"}',
  configHash: 'c0ffee',
  dataHash: 'da7a',
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
    losses: fc.nat(),
    worker: fc.option(fc.string(), { nil: undefined }),
    leaseUntil: fc.option(fc.nat(), { nil: undefined }),
    notBefore: fc.maxSafeNat().map((eighths) => eighths / 8),
    checkpoint: fc.option(fc.record({ hash: fc.string(), step: fc.maxSafeNat() }), { nil: undefined }),
    progress: fc.option(taskProgress, { nil: undefined }),
    result: fc.option(taskResult, { nil: undefined }),
    error: fc.option(fc.record({ code: fc.string(), message: fc.string(), retryable: fc.boolean() }), { nil: undefined }),
  })
  .map((made): TaskState => {
    const { index, ...state } = structuredClone(made);
    return { task: taskAt(index), ...state };
  });

/** What is left of a state in a store. */
const kept = (state: TaskState): TaskState => ({ ...state, worker: undefined, leaseUntil: undefined, progress: undefined });

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
        store.commit([change(taskAt(2), { status: 'leased', attempt: 1 })]);
        const before = { tasks: store.tasks(), transitions: store.transitions() };
        const stranger = { ...taskAt(0), id: 'nobody/all/0-10' };
        assert.throws(() => store.commit([change(taskAt(1), { status: 'leased', attempt: 1 }), change(stranger, {})]), failed);
        const mixed = change(taskAt(1), { status: 'leased', attempt: 1 });
        assert.throws(() => store.commit([{ ...mixed, transition: { ...mixed.transition, task: 'nobody' } }]), failed);
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
        store.commit(story.slice(0, 2));
        for (const one of story.slice(2)) store.commit([one]);
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
        }
      }),
    );

    it('keeps any state but progress, deadlines and workers, over any commits and restarts', () => {
      fc.assert(
        fc.property(fc.array(fc.tuple(fc.array(taskState, { maxLength: 3 }), fc.boolean()), { maxLength: 5 }), (batches) => {
          withStudy((harness) => {
            let { store } = harness;
            const expected = new Map(tasks.map((task) => [task.id, newTaskState(task)]));
            for (const [states, restart] of batches) {
              store.commit(states.map((state) => change(state.task, state)));
              for (const state of states) expected.set(state.task.id, kept(state));
              if (restart) store = harness.reopen();
              assert.deepEqual(store.tasks(), [...expected.values()]);
            }
            assert.equal(store.transitions().length, batches.flatMap(([states]) => states).length);
          })();
        }),
        { numRuns: 30 },
      );
    });

    it(
      'can be given more trials: what is there stays as it is',
      withStudy(({ store, reopen }) => {
        const first = taskAt(0);
        store.commit([change(first, { status: 'failed', attempt: 2 })]);
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
