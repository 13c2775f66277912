/** What a trial is worth, from the summaries of its results. */
import { bestAlpha } from '../ridge/score.ts';
import type { ResultSummary, TaskState } from './types.ts';

/** Of a trial's tasks, those of the highest rung where all are done, by fold; empty where none is done in full. */
export function scoredTasks(tasks: readonly TaskState[]): readonly TaskState[] {
  let best: readonly TaskState[] = [];
  for (const rung of new Set(tasks.map(({ task }) => task.rung))) {
    const here = tasks.filter(({ task }) => task.rung === rung);
    const isHigher = rung > (best[0]?.task.rung ?? -1);
    if (isHigher && here.every(({ status }) => status === 'done')) best = here;
  }
  return [...best].sort((a, b) => Number(a.task.fold) - Number(b.task.fold));
}

/**
 * The mean over folds of a trial's metric at its best alpha, at the highest rung where it is scored. NaN where a fold lacks the metric; undefined where the trial is scored
 * nowhere.
 */
export function meanOf(tasks: readonly TaskState[], metric: 'rmse' | 'auc'): number | undefined {
  const scored = scoredTasks(tasks);
  const summaries = scored.flatMap(({ result }) => result ?? []);
  const [first] = summaries;
  if (first === undefined || summaries.length < scored.length) return undefined;
  const best = scored[0]?.task.fold === 'all' ? first.best : bestOf(summaries, first.rmse.length, metric);
  return summaries.reduce((sum, summary) => sum + (summary[metric]?.[best] ?? NaN), 0) / summaries.length;
}

/** Smaller is better: the RMSE, or for a binary target the AUC below 0; infinity where it is undefined. Undefined where the trial is not scored. */
export function errorOf(tasks: readonly TaskState[]): number | undefined {
  const isBinary = tasks.some(({ result }) => result?.auc !== undefined);
  const mean = meanOf(tasks, isBinary ? 'auc' : 'rmse');
  if (mean === undefined) return undefined;
  return Number.isNaN(mean) ? Infinity : isBinary ? -mean : mean;
}

function bestOf(summaries: readonly ResultSummary[], alphas: number, metric: 'rmse' | 'auc'): number {
  const paths = summaries.map(({ rmse, auc }) => rmse.map((error, i) => ({ rmse: error, mae: NaN, r2: NaN, auc: auc?.[i] })));
  return bestAlpha(paths, alphas, metric === 'auc' ? 'binary' : 'regression');
}
