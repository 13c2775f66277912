/**
 * What workers say. A message counts for the attempt that it names: for the one that holds the task, or, if it is an outcome, for the last one while nobody else
 * was given the task. Anything else is fenced: answered, so that the worker can forget it, and without effect.
 */
import { unleased, type Draft } from './draft.ts';
import { isQuarantined, praise } from './health.ts';
import { summaryOf } from './result-summary.ts';
import { fail, handBack, lose } from './tasks.ts';
import { isFinal, isHeld } from './transitions.ts';
import type { TaskProgress } from '../train/types.ts';
import type { Event, TaskRef, TaskState, WorkerState } from './types.ts';

type Of<T extends Event['type']> = Extract<Event, { type: T }>;
type Outcome = Of<'done' | 'failed' | 'returned'>;

interface Attempt extends TaskRef {
  readonly attempt: number;
}

/** The task, if this attempt holds it now. */
function current(draft: Draft, { attempt, ...ref }: Attempt): TaskState | undefined {
  const task = draft.task(ref);
  return task !== undefined && task.attempt === attempt && isHeld(task.status) ? task : undefined;
}

/** The task, if this attempt is the last one given out and the task is not final. */
function latest(draft: Draft, { attempt, ...ref }: Attempt): TaskState | undefined {
  const task = draft.task(ref);
  return task !== undefined && task.attempt === attempt && attempt > 0 && !isFinal(task.status) ? task : undefined;
}

function fence(draft: Draft, { worker, study, task, attempt, type }: Attempt & { worker: string; type: Event['type'] }): void {
  draft.emit({ type: 'fenced', worker, study, task, attempt, message: type });
}

export function hello(draft: Draft, { worker, name, running }: Of<'hello'>): void {
  for (const known of [...draft.workers.values()]) {
    if (known.id === worker) leave(draft, worker, 'worker said hello again', handBack);
    // The same worker over a new connection; what the old one runs will be heard of over the new one, or its lease ends.
    else if (known.name === name && known.task === undefined) draft.removeWorker(known.id);
  }
  const leaves = draft.leaves();
  // Whether it may keep what it runs, its heartbeat tells; until then it is not idle, and a second task would only be handed back.
  const status = running !== undefined ? 'busy' : isQuarantined(draft, name) ? 'quarantined' : 'idle';
  draft.addWorker(worker, name, leaves ? 'draining' : status, 'joined');
  if (leaves) draft.emit({ type: 'drain', worker });
}

export function heartbeat(draft: Draft, event: Of<'heartbeat'>): void {
  const worker = draft.heard(event.worker);
  if (worker === undefined) return;
  // Orders that were lost on their way are given again.
  if (worker.status === 'draining') draft.emit({ type: 'drain', worker: worker.id });
  if (event.running === undefined) {
    draft.free(worker.id);
    return;
  }
  const { study, task: id, attempt, progress } = event.running;
  const task = current(draft, { study, task: id, attempt });
  if (task === undefined) {
    fence(draft, { worker: worker.id, study, task: id, attempt, type: 'heartbeat' });
    draft.emit({ type: 'cancel', worker: worker.id, study, task: id, attempt });
    // Not idle while it kills that, nor for ever busy with a task of a study that is gone.
    if (
      worker.status === 'idle' ||
      (worker.status === 'busy' && worker.task !== undefined && draft.task(worker.task) === undefined)
    )
      draft.moveWorker(worker.id, 'busy', undefined, 'runs an attempt that ended');
    return;
  }
  adopt(draft, worker, study, task);
  const stands = task.progress !== undefined && sameProgress(task.progress, progress);
  const renewed = {
    worker: worker.id,
    leaseUntil: event.nowMs + draft.policy.leaseMs,
    progress,
    progressedAt: stands ? task.progressedAt : event.nowMs,
  };
  if (task.status === 'leased') draft.move(study, task, 'running', renewed, 'first heartbeat');
  else draft.update(study, { ...task, ...renewed });
  if (draft.studies.get(study)?.status === 'pausing') draft.emit({ type: 'yield', worker: worker.id, study, task: id, attempt });
}

/** Rows that are scored and bytes that are fetched move the time that is left, and not the step. */
const sameProgress = (before: TaskProgress, now: TaskProgress): boolean =>
  before.phase === now.phase && before.step === now.step && before.secondsLeft === now.secondsLeft;

/** The worker runs this attempt: over another connection than the one that was given it, or beside something else that it was given since it introduced itself. */
function adopt(draft: Draft, worker: WorkerState, study: string, task: TaskState): void {
  if (worker.task?.study === study && worker.task.task === task.task.id) return;
  const other = task.worker === undefined ? undefined : draft.workers.get(task.worker);
  draft.takeFrom(study, task);
  if (other?.name === worker.name) draft.removeWorker(other.id);
  release(draft, worker.id, 'worker runs another task', handBack);
  const status = worker.status === 'draining' ? 'draining' : 'busy';
  draft.moveWorker(worker.id, status, { study, task: task.task.id }, 'runs an attempt that is its own');
}

export function checkpointed(draft: Draft, event: Of<'checkpointed'>): void {
  draft.heard(event.worker);
  const task = current(draft, event);
  // An attempt's steps grow; a message that comes twice must not bring back a checkpoint that was discarded.
  if (task === undefined || event.step < (task.checkpoint?.step ?? 0)) {
    fence(draft, event);
    return;
  }
  const checkpoint = { hash: event.hash, step: event.step };
  const leaseUntil = event.nowMs + draft.policy.leaseMs;
  draft.persist(event.study, { ...task, checkpoint, losses: 0, leaseUntil }, task.status, `checkpoint at step ${event.step}`);
  discard(draft, event.study, task, event.hash);
}

/** Lets the checkpoint that the task had before go, unless it or another task of the study has it now. */
function discard(draft: Draft, study: string, { checkpoint }: TaskState, kept: string | undefined): void {
  if (checkpoint === undefined || checkpoint.hash === kept) return;
  if (draft.studies.get(study)?.tasks.pointingAt(checkpoint.hash) === 0)
    draft.emit({ type: 'discard', study, hash: checkpoint.hash });
}

/**
 * An outcome is acknowledged whatever it changes: the worker repeats it until it is. But not that of a study that is not here: its rows may be out of reach only
 * for now, and will want it.
 */
export function outcome(draft: Draft, event: Outcome): void {
  draft.heard(event.worker);
  const task = settles(event) ? latest(draft, event) : current(draft, event);
  if (task !== undefined) {
    end(draft, event, task);
    // One that hands back what it has not begun is still busy with something else, or leaving: its next heartbeat tells.
    if (event.type !== 'returned' || task.status === 'running') draft.free(event.worker);
  } else if (!isRepeated(draft, event)) fence(draft, event);
  const { worker, study, task: id, attempt } = event;
  if (draft.studies.has(study)) draft.emit({ type: 'acknowledge', worker, study, task: id, attempt });
}

/**
 * Whether it says what becomes of the task, whoever else might try. A crash says so only of its attempt: where that has ended already, by this very message or with its
 * lease, it has been counted, and its worker repeats it for as long as the coordinator is away.
 */
const settles = (event: Outcome): boolean => event.type === 'done' || (event.type === 'failed' && !event.failure.retryable);

function end(draft: Draft, event: Outcome, task: TaskState): void {
  const { study, worker } = event;
  switch (event.type) {
    case 'done': {
      const { result } = event;
      const hash = result.checkpoint;
      const checkpoint = hash === undefined ? undefined : { hash, step: task.task.toStep };
      draft.takeFrom(study, task);
      draft.move(study, task, 'done', { ...unleased, checkpoint, result: summaryOf(result), error: undefined }, 'done', result);
      discard(draft, study, task, hash);
      praise(draft, worker);
      return;
    }
    case 'failed':
      fail(draft, study, task, event.failure, worker);
      return;
    case 'returned':
      handBack(draft, study, task, 'handed back');
      return;
    default:
      event satisfies never;
  }
}

/** The result that the task has already: its acknowledgement was lost. */
function isRepeated(draft: Draft, event: Outcome): boolean {
  const task = draft.task(event);
  return event.type === 'done' && task?.status === 'done' && task.attempt === event.attempt;
}

export function goodbye(draft: Draft, { worker }: Of<'goodbye'>): void {
  leave(draft, worker, 'worker left', handBack);
}

export function lost(draft: Draft, { worker }: Of<'lost'>): void {
  leave(draft, worker, 'worker process ended', lose);
}

type Take = (draft: Draft, study: string, task: TaskState, cause: string) => void;

/** Takes what the worker holds. */
function release(draft: Draft, id: string, cause: string, take: Take): void {
  const ref = draft.workers.get(id)?.task;
  const task = ref === undefined ? undefined : draft.task(ref);
  if (ref !== undefined && task?.worker === id && isHeld(task.status)) take(draft, ref.study, task, cause);
}

/** Forgets a worker. @param take what becomes of the task that it holds */
export function leave(draft: Draft, id: string, cause: string, take: Take): void {
  release(draft, id, cause, take);
  draft.removeWorker(id);
}
