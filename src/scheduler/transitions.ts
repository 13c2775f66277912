/**
 * What may become of what: one table each for tasks, trials, studies and workers. docs/architecture.md draws them, and a test holds the two together.
 *
 * failed and dropped tasks go back to pending when somebody asks again, done ones when a disk has lost their final checkpoint.
 * pending -> done or failed is an outcome that arrives after its lease ended but before anyone else was given the task: the attempt number is still the last one.
 */
import { NoisefoldError } from '../base/errors.ts';
import type { StudyStatus, TaskState, TaskStatus, TrialStatus, WorkerStatus } from './types.ts';

export const taskTransitions = {
  pending: ['leased', 'done', 'failed', 'dropped'],
  leased: ['running', 'pending', 'done', 'failed', 'dropped'],
  running: ['pending', 'done', 'failed', 'dropped'],
  done: ['pending'],
  failed: ['pending'],
  dropped: ['pending'],
} as const satisfies Record<TaskStatus, readonly TaskStatus[]>;

export const trialTransitions = {
  pending: ['running', 'done', 'failed', 'dropped'],
  running: ['pending', 'done', 'failed', 'dropped'],
  done: ['pending', 'running', 'dropped'],
  failed: ['pending', 'running'],
  dropped: ['pending', 'running'],
} as const satisfies Record<TrialStatus, readonly TrialStatus[]>;

export const studyTransitions = {
  running: ['pausing', 'paused', 'finished', 'cancelled'],
  pausing: ['running', 'paused', 'finished', 'cancelled'],
  paused: ['running', 'finished', 'cancelled'],
  finished: ['running'],
  cancelled: [],
} as const satisfies Record<StudyStatus, readonly StudyStatus[]>;

export const workerTransitions = {
  idle: ['busy', 'quarantined', 'draining'],
  busy: ['idle', 'quarantined', 'draining'],
  quarantined: ['probing', 'busy', 'draining'],
  probing: ['idle', 'quarantined', 'busy', 'draining'],
  draining: [],
} as const satisfies Record<WorkerStatus, readonly WorkerStatus[]>;

const listed = <S extends string>(table: Readonly<Record<S, readonly S[]>>, from: S, to: S): boolean => table[from].includes(to);

export const isLegalTask = (from: TaskStatus, to: TaskStatus): boolean => listed(taskTransitions, from, to);
export const isLegalTrial = (from: TrialStatus, to: TrialStatus): boolean => listed(trialTransitions, from, to);
export const isLegalStudy = (from: StudyStatus, to: StudyStatus): boolean => listed(studyTransitions, from, to);
export const isLegalWorker = (from: WorkerStatus, to: WorkerStatus): boolean => listed(workerTransitions, from, to);

/** Statuses in which a worker holds the task. */
export const isHeld = (status: TaskStatus): boolean => status === 'leased' || status === 'running';

/** Nothing more will come of it, unless somebody asks again. */
export const isFinal = (status: TaskStatus): boolean => status === 'done' || status === 'failed' || status === 'dropped';

/** Done, or failed in a way that another attempt would not change: asking again does nothing. */
export const isOver = ({ status, error }: TaskState): boolean =>
  status === 'done' || (status === 'failed' && error?.retryable === false);

/** The task with a new status, or an INTERNAL error that tells what was tried. */
export function moved(task: TaskState, to: TaskStatus, change: Partial<Omit<TaskState, 'task' | 'status'>>): TaskState {
  if (!isLegalTask(task.status, to)) throw illegal(`task ${task.task.id}, attempt ${task.attempt}`, task.status, to);
  return { ...task, ...change, status: to };
}

/** The INTERNAL error of a move that its table does not have. */
export const illegal = (what: string, from: string, to: string): NoisefoldError =>
  new NoisefoldError('INTERNAL', `illegal transition of ${what}: ${from} -> ${to}`);
