/**
 * The scheduler: step(state, event) -> {state, effects}, with time only in the events. States are values: the one before stays valid.
 *
 * Delivery is at least once. A lease belongs to (task, attempt); heartbeats that name that pair renew it, ticks end it. Messages of another
 * attempt change nothing, so a worker that comes back from the dead cannot overwrite its successor. Results repeat until acknowledged, and
 * acknowledging twice does no harm. Effects list what is persisted before anything that is sent, and the coordinator commits before it sends.
 */
import type { Rungs } from '../plan/rungs.ts';
import { assign } from './assign.ts';
import { tick } from './clock.ts';
import { Draft, settled, unleased } from './draft.ts';
import { checkpointed, goodbye, heartbeat, hello, lost, outcome } from './from-worker.ts';
import { probed } from './health.ts';
import { cancel, pause, redo, resume, retry, submit } from './studies.ts';
import { taskTable } from './task-table.ts';
import { diskFullMs } from './tasks.ts';
import { isFinal, isHeld, moved } from './transitions.ts';
import type { Event, Policy, State, Step, StudyState, StudyStatus, TaskState } from './types.ts';
import { workerTable } from './worker-table.ts';

export { newTaskState } from './task-table.ts';

/** What the rows of a study say. */
export interface StoredStudy {
  readonly name: string;
  readonly status: StudyStatus;
  /** In plan order, those that rungs have added after them. */
  readonly tasks: readonly TaskState[];
  readonly rungs?: Rungs | undefined;
}

/**
 * The state after a start or restart. Tasks that were leased keep their attempt for `graceMs`, so that a worker that lived through the
 * coordinator's restart can go on; with 0 the workers are known to be gone with the coordinator, and their tasks wait for others: nobody's loss.
 * @param studies in order of submission
 */
export function recover(studies: readonly StoredStudy[], policy: Policy, nowMs: number, graceMs: number): State {
  const longestWait = Math.max(policy.maxBackoffMs, diskFullMs);
  const recovered = (row: TaskState): TaskState => {
    // A clock that was ahead when the row was written must not make its task wait for so long.
    const task = row.notBefore > nowMs + longestWait ? { ...row, notBefore: nowMs + longestWait } : row;
    if (!isHeld(task.status)) return task;
    return graceMs > 0 ? { ...task, worker: undefined, leaseUntil: nowMs + graceMs } : moved(task, 'pending', unleased);
  };
  const entries = studies.map(({ name, status, tasks, rungs }) => {
    // What was added to a cancelled study may not have been dropped yet.
    const dropped = (task: TaskState): TaskState => (isFinal(task.status) ? task : moved(task, 'dropped', unleased));
    const table = taskTable(tasks.map(status === 'cancelled' ? dropped : recovered));
    const study: StudyState = { name, status, tasks: table, ...(rungs !== undefined && { rungs }) };
    return [name, { ...study, status: settled(study) }] as const;
  });
  return { phase: 'running', policy, studies: new Map(entries), workers: workerTable([]), health: new Map() };
}

/** Applies one event. Unknown studies, tasks and workers are answered or ignored, never an error: they come from outside. */
export function step(state: State, event: Event): Step {
  const draft = new Draft(state, event.nowMs);
  apply(draft, event);
  draft.settle();
  // Neither a heartbeat nor a checkpoint makes a trial one to go on with, and there are many of them.
  assign(draft, event.type !== 'heartbeat' && event.type !== 'checkpointed');
  return draft.result();
}

function apply(draft: Draft, event: Event): void {
  switch (event.type) {
    case 'hello':
      hello(draft, event);
      return;
    case 'heartbeat':
      heartbeat(draft, event);
      return;
    case 'checkpointed':
      checkpointed(draft, event);
      return;
    case 'done':
    case 'failed':
    case 'returned':
      outcome(draft, event);
      return;
    case 'probed':
      probed(draft, event.worker, event.reason);
      return;
    case 'goodbye':
      goodbye(draft, event);
      return;
    case 'lost':
      lost(draft, event);
      return;
    case 'submit':
      submit(draft, event);
      return;
    case 'retry':
      retry(draft, event);
      return;
    case 'redo':
      redo(draft, event);
      return;
    case 'pause':
      pause(draft, event);
      return;
    case 'resume':
      resume(draft, event);
      return;
    case 'cancel':
      cancel(draft, event);
      return;
    case 'stop':
      if (draft.phase === 'running') draft.phase = 'stopping';
      return;
    case 'tick':
      tick(draft);
      return;
    default:
      event satisfies never;
  }
}
