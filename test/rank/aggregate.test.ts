import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { sha256 } from '../../src/base/hash.ts';
import type { TaskFold } from '../../src/plan/types.ts';
import {
  aggregateScores,
  checkpointOf,
  failureMessage,
  foldsJson,
  outcomeOf as trialOutcome,
  type TrialOutcome,
} from '../../src/rank/aggregate.ts';
import type { Metrics, RidgeScore } from '../../src/ridge/types.ts';
import { summaryOf } from '../../src/scheduler/result-summary.ts';
import { meanOf } from '../../src/scheduler/scores.ts';
import { newTaskState } from '../../src/scheduler/step.ts';
import type { TaskState } from '../../src/scheduler/types.ts';
import type { TaskResult } from '../../src/train/types.ts';

const alphas = [1, 10, 100];
const metrics = (value: number): Metrics => ({ rmse: value, mae: value, r2: 0, auc: 1 - value });

/** A fold's score with an error for each alpha. */
const scoreOf = (fold: number, errors: readonly number[], features = 8): RidgeScore => ({
  alphas,
  folds: [{ fold, rows: 10 + fold, metrics: errors.map(metrics) }],
  best: errors.indexOf(Math.min(...errors)),
  features,
});

/** A task, and what the store has of it. */
interface Kept {
  readonly state: TaskState;
  readonly result?: TaskResult;
}

const stateOf = (fold: TaskFold): TaskState =>
  newTaskState({ id: `t/${fold}/0-9`, trial: 't', fold, rung: 0, fromStep: 0, toStep: 9 });

const done = (fold: TaskFold, score: RidgeScore, checkpoint?: string): Kept => {
  const result = { score, checkpoint, history: [], corruption: [], seconds: 1, parameters: 3, engine: 'cpu' };
  return { state: { ...stateOf(fold), status: 'done', result: summaryOf(result) }, result };
};

const failed = (fold: TaskFold): Kept => ({
  state: {
    ...stateOf(fold),
    status: 'failed',
    error: { code: 'TRAIN_DIVERGED', message: 'the loss became NaN', retryable: false },
  },
});

function outcomeOf(tasks: readonly Kept[], task: 'regression' | 'binary'): TrialOutcome {
  const results = new Map(tasks.map(({ state, result }) => [state.task.id, result]));
  return trialOutcome(
    tasks.map(({ state }) => state),
    task,
    (id) => results.get(id),
  );
}

describe('the score of a trial', () => {
  it('has the paths of all folds, and the alpha that is best in their mean, which may be best in none of them', () => {
    const folds = [scoreOf(0, [0, 2, 5]), scoreOf(1, [5, 2, 0])] as const;
    const { best, folds: paths, features } = aggregateScores(folds, 'regression');
    assert.equal(best, 1);
    assert.deepEqual(
      paths.map(({ fold, rows }) => [fold, rows]),
      [
        [0, 10],
        [1, 11],
      ],
    );
    assert.equal(features, 8);
    assert.equal(aggregateScores([scoreOf(0, [0.1, 0.2, 0.3]), scoreOf(1, [0.1, 0.2, 0.3])], 'binary').best, 0);
  });

  it('is the same in whatever order its folds finished', () => {
    const errors = fc.tuple(
      fc.float({ min: 0, max: 1, noNaN: true }),
      fc.float({ min: 0, max: 1, noNaN: true }),
      fc.constant(0.5),
    );
    fc.assert(
      fc.property(
        fc.array(errors, { minLength: 1, maxLength: 6 }),
        fc.array(fc.nat(1e6), { minLength: 6, maxLength: 6 }),
        (folds, keys) => {
          const tasks = folds.map((own, fold) => done(fold, scoreOf(fold, own), `c${fold}`));
          const shuffled = tasks.map((task, i) => ({ task, key: keys[i] ?? 0 })).sort((a, b) => a.key - b.key);
          const [one, two] = [
            outcomeOf(tasks, 'regression'),
            outcomeOf(
              shuffled.map(({ task }) => task),
              'regression',
            ),
          ];
          assert.deepEqual(one, two);
          assert.equal(one.status, 'scored');
        },
      ),
    );
  });

  it('is refused over other alphas, and over one fold twice', () => {
    const other = { ...scoreOf(1, [1, 2, 3]), alphas: [1, 10, 99] };
    assert.throws(() => aggregateScores([scoreOf(0, [1, 2, 3]), other], 'regression'), { code: 'DATA_MISMATCH' });
    assert.throws(() => aggregateScores([scoreOf(0, [1, 2, 3]), scoreOf(0, [1, 2, 3])], 'regression'), { code: 'DATA_MISMATCH' });
  });
});

describe('the mean of a trial', () => {
  const states = (tasks: readonly Kept[]): TaskState[] => tasks.map(({ state }) => state);
  const error = fc.double({ min: 0, max: 1, noNaN: true });
  const path = fc.array(fc.oneof(error, fc.constant(0.5)), { minLength: 3, maxLength: 3 });

  it('is that of its score at the best alpha, to the bit, without the whole of a result', () => {
    fc.assert(
      fc.property(fc.array(path, { minLength: 1, maxLength: 6 }), fc.boolean(), fc.boolean(), (errors, inductive, binary) => {
        const paths = errors.map((own, fold) => scoreOf(fold, own));
        const [first, ...others] = paths;
        assert.ok(first);
        const task = binary ? 'binary' : 'regression';
        const whole = aggregateScores([first, ...others], task);
        const tasks = inductive ? paths.map((own, fold) => done(fold, own)) : [done('all', whole)];
        const outcome = outcomeOf(tasks, task);
        assert.ok(outcome.status === 'scored');
        const { folds, best } = outcome.score;
        const metric = binary ? 'auc' : 'rmse';
        const values = folds.map(({ metrics: own }) => own[best]?.[metric] ?? NaN);
        assert.equal(meanOf(states(tasks), metric), values.reduce((sum, value) => sum + value, 0) / values.length);
      }),
    );
  });

  it('is there when every fold is done, and NaN where a fold lacks the metric', () => {
    const score = scoreOf(0, [1, 2, 3]);
    assert.equal(meanOf(states([done(0, score), { state: stateOf(1) }]), 'rmse'), undefined);
    assert.equal(meanOf(states([done(0, score), failed(1)]), 'rmse'), undefined);
    const regression = score.folds.map((fold) => ({
      ...fold,
      metrics: fold.metrics.map(({ rmse, mae, r2 }) => ({ rmse, mae, r2 })),
    }));
    assert.equal(meanOf(states([done('all', { ...score, folds: regression })]), 'auc'), NaN);
  });
});

describe('the outcome of a trial', () => {
  const pending: Kept = { state: stateOf(1) };

  it('is its only task’s score where all rows train one network', () => {
    const score = scoreOf(0, [1, 2, 3]);
    const outcome = outcomeOf([done('all', score, 'c')], 'regression');
    assert.ok(outcome.status === 'scored' && outcome.score === score);
    assert.equal(checkpointOf(outcome.folds), 'c');
  });

  it('is a failure as soon as one fold failed: fewer folds are another score', () => {
    const outcome = outcomeOf([done(0, scoreOf(0, [1, 2, 3])), failed(1), pending], 'regression');
    assert.ok(outcome.status === 'failed');
    assert.deepEqual(outcome.failures.map(failureMessage), ['fold 1: the loss became NaN']);
    assert.equal(outcomeOf([failed('all')], 'regression').status, 'failed');
  });

  it('is open until every fold is done', () => {
    assert.equal(outcomeOf([done(0, scoreOf(0, [1, 2, 3])), pending], 'regression').status, 'unfinished');
    assert.equal(outcomeOf([pending], 'regression').status, 'unfinished');
  });

  it('names its checkpoints by the hash of the file that lists them; ridge on raw inputs has none', () => {
    const outcome = outcomeOf([done(1, scoreOf(1, [1, 2, 3]), 'b'), done(0, scoreOf(0, [1, 2, 3]), 'a')], 'regression');
    assert.ok(outcome.status === 'scored');
    assert.deepEqual(JSON.parse(foldsJson(outcome.folds)), {
      folds: [
        { fold: 0, checkpoint: 'a' },
        { fold: 1, checkpoint: 'b' },
      ],
    });
    assert.equal(checkpointOf(outcome.folds), sha256(foldsJson(outcome.folds)));
    const raw = outcomeOf([done(0, scoreOf(0, [1, 2, 3])), done(1, scoreOf(1, [1, 2, 3]))], 'regression');
    assert.ok(raw.status === 'scored');
    assert.equal(checkpointOf(raw.folds), undefined);
  });
});
