/** A trial has no state of its own: what it is follows from its tasks, one a fold. */
import type { TaskTable } from './task-table.ts';
import { isHeld } from './transitions.ts';
import { trialStatuses, type TaskState, type TrialStatus } from './types.ts';

/**
 * failed: a task of it is. dropped: none failed, but one will not run. done: every task is. running: a task is held, or some are done and others not.
 * @param tasks all tasks of one trial, at least one
 */
export function trialStatus(tasks: readonly TaskState[]): TrialStatus {
  const some = (is: (task: TaskState) => boolean): boolean => tasks.some(is);
  if (some(({ status }) => status === 'failed')) return 'failed';
  if (some(({ status }) => status === 'dropped')) return 'dropped';
  if (tasks.every(({ status }) => status === 'done')) return 'done';
  return some(({ status }) => isHeld(status) || status === 'done') ? 'running' : 'pending';
}

/** How many trials of a study are in each status. Proportional to the number of tasks. */
export function trialCounts(table: TaskTable): Readonly<Record<TrialStatus, number>> {
  const counts = Object.fromEntries(trialStatuses.map((status) => [status, 0])) as Record<TrialStatus, number>;
  const trials = new Map<string, TaskState[]>();
  for (const task of table.values()) {
    const known = trials.get(task.task.trial);
    if (known === undefined) trials.set(task.task.trial, [task]);
    else known.push(task);
  }
  for (const tasks of trials.values()) counts[trialStatus(tasks)]++;
  return counts;
}
