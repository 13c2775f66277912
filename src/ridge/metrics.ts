/** Held-out errors from targets and predictions. */
import type { Metrics } from './types.ts';
import { determination } from './solve.ts';

/**
 * All errors of one set of held-out rows.
 * @param target [n], n >= 1; 0 or 1 for a binary task
 * @param score [n]: the ridge predictions
 */
export function metricsOf(target: Float64Array, score: Float64Array, task: 'regression' | 'binary'): Metrics {
  const n = target.length;
  let mean = 0;
  for (let i = 0; i < n; i++) mean += target[i]! / n;
  let squares = 0;
  let absolute = 0;
  let variation = 0;
  let right = 0;
  for (let i = 0; i < n; i++) {
    const residual = target[i]! - score[i]!;
    squares += residual * residual;
    absolute += Math.abs(residual);
    variation += (target[i]! - mean) ** 2;
    if (score[i]! >= 0.5 === target[i]! >= 0.5) right++;
  }
  const errors = { rmse: Math.sqrt(squares / n), mae: absolute / n, r2: determination(squares, variation) };
  return task === 'binary' ? { ...errors, auc: areaUnderCurve(target, score), accuracy: right / n } : errors;
}

/**
 * The area under the ROC curve, exactly: the share of (1, 0) pairs that the score puts in the right order, ties counted half, by the
 * rank-sum of the ones with tied ranks averaged. 0.5 where one of the two classes is absent.
 */
export function areaUnderCurve(target: Float64Array, score: Float64Array): number {
  const n = target.length;
  const order = Uint32Array.from({ length: n }, (_, i) => i).sort((a, b) => score[a]! - score[b]!);
  let ones = 0;
  let rankSum = 0;
  for (let start = 0, end = 0; start < n; start = end) {
    let tiedOnes = 0;
    for (; end < n && score[order[end]!] === score[order[start]!]; end++) if (target[order[end]!]! >= 0.5) tiedOnes++;
    ones += tiedOnes;
    // Ranks start + 1 .. end share their mean.
    rankSum += (tiedOnes * (start + 1 + end)) / 2;
  }
  const zeros = n - ones;
  return ones === 0 || zeros === 0 ? 0.5 : (rankSum - (ones * (ones + 1)) / 2) / (ones * zeros);
}

/** What alphas, trials and sizes are compared by. */
export const metricOf = (task: 'regression' | 'binary'): 'rmse' | 'auc' => (task === 'binary' ? 'auc' : 'rmse');

/** The metric as something to be made small: RMSE, or minus AUC. */
export const lossOf = (metrics: Metrics, task: 'regression' | 'binary'): number =>
  task === 'binary' ? -(metrics.auc ?? 0.5) : metrics.rmse;
