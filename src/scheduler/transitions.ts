/**
 * Where a task may go from where. docs/architecture.md draws this table, and a test holds the two together.
 *
 * pending -> leased -> running -> done
 *    ^          |         |----> failed
 *    |----------+---------|          (a lease that ends, is handed back, or fails with attempts left returns to pending)
 *
 * failed -> pending is somebody's asking again, after a crash, a lost worker or a full disk.
 * pending -> done is a result that arrives after its lease ended but before anyone else was given the task: the attempt number is still the last one.
 */
import { NoisefoldError } from '../base/errors.ts';
import type { TaskState, TaskStatus } from './types.ts';

export const transitions = {
  pending: ['leased', 'done', 'failed'],
  leased: ['running', 'pending', 'done', 'failed'],
  running: ['pending', 'done', 'failed'],
  done: [],
  failed: ['pending'],
} as const satisfies Record<TaskStatus, readonly TaskStatus[]>;

export const isLegal = (from: TaskStatus, to: TaskStatus): boolean => (transitions[from] as readonly TaskStatus[]).includes(to);

/** Statuses in which a worker holds the task. */
export const isHeld = (status: TaskStatus): boolean => status === 'leased' || status === 'running';

export const isFinal = (status: TaskStatus): boolean => status === 'done' || status === 'failed';

/** Done, or failed in a way that another attempt would not change: asking again does nothing. */
export const isOver = ({ status, error }: TaskState): boolean =>
  status === 'done' || (status === 'failed' && error?.retryable === false);

/** The task with a new status, or an INTERNAL error that tells what was tried. */
export function moved(task: TaskState, to: TaskStatus, change: Partial<Omit<TaskState, 'task' | 'status'>>): TaskState {
  if (!isLegal(task.status, to))
    throw new NoisefoldError(
      'INTERNAL',
      `illegal transition of task ${task.task.id}, attempt ${task.attempt}: ${task.status} -> ${to}`,
    );
  return { ...task, ...change, status: to };
}
