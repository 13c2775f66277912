/**
 * Sick workers. One on which several different tasks failed in a row gets no work until its canary, the engine's self-test, went well; then it gets one task, and
 * another failure sends it back for twice as long. Health belongs to a worker's name: a sick machine does not get well by connecting again. It is probed for as
 * long as it is there, so a study whose only worker is sick waits but does not starve.
 */
import type { Draft } from './draft.ts';
import type { Policy, TaskFailure, TaskRef, WorkerState } from './types.ts';

/** A wait that doubles with each time, up to the longest. @param times 1 and up */
export const backoff = ({ backoffMs, maxBackoffMs }: Policy, times: number): number =>
  Math.min(maxBackoffMs, backoffMs * 2 ** (times - 1));

/** Notes that a task failed on a worker, which has been taken from it. */
export function blame(draft: Draft, worker: string, { study, task }: TaskRef, { code }: TaskFailure): void {
  const known = draft.workers.get(worker);
  if (known === undefined) return;
  const health = draft.healthOf(known.name);
  const id = `${study}/${task}`;
  const failed = health.failed.includes(id) ? health.failed : [...health.failed, id];
  draft.setHealth(known.name, { ...health, failed });
  // A worker without the engine fails whatever it is given, and in no time.
  const lacksEngine = code === 'ENGINE_UNAVAILABLE';
  const isSick = failed.length >= draft.policy.workerFailures || lacksEngine;
  // One that is running something else by now (its message was late), or on its way out, is left alone.
  if (isSick && isFree(known)) quarantine(draft, known, lacksEngine ? code : `${failed.length} different tasks failed on it`);
}

/** Gives a worker nothing for some time: not its fault, but what it lacks another one may have. */
export function rest(draft: Draft, worker: string, ms: number, cause: string): void {
  const known = draft.workers.get(worker);
  if (known === undefined || !isFree(known)) return;
  draft.setHealth(known.name, { ...draft.healthOf(known.name), probeAt: draft.nowMs + ms });
  draft.moveWorker(worker, 'quarantined', undefined, cause);
}

const isFree = ({ task, status }: WorkerState): boolean => task === undefined && (status === 'busy' || status === 'idle');

/** Notes that a task ended well on a worker. */
export function praise(draft: Draft, worker: string): void {
  const known = draft.workers.get(worker);
  if (known !== undefined) draft.setHealth(known.name, undefined);
}

/** A canary's end. */
export function probed(draft: Draft, worker: string, reason: string | undefined): void {
  const known = draft.heard(worker);
  if (known?.status !== 'probing') return;
  if (reason !== undefined) {
    quarantine(draft, known, reason);
    return;
  }
  // Its failures stay noted until a task ends well: the next one to fail is one too many.
  draft.setHealth(known.name, { ...draft.healthOf(known.name), probeAt: undefined });
  draft.moveWorker(worker, 'idle', undefined, 'canary went well');
}

/** Sends the canaries that are due; once more to those who have not answered in a lease's time, since messages get lost. */
export function probe(draft: Draft): void {
  for (const worker of [...draft.workers.values()]) {
    if (worker.status !== 'quarantined' && worker.status !== 'probing') continue;
    const health = draft.healthOf(worker.name);
    if ((health.probeAt ?? 0) > draft.nowMs) continue;
    draft.setHealth(worker.name, { ...health, probeAt: draft.nowMs + draft.policy.leaseMs });
    draft.moveWorker(worker.id, 'probing', undefined, 'canary');
    draft.emit({ type: 'probe', worker: worker.id });
  }
}

/** Whether a worker of this name has to show first that it is well. */
export const isQuarantined = (draft: Draft, name: string): boolean => draft.healthOf(name).probeAt !== undefined;

function quarantine(draft: Draft, worker: WorkerState, cause: string): void {
  const health = draft.healthOf(worker.name);
  const quarantines = health.quarantines + 1;
  draft.setHealth(worker.name, { ...health, quarantines, probeAt: draft.nowMs + backoff(draft.policy, quarantines) });
  draft.moveWorker(worker.id, 'quarantined', undefined, cause);
}
