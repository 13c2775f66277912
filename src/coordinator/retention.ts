/** Which final checkpoints are kept: `all`, or those of the best trials. A task that is not done keeps its own in any case, and so do baselines. */
import type { Plan } from '../plan/types.ts';
import { errorOf, scoredTasks } from '../scheduler/scores.ts';
import type { StudyState, TaskState } from '../scheduler/types.ts';

export type KeepCheckpoints = 'all' | { readonly best: number };

/**
 * The final checkpoints that the policy lets go, each with how many done tasks point at it; and those of rungs that their trials have left behind, which nothing needs.
 * A trial that is out stays out: more results only push it further down, so this may be applied while a study runs. But not one with rungs: there one that is out may go on.
 */
export function releasedCheckpoints(
  { tasks, rungs, status }: Pick<StudyState, 'tasks' | 'rungs' | 'status'>,
  plan: Plan,
  keep: KeepCheckpoints,
): ReadonlyMap<string, number> {
  const released = new Map<string, number>();
  const release = ({ checkpoint }: TaskState): void => {
    if (checkpoint !== undefined) released.set(checkpoint.hash, (released.get(checkpoint.hash) ?? 0) + 1);
  };
  const scored: { readonly id: string; readonly last: readonly TaskState[]; readonly error: number }[] = [];
  for (const { id, kind } of plan.trials) {
    const own = tasks.ofTrial(id);
    const last = scoredTasks(own);
    for (const task of own) if (task.status === 'done' && task.task.rung < (last[0]?.task.rung ?? 0)) release(task);
    // As the ranking has it: one alpha for all folds of a trial.
    const error = kind === 'trained' ? errorOf(own) : undefined;
    if (error !== undefined) scored.push({ id, last, error });
  }
  if (keep === 'all' || (rungs !== undefined && status !== 'finished')) return released;
  scored.sort((a, b) => a.error - b.error || (a.id < b.id ? -1 : 1));
  for (const { last } of scored.slice(keep.best)) last.forEach(release);
  return released;
}
