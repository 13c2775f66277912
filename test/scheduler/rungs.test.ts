import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { rungSize, taskId, type Rungs } from '../../src/plan/rungs.ts';
import type { Task } from '../../src/plan/types.ts';
import { newTaskState, recover } from '../../src/scheduler/step.ts';
import { rungProgress, standings, tasksToCome } from '../../src/scheduler/rungs.ts';
import type { Event, State, StudyState } from '../../src/scheduler/types.ts';
import { checkedStep, diverged, failed, hello, of, policy, resultWith, run, studyStatus, taskOf } from './fixtures.ts';

const halving: Rungs = { epochs: [1, 3, 9], factor: 3, mode: 'deterministic' };
const stepsPerEpoch = 10;

/** A task at the first rung. */
const first = (trial: string, fold: Task['fold'] = 'all'): Task => {
  const toStep = stepsPerEpoch * (halving.epochs[0] ?? 0);
  return { id: taskId(trial, fold, 0, toStep), trial, fold, rung: 0, fromStep: 0, toStep };
};
const baseline: Task = { id: 'raw/all/0-0', trial: 'raw', fold: 'all', rung: 0, fromStep: 0, toStep: 0 };

const start = (tasks: readonly Task[], rungs: Rungs = halving): State =>
  recover([{ name: 's', status: 'running', tasks: tasks.map(newTaskState), rungs }], { ...policy, whenDone: 'wait' }, 0, 0);

const trialsNamed = (count: number): string[] => Array.from({ length: count }, (_, i) => `t${i}`);
const study = (state: State): StudyState => {
  const found = state.studies.get('s');
  assert.ok(found !== undefined);
  return found;
};

/** A task that ends with this error. */
function scored(state: State, task: string, rmse: number, nowMs = 1): Event {
  const { worker = 'w', attempt } = taskOf(state, task);
  const result = {
    ...resultWith(`end of ${task}`),
    score: { alphas: [1], folds: [{ fold: 0, rows: 1, metrics: [{ rmse, mae: 0, r2: 0 }] }], best: 0, features: 1 },
  };
  return { type: 'done', worker, nowMs, study: 's', task, attempt, result };
}

/** Runs a study to its end: `pick` says which of the held tasks ends next. */
function play(state: State, workers: number, errorOf: (task: Task) => number, pick: (held: number) => number): State {
  for (let worker = 0; worker < workers; worker++) state = checkedStep(state, hello(`w${worker}`, 0)).state;
  for (let nowMs = 1; study(state).status === 'running'; nowMs++) {
    const held = study(state).tasks.held();
    const task = held[pick(held.length)]?.task;
    assert.ok(task !== undefined, 'a running study has work for somebody');
    state = checkedStep(state, scored(state, task.id, errorOf(task), nowMs)).state;
  }
  return state;
}

const ids = (state: State): string[] => [...study(state).tasks.values()].map(({ task }) => task.id).sort();

describe('rungs', () => {
  it('are decided when all trials are scored: the best go on from where they ended, and the study is finished after the last', () => {
    let { state } = run(start(['a', 'b', 'c'].map((id) => first(id))), hello('w', 0));
    state = run(state, scored(state, 'a/all/0-10', 0.3)).state;
    state = run(state, scored(state, 'b/all/0-10', 0.1)).state;
    assert.deepEqual(ids(state), ['a/all/0-10', 'b/all/0-10', 'c/all/0-10']);
    const decided = run(state, scored(state, 'c/all/0-10', 0.2));
    assert.deepEqual(
      of(decided.effects, 'add').map(({ task, cause }) => [task.task, task.checkpoint, cause]),
      [
        [
          { id: 'b/all/10-30', trial: 'b', fold: 'all', rung: 1, fromStep: 10, toStep: 30 },
          { hash: 'end of b/all/0-10', step: 10 },
          'goes on: number 1 of 3 after 1 epoch',
        ],
      ],
    );
    assert.deepEqual(
      of(decided.effects, 'assign').map(({ task }) => task),
      ['b/all/10-30'],
    );
    state = run(decided.state, scored(decided.state, 'b/all/10-30', 0.4)).state;
    // One trial is left, however few there were.
    const last = run(state, scored(state, 'b/all/30-90', 0.5));
    assert.equal(studyStatus(last.state), 'finished');
  });

  it('are of whole trials: all folds of one go on, by the mean over them, and baselines have none', () => {
    let { state } = run(start([baseline, ...['a', 'b', 'c'].flatMap((id) => [first(id, 0), first(id, 1)])]), hello('w', 0));
    const errors: Record<string, number> = {
      'a/0': 0.1,
      'a/1': 0.9,
      'b/0': 0.4,
      'b/1': 0.4,
      'c/0': 0.5,
      'c/1': 0.6,
      'raw/all': 0,
    };
    for (const { task } of study(state).tasks.values())
      state = run(state, scored(state, task.id, errors[`${task.trial}/${task.fold}`] ?? NaN)).state;
    assert.deepEqual(
      ids(state).filter((id) => id.endsWith('30')),
      ['b/0/10-30', 'b/1/10-30'],
    );
  });

  it('go on without trials that failed, which make room for the next best; one that fails at a later rung is not replaced', () => {
    let { state } = run(start(['a', 'b', 'c'].map((id) => first(id))), hello('w', 0));
    state = run(state, failed('w', 1, 'a/all/0-10', 1, diverged)).state;
    state = run(state, scored(state, 'b/all/0-10', NaN)).state;
    state = run(state, scored(state, 'c/all/0-10', 0.2)).state;
    assert.ok(ids(state).includes('c/all/10-30'));
    assert.equal(studyStatus(run(state, failed('w', 3, 'c/all/10-30', 1, diverged)).state), 'finished');
  });

  it('are decided once: a restart changes nothing, and trials that come later may go on too', () => {
    const tasks = trialsNamed(3).map((id) => first(id));
    const finished = play(
      start(tasks),
      2,
      ({ trial }) => Number(trial.slice(1)),
      () => 0,
    );
    const rows = [...study(finished).tasks.values()];
    const again = recover([{ name: 's', status: 'finished', tasks: rows, rungs: halving }], policy, 0, 0);
    assert.deepEqual(ids(again), ids(finished));
    const added = ['u', 'v', 'w'].map((id) => newTaskState(first(id)));
    const wider = checkedStep(finished, { type: 'submit', study: 's', tasks: added, nowMs: 9 }).state;
    const end = play(
      wider,
      1,
      ({ trial }) => (trial === 'u' ? -1 : trial === 'v' ? -2 : 5),
      () => 0,
    );
    assert.deepEqual(
      ids(end).filter((id) => id.endsWith('10-30')),
      ['t0/all/10-30', 'u/all/10-30', 'v/all/10-30'],
    );
  });

  const errors = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1, maxLength: 14 });
  const factor = fc.constantFrom(2, 3, 4);
  const picks = fc.infiniteStream(fc.nat());

  it('deterministic: the same trials go on whatever the number of workers and whoever ends first', () => {
    fc.assert(
      fc.property(errors, factor, fc.integer({ min: 1, max: 6 }), picks, (all, by, workers, stream) => {
        const rungs = { ...halving, factor: by };
        const tasks = all.map((_, i) => first(`t${i}`));
        const errorOf = ({ trial, rung }: Task): number => ((all[Number(trial.slice(1))] ?? 0) * 7 + rung * 13) % 31;
        const next = (held: number): number => (stream.next().value ?? 0) % held;
        const alone = play(start(tasks, rungs), 1, errorOf, () => 0);
        assert.deepEqual(ids(play(start(tasks, rungs), workers, errorOf, next)), ids(alone));
        // As many as a rung takes, and no better one was left behind.
        const tables = standings(study(alone));
        for (const [rung, here] of tables.entries()) {
          assert.equal(here.length, rungSize(all.length, by, rung));
          const worst = Math.max(
            ...here.filter(({ isPromoted }) => isPromoted).map(({ tasks: [task] }) => task?.result?.rmse[0] ?? 0),
          );
          for (const {
            isPromoted,
            tasks: [task],
          } of here)
            if (!isPromoted && rung + 1 < tables.length) assert.ok((task?.result?.rmse[0] ?? 0) >= worst);
        }
      }),
      { numRuns: 80 },
    );
  });

  it('eager: a worker that would wait trains the best so far on, and in the end the best of each rung have gone on', () => {
    const rungs: Rungs = { ...halving, factor: 2, mode: 'eager' };
    let { state } = run(
      start(
        trialsNamed(4).map((id) => first(id)),
        rungs,
      ),
      hello('w', 0),
      hello('v', 0),
    );
    for (const [task, error] of [
      ['t0', 0.4],
      ['t1', 0.3],
    ] as const)
      state = run(state, scored(state, `${task}/all/0-10`, error)).state;
    assert.ok(!ids(state).some((id) => id.endsWith('30')), 'nobody waits yet');
    state = run(state, scored(state, 't2/all/0-10', 0.5)).state;
    assert.ok(ids(state).includes('t1/all/10-30'), 'one of two workers would wait for t3');

    fc.assert(
      fc.property(errors, fc.integer({ min: 1, max: 6 }), picks, (all, workers, stream) => {
        const errorOf = ({ trial, rung }: Task): number => ((all[Number(trial.slice(1))] ?? 0) * 7 + rung * 13) % 31;
        const next = (held: number): number => (stream.next().value ?? 0) % held;
        const end = play(
          start(
            all.map((_, i) => first(`t${i}`)),
            rungs,
          ),
          workers,
          errorOf,
          next,
        );
        const tables = standings(study(end));
        for (const [rung, here] of tables.slice(0, -1).entries())
          for (const { isPromoted } of here.slice(0, rungSize(all.length, 2, rung + 1))) assert.ok(isPromoted);
      }),
      { numRuns: 80 },
    );
  });

  it('say what is to come: what has been added, and what is still to be, is all there is in the end', () => {
    fc.assert(
      fc.property(errors, factor, fc.nat(20), (all, by, ended) => {
        const rungs = { ...halving, factor: by };
        const tasks = all.map((_, i) => first(`t${i}`));
        const errorOf = ({ trial }: Task): number => all[Number(trial.slice(1))] ?? 0;
        const total = ids(play(start(tasks, rungs), 1, errorOf, () => 0)).length;
        let { state } = run(start(tasks, rungs), hello('w', 0));
        for (let i = 0; i < ended && study(state).status === 'running'; i++) {
          const task = study(state).tasks.held()[0]?.task;
          if (task !== undefined) state = run(state, scored(state, task.id, errorOf(task))).state;
          assert.equal(study(state).tasks.size + tasksToCome(study(state)).length, total);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('are told by their number: the lowest where something is open', () => {
    let { state } = run(start(['a', 'b', 'c'].map((id) => first(id))), hello('w', 0));
    state = run(state, scored(state, 'a/all/0-10', 0.3)).state;
    assert.deepEqual(rungProgress(study(state)), { number: 1, of: 3, epochs: 1, trials: 3, scored: 1 });
    for (const task of ['b/all/0-10', 'c/all/0-10']) state = run(state, scored(state, task, 0.5)).state;
    assert.deepEqual(rungProgress(study(state)), { number: 2, of: 3, epochs: 3, trials: 1, scored: 0 });
    assert.equal(rungProgress({ name: 's', status: 'running', tasks: study(state).tasks }), undefined);
  });
});
