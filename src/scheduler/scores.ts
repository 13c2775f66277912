/** What a trial is worth, from the summaries of its results. */
import { bestAlpha } from '../ridge/score.ts';
import type { ResultSummary, TaskState } from './types.ts';

/**
 * What stands for a trial: of its tasks, those of the rung where its score is best, the later one of equals, by fold. More training may also make features worse, and their
 * checkpoint is there. Empty where no rung is done in full.
 */
export function scoredTasks(tasks: readonly TaskState[]): readonly TaskState[] {
  let best: { readonly tasks: readonly TaskState[]; readonly error: number } | undefined;
  for (const rung of [...new Set(tasks.map(({ task }) => task.rung))].sort((a, b) => a - b)) {
    const here = tasks.filter(({ task }) => task.rung === rung).sort((a, b) => Number(a.task.fold) - Number(b.task.fold));
    const error = errorAt(here);
    if (error !== undefined && error <= (best?.error ?? Infinity)) best = { tasks: here, error };
  }
  return best?.tasks ?? [];
}

/** The mean over folds of a trial's metric at its best alpha. NaN where a fold lacks the metric; undefined where the trial is not scored. */
export const meanOf = (tasks: readonly TaskState[], metric: 'rmse' | 'auc'): number | undefined =>
  meanAt(scoredTasks(tasks), metric);

/** Smaller is better: the RMSE, or for a binary target the AUC below 0; infinity where it is undefined. Undefined where the trial is not scored. */
export const errorOf = (tasks: readonly TaskState[]): number | undefined => errorAt(scoredTasks(tasks));

/** @param tasks of one rung, by fold */
function meanAt(tasks: readonly TaskState[], metric: 'rmse' | 'auc'): number | undefined {
  const summaries = tasks.flatMap(({ result }) => result ?? []);
  const [first] = summaries;
  if (first === undefined || summaries.length < tasks.length) return undefined;
  const best = tasks[0]?.task.fold === 'all' ? first.best : bestOf(summaries, first.rmse.length, metric);
  return summaries.reduce((sum, summary) => sum + (summary[metric]?.[best] ?? NaN), 0) / summaries.length;
}

/** @param tasks of one rung, by fold */
function errorAt(tasks: readonly TaskState[]): number | undefined {
  const isBinary = tasks.some(({ result }) => result?.auc !== undefined);
  const mean = meanAt(tasks, isBinary ? 'auc' : 'rmse');
  if (mean === undefined) return undefined;
  return Number.isNaN(mean) ? Infinity : isBinary ? -mean : mean;
}

function bestOf(summaries: readonly ResultSummary[], alphas: number, metric: 'rmse' | 'auc'): number {
  const paths = summaries.map(({ rmse, auc }) => rmse.map((error, i) => ({ rmse: error, mae: NaN, r2: NaN, auc: auc?.[i] })));
  return bestAlpha(paths, alphas, metric === 'auc' ? 'binary' : 'regression');
}
