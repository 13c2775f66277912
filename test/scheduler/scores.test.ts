import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorOf, meanOf, scoredTasks } from '../../src/scheduler/scores.ts';
import type { ResultSummary, TaskState } from '../../src/scheduler/types.ts';
import { newTaskState } from '../../src/scheduler/step.ts';
import { taskNamed } from './fixtures.ts';

const summary = (rmse: number, auc?: number): ResultSummary => ({
  ...{ seconds: 1, engine: 'test', rmse: [rmse], auc: auc === undefined ? undefined : [auc], best: 0 },
});
const at = (rung: number, result: ResultSummary | undefined, fold: number | 'all' = 'all'): TaskState => ({
  ...newTaskState({ ...taskNamed(`t/${fold}/${rung}`, 't', fold), rung }),
  ...(result === undefined ? {} : { status: 'done', result }),
});
const rungOf = (tasks: readonly TaskState[]): number | undefined => scoredTasks(tasks)[0]?.task.rung;

describe('what stands for a trial', () => {
  it('is the rung where its score is best: the later one of equals, and a worse later one does not count', () => {
    assert.equal(rungOf([at(0, summary(0.3)), at(1, summary(0.2))]), 1);
    assert.equal(rungOf([at(1, summary(0.4)), at(0, summary(0.3))]), 0);
    assert.equal(rungOf([at(0, summary(0.3)), at(1, summary(0.3))]), 1);
    assert.equal(meanOf([at(0, summary(0.3)), at(1, summary(0.4))], 'rmse'), 0.3);
  });

  it('is by the largest AUC where there is one', () => {
    const tasks = [at(0, summary(0.1, 0.8)), at(1, summary(0.5, 0.9))];
    assert.equal(rungOf(tasks), 1);
    assert.equal(errorOf(tasks), -0.9);
  });

  it('is a rung that is done in all of its folds, in their order; nothing before there is one', () => {
    const first = [at(0, summary(0.3), 1), at(0, summary(0.5), 0)];
    assert.deepEqual(scoredTasks([...first, at(1, summary(0.1), 0), at(1, undefined, 1)]), first.toReversed());
    assert.deepEqual(scoredTasks([at(0, summary(0.1), 0), at(0, undefined, 1)]), []);
    assert.equal(errorOf([at(0, undefined)]), undefined);
  });

  it('has no better score where the metric is undefined', () => {
    assert.equal(rungOf([at(0, summary(0.3)), at(1, summary(NaN))]), 0);
    assert.equal(errorOf([at(0, summary(NaN))]), Infinity);
  });
});
