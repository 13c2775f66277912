/** Which final checkpoints are kept: `all`, or those of the best trials. A task that is not done keeps its own in any case, and so do baselines. */
import type { Plan } from '../plan/types.ts';
import { trialStatus } from '../scheduler/trials.ts';
import type { StudyState, TaskState } from '../scheduler/types.ts';
import type { TaskResult } from '../train/types.ts';

export type KeepCheckpoints = 'all' | { readonly best: number };

/** A task's error at its best alpha, the mean over its folds; AUC counts downwards. Smaller is better; infinity where it is undefined. */
export function errorOf({ score }: TaskResult, metric: 'rmse' | 'auc'): number {
  const values = score.folds.map(({ metrics }) => metrics[score.best]?.[metric] ?? NaN);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Number.isNaN(mean) ? Infinity : metric === 'auc' ? -mean : mean;
}

/**
 * The final checkpoints that the policy lets go, each with how many done tasks point at it. A trial that is out stays out: more results only push it
 * further down, so this may be applied while a study runs.
 */
export function releasedCheckpoints(
  { tasks }: Pick<StudyState, 'tasks'>,
  plan: Plan,
  metric: 'rmse' | 'auc',
  keep: KeepCheckpoints,
): ReadonlyMap<string, number> {
  const released = new Map<string, number>();
  if (keep === 'all') return released;
  const scored = plan.trials.flatMap(({ id, kind }) => {
    const folds = tasks.ofTrial(id);
    if (kind !== 'trained' || folds.length === 0 || trialStatus(folds) !== 'done') return [];
    return [{ folds, error: meanError(folds, metric) }];
  });
  // Equal errors keep the order of the plan, as the ranking does.
  const worse = [...scored].sort((a, b) => a.error - b.error).slice(keep.best);
  for (const { folds } of worse)
    for (const { checkpoint } of folds)
      if (checkpoint !== undefined) released.set(checkpoint.hash, (released.get(checkpoint.hash) ?? 0) + 1);
  return released;
}

function meanError(folds: readonly TaskState[], metric: 'rmse' | 'auc'): number {
  const errors = folds.map(({ result }) => (result === undefined ? Infinity : errorOf(result, metric)));
  return errors.reduce((sum, error) => sum + error, 0) / errors.length;
}
