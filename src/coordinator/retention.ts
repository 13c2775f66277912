/** Which final checkpoints are kept: `all`, or those of the best trials. A task that is not done keeps its own in any case, and so do baselines. */
import type { Plan } from '../plan/types.ts';
import { errorOf, scoredTasks } from '../scheduler/scores.ts';
import type { StudyState } from '../scheduler/types.ts';

export type KeepCheckpoints = 'all' | { readonly best: number };

/**
 * The final checkpoints that are let go, each with how many done tasks point at it: by the policy, and those of rungs that their trials have left behind for better scores.
 * A trial that is out stays out: more results only push it further down, so this may be applied while a study runs. But not one with rungs: there one that is out may go on.
 */
export function releasedCheckpoints(
  { tasks, rungs, status }: Pick<StudyState, 'tasks' | 'rungs' | 'status'>,
  plan: Plan,
  keep: KeepCheckpoints,
): ReadonlyMap<string, number> {
  const trials = plan.trials.map(({ id, kind }) => {
    const done = tasks.ofTrial(id).filter((task) => task.status === 'done');
    const standing = scoredTasks(tasks.ofTrial(id));
    // It may still go on from where it is, but for the last rung.
    const reached = Math.max(...done.map(({ task }) => task.rung));
    const isBehind = (rung: number): boolean => rung < reached || rung + 1 === rungs?.epochs.length;
    const left = done.filter((task) => isBehind(task.task.rung) && !standing.includes(task));
    return { id, kind, done, left, error: errorOf(standing) };
  });
  // As the ranking has them.
  const scored = trials.flatMap(({ error, ...trial }) =>
    trial.kind === 'trained' && error !== undefined ? [{ ...trial, error }] : [],
  );
  scored.sort((a, b) => a.error - b.error || (a.id < b.id ? -1 : 1));
  const isForGood = rungs === undefined || status === 'finished';
  const out = new Set(keep === 'all' || !isForGood ? [] : scored.slice(keep.best).map(({ id }) => id));
  const released = new Map<string, number>();
  for (const { id, done, left } of trials)
    for (const { checkpoint } of out.has(id) ? done : left)
      if (checkpoint !== undefined) released.set(checkpoint.hash, (released.get(checkpoint.hash) ?? 0) + 1);
  return released;
}
