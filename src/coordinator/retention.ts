/** Which final checkpoints are kept: `all`, or those of the best trials. A task that is not done keeps its own in any case, and so do baselines. */
import type { Plan } from '../plan/types.ts';
import { meanOf } from '../rank/aggregate.ts';
import type { StudyState } from '../scheduler/types.ts';

export type KeepCheckpoints = 'all' | { readonly best: number };

/** AUC counts downwards: smaller is better; infinity where it is undefined. */
function errorOf(mean: number, metric: 'rmse' | 'auc'): number {
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
    const mean = meanOf(folds, metric);
    return mean === undefined ? [] : [{ id, folds, error: errorOf(mean, metric) }];
  });
  const worse = scored.sort((a, b) => a.error - b.error || (a.id < b.id ? -1 : 1)).slice(keep.best);
  for (const { folds } of worse)
    for (const { checkpoint } of folds)
      if (checkpoint !== undefined) released.set(checkpoint.hash, (released.get(checkpoint.hash) ?? 0) + 1);
  return released;
}
