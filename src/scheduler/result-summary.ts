/** A result in brief: what a state keeps of each of a hundred thousand. */
import type { Metrics, RidgeScore } from '../ridge/types.ts';
import type { TaskResult } from '../train/types.ts';
import type { ResultSummary } from './types.ts';

export function summaryOf({ score, seconds, engine }: TaskResult): ResultSummary {
  const isBinary = score.folds.some(({ metrics }) => metrics.some(({ auc }) => auc !== undefined));
  return {
    seconds,
    engine,
    rmse: meansOf(score, ({ rmse }) => rmse),
    auc: isBinary ? meansOf(score, ({ auc }) => auc ?? NaN) : undefined,
    best: score.best,
  };
}

/** Over folds, one for each alpha. */
function meansOf({ alphas, folds }: RidgeScore, errorOf: (metrics: Metrics) => number): number[] {
  return alphas.map((_, alpha) => {
    let sum = 0;
    for (const { metrics } of folds) {
      const at = metrics[alpha];
      sum += at === undefined ? NaN : errorOf(at);
    }
    return sum / folds.length;
  });
}
