/**
 * The scheduler's vocabulary. `step(state, event)` is a pure function: it reads no clock, draws no random number and does no I/O; every event says what time it is.
 */
import type { Task } from '../plan/types.ts';
import type { TaskProgress, TaskResult } from '../train/types.ts';

export const taskStatuses = ['pending', 'leased', 'running', 'done', 'failed'] as const;
export type TaskStatus = (typeof taskStatuses)[number];

/** The part of a task that changes. `attempt` counts leases; a message with another attempt's number is late and has no effect. */
export interface TaskState {
  readonly task: Task;
  readonly status: TaskStatus;
  readonly attempt: number;
  /** Attempts that ended in an error of the task's own process; leases lost with their worker do not count here. */
  readonly failures: number;
  /** Attempts lost with their worker since the last checkpoint. */
  readonly losses: number;
  readonly worker: string | undefined;
  /** When the lease ends unless a heartbeat renews it. */
  readonly leaseUntil: number | undefined;
  readonly notBefore: number;
  readonly checkpoint: { readonly hash: string; readonly step: number } | undefined;
  readonly progress: TaskProgress | undefined;
  readonly result: TaskResult | undefined;
  readonly error: TaskFailure | undefined;
}

export interface TaskFailure {
  readonly code: string;
  readonly message: string;
  /** Whether another attempt could end differently: a crash may, a diverged loss will not. */
  readonly retryable: boolean;
}

export interface WorkerState {
  readonly id: string;
  readonly name: string;
  readonly lastSeen: number;
  readonly task: string | undefined;
  /** Consecutive failures on this worker; at policy.workerFailures it gets no more work. */
  readonly failures: number;
  readonly draining: boolean;
}

export interface Policy {
  /** A lease ends this many milliseconds after its last renewal. */
  readonly leaseMs: number;
  /** Attempts of a task that may end in a retryable error before it is failed for good. */
  readonly maxFailures: number;
  /** Attempts of a task that may be lost with their worker, without a new checkpoint, before it is failed for good. */
  readonly maxLosses: number;
  /** Consecutive failures after which a worker gets no more work. */
  readonly workerFailures: number;
  /** A failed task waits this long, doubled for every further failure. */
  readonly backoffMs: number;
}

export const defaultPolicy: Policy = { leaseMs: 10_000, maxFailures: 3, maxLosses: 5, workerFailures: 3, backoffMs: 1_000 };

export interface State {
  readonly phase: 'running' | 'stopping' | 'stopped' | 'finished';
  readonly policy: Policy;
  /** In the order in which they are handed out. */
  readonly tasks: ReadonlyMap<string, TaskState>;
  readonly workers: ReadonlyMap<string, WorkerState>;
}

interface Timed {
  readonly nowMs: number;
}
interface FromWorker extends Timed {
  readonly worker: string;
}
interface OfTask extends FromWorker {
  readonly task: string;
  readonly attempt: number;
}

export type Event =
  | (FromWorker & { readonly type: 'hello'; readonly name: string })
  | (FromWorker & {
      readonly type: 'heartbeat';
      readonly running: { readonly task: string; readonly attempt: number; readonly progress: TaskProgress } | undefined;
    })
  | (OfTask & { readonly type: 'checkpointed'; readonly hash: string; readonly step: number })
  | (OfTask & { readonly type: 'done'; readonly result: TaskResult })
  | (OfTask & { readonly type: 'failed'; readonly failure: TaskFailure })
  /** A task handed back because its worker is stopping; what it did is in its last checkpoint. */
  | (OfTask & { readonly type: 'returned' })
  | (FromWorker & { readonly type: 'goodbye' })
  /** The worker's process is known to be gone, before its lease says so. */
  | (FromWorker & { readonly type: 'lost' })
  /** Somebody asks again: what failed for a reason that may be gone gets new attempts. */
  | (Timed & { readonly type: 'retry' })
  | (Timed & { readonly type: 'stop' })
  | (Timed & { readonly type: 'tick' });

export type Effect =
  /** To be committed before anything is sent. */
  | { readonly type: 'persist'; readonly task: TaskState; readonly from: TaskStatus; readonly cause: string }
  | { readonly type: 'assign'; readonly worker: string; readonly task: string; readonly attempt: number }
  | { readonly type: 'acknowledge'; readonly worker: string; readonly task: string; readonly attempt: number }
  /** The worker should stop this attempt: its lease is not (or no longer) the current one. */
  | { readonly type: 'cancel'; readonly worker: string; readonly task: string; readonly attempt: number }
  | { readonly type: 'drain'; readonly worker: string }
  /** A heartbeat from someone who has not said hello: the coordinator was restarted. */
  | { readonly type: 'introduce'; readonly worker: string }
  /** A checkpoint that no row points at any more. */
  | { readonly type: 'discard'; readonly hash: string }
  /** Every task is done or failed. */
  | { readonly type: 'finished' }
  /** After a stop: nothing is leased any more. */
  | { readonly type: 'stopped' };

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}
