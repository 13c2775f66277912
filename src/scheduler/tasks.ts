/** What ends an attempt, and whose fault it is. */
import { unleased, type Draft } from './draft.ts';
import { backoff, blame, rest } from './health.ts';
import { isFinal, isHeld } from './transitions.ts';
import type { TaskFailure, TaskState } from './types.ts';

/** How long a worker waits for somebody to free some space. */
export const diskFullMs = 30_000;

/** Back to the queue, from a worker that is there or gone: nobody's failure. */
export function handBack(draft: Draft, study: string, task: TaskState, cause: string): void {
  draft.takeFrom(study, task);
  draft.move(study, task, 'pending', unleased, cause);
}

/** The attempt ended in an error. @param worker the peer that it ran on, who is blamed for it unless the error says that it is nobody's fault */
export function fail(draft: Draft, study: string, task: TaskState, failure: TaskFailure, worker: string): void {
  // A connection that is new, and has not introduced itself, is of the worker that holds the task.
  const peer = draft.workers.has(worker) ? worker : (task.worker ?? worker);
  draft.takeFrom(study, task);
  const { policy, nowMs } = draft;
  const back = (change: Partial<TaskState>, cause: string): void => {
    if (task.status === 'pending') draft.persist(study, { ...task, ...change }, 'pending', cause);
    else draft.move(study, task, 'pending', change, cause);
  };
  if (failure.code === 'DISK_FULL') {
    // Another worker may have space. This one would take every task that is ready, in no time, and end none.
    const change = { ...unleased, error: failure, notBefore: nowMs + policy.backoffMs };
    back(change, `DISK_FULL: nobody's fault, and nothing for this worker in the next ${diskFullMs / 1000} s`);
    rest(draft, peer, diskFullMs, failure.code);
    return;
  }
  const failures = task.failures + 1;
  const name = draft.workers.get(peer)?.name;
  const failedOn = name === undefined || task.failedOn.includes(name) ? task.failedOn : [...task.failedOn, name];
  const change = { ...unleased, failures, failedOn, error: failure };
  const last =
    (!failure.retryable && `${failure.code}: another attempt would end the same way`) ||
    (failedOn.length >= policy.maxFailedOn && `${failure.code}: it failed on ${failedOn.join(' and ')}`) ||
    (failures >= policy.maxFailures && `${failure.code}: it failed ${failures} times`);
  if (last) failForGood(draft, study, task, change, last);
  else back({ ...change, notBefore: nowMs + backoff(policy, failures) }, failure.code);
  if (failure.retryable) blame(draft, peer, { study, task: task.task.id }, failure);
}

/** The attempt ended with its worker, or because nothing was heard of it for a lease's time. */
export function lose(draft: Draft, study: string, task: TaskState, cause: string): void {
  draft.takeFrom(study, task);
  const losses = task.losses + 1;
  if (losses < draft.policy.maxLosses) {
    draft.move(study, task, 'pending', { ...unleased, losses }, cause);
    return;
  }
  const message = `${losses} workers were lost while running it, without a checkpoint between`;
  const error = { code: 'WORKER_LOST', message, retryable: true };
  failForGood(draft, study, task, { ...unleased, losses, error }, `${cause}, for the ${losses}th time`);
}

/** A trial lives and dies with its folds: those that are left would be work for nothing. */
function failForGood(draft: Draft, study: string, task: TaskState, change: Partial<TaskState>, cause: string): void {
  draft.move(study, task, 'failed', change, cause);
  for (const other of draft.studies.get(study)?.tasks.ofTrial(task.task.trial) ?? [])
    if (!isFinal(other.status)) drop(draft, study, other, `${task.task.id} failed`);
}

/** Takes a task out of the queue, or from its worker, who is told to kill it. */
export function drop(draft: Draft, study: string, task: TaskState, cause: string): void {
  if (isHeld(task.status) && task.worker !== undefined)
    draft.emit({ type: 'cancel', worker: task.worker, study, task: task.task.id, attempt: task.attempt });
  draft.takeFrom(study, task);
  draft.move(study, task, 'dropped', unleased, cause);
}
