/** Which final checkpoints are kept: `all`, or those of the best trials. A task that is not done keeps its own in any case, and so do baselines. */
import type { Plan } from '../plan/types.ts';
import { outcomeOf } from '../rank/aggregate.ts';
import type { RidgeScore } from '../ridge/types.ts';
import type { StudyState } from '../scheduler/types.ts';

export type KeepCheckpoints = 'all' | { readonly best: number };

/** The error of a score at its best alpha, the mean over its folds; AUC counts downwards. Smaller is better; infinity where it is undefined. */
export function errorOf({ folds, best }: RidgeScore, metric: 'rmse' | 'auc'): number {
  const values = folds.map(({ metrics }) => metrics[best]?.[metric] ?? NaN);
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
    if (kind !== 'trained' || folds.length === 0) return [];
    // As the ranking has it: one alpha for all folds of a trial.
    const outcome = outcomeOf(folds, metric === 'auc' ? 'binary' : 'regression');
    return outcome.status === 'scored' ? [{ id, folds, error: errorOf(outcome.score, metric) }] : [];
  });
  const worse = scored.sort((a, b) => a.error - b.error || (a.id < b.id ? -1 : 1)).slice(keep.best);
  for (const { folds } of worse)
    for (const { checkpoint } of folds)
      if (checkpoint !== undefined) released.set(checkpoint.hash, (released.get(checkpoint.hash) ?? 0) + 1);
  return released;
}
