/**
 * The scheduler's vocabulary. `step(state, event)` is a pure function: it reads no clock, draws no random number and does no I/O; every event says what time it is.
 * One state holds all studies of a coordinator and all of its workers. Studies and tasks are durable (the rows of a Store); workers are not: they introduce themselves again.
 */
import type { Rungs } from '../plan/rungs.ts';
import type { Task } from '../plan/types.ts';
import type { TaskProgress, TaskResult } from '../train/types.ts';

/** `dropped`: will not run, because its study was cancelled or another fold of its trial failed for good. */
export const taskStatuses = ['pending', 'leased', 'running', 'done', 'failed', 'dropped'] as const;
export type TaskStatus = (typeof taskStatuses)[number];

/** Derived from the tasks of a trial (trials.ts). `done`: every task is; `failed`: one is. */
export const trialStatuses = ['pending', 'running', 'done', 'failed', 'dropped'] as const;
export type TrialStatus = (typeof trialStatuses)[number];

/** `pausing`: nothing is handed out, and what runs is asked to checkpoint and come back. `finished`: every task is final. `cancelled` is for good. */
export const studyStatuses = ['running', 'pausing', 'paused', 'finished', 'cancelled'] as const;
export type StudyStatus = (typeof studyStatuses)[number];

/**
 * `probing`: runs a canary, the engine's self-test, before it gets work again. `quarantined`: waits for its next canary. `draining`: asked to leave.
 */
export const workerStatuses = ['idle', 'busy', 'quarantined', 'probing', 'draining'] as const;
export type WorkerStatus = (typeof workerStatuses)[number];

/** A task of a study; task ids are unique within their study. */
export interface TaskRef {
  readonly study: string;
  readonly task: string;
}

/** The part of a task that changes. `attempt` counts leases; a message with another attempt's number is late and has no effect. */
export interface TaskState {
  readonly task: Task;
  readonly status: TaskStatus;
  readonly attempt: number;
  /** Attempts that ended in an error of the task's own process; leases lost with their worker do not count here, nor do preemptions or full disks. */
  readonly failures: number;
  /** Names of the workers on which it failed, without repeats, in order. Two of them make it the task's fault. */
  readonly failedOn: readonly string[];
  /** Attempts lost with their worker since the last checkpoint. */
  readonly losses: number;
  readonly worker: string | undefined;
  /** When the lease ends unless a heartbeat renews it. */
  readonly leaseUntil: number | undefined;
  readonly notBefore: number;
  readonly checkpoint: { readonly hash: string; readonly step: number } | undefined;
  readonly progress: TaskProgress | undefined;
  /** When phase, step or the time left last changed: a worker may be alive and its task hang. */
  readonly progressedAt: number | undefined;
  /** Of a task that is done, and of no other. */
  readonly result: ResultSummary | undefined;
  readonly error: TaskFailure | undefined;
}

/** What is kept in memory of a result: enough to compare trials. The whole of it, some kilobytes, is in the study's store. */
export interface ResultSummary {
  /** Wall seconds of the attempt that finished. */
  readonly seconds: number;
  readonly engine: string;
  /** Held-out errors, one for each ridge alpha: the means over the folds that the task scored. */
  readonly rmse: readonly number[];
  /** Of a binary target. */
  readonly auc: readonly number[] | undefined;
  /** Index of the alpha that is best in these folds. */
  readonly best: number;
}

export interface TaskFailure {
  readonly code: string;
  readonly message: string;
  /** Whether another attempt could end differently: a crash may, a diverged loss will not. */
  readonly retryable: boolean;
}

/** A study's task states by id, in plan order: an immutable value with indexes (task-table.ts). */
export interface TaskTable extends Iterable<readonly [id: string, task: TaskState]> {
  readonly size: number;
  get(id: string): TaskState | undefined;
  values(): IterableIterator<TaskState>;
  /** How many tasks have the status. Constant time. */
  count(status: TaskStatus): number;
  /** Those leased or running, in plan order. Proportional to their number. */
  held(): readonly TaskState[];
  /** The first pending task whose wait is over. It is found by summaries. */
  firstReady(nowMs: number): TaskState | undefined;
  /** The tasks of a trial, in plan order. */
  ofTrial(trial: string): readonly TaskState[];
  /** How many tasks have this checkpoint: equal configurations give equal bytes. */
  pointingAt(hash: string): number;
  /** The table with another state of one of its tasks. Throws RangeError for a task that it does not have. */
  with(task: TaskState): TaskTable;
  /** The table with more tasks at its end. Proportional to its size. Throws RangeError for a task that it has. */
  append(tasks: readonly TaskState[]): TaskTable;
}

/** Workers by peer id, in the order in which they joined: an immutable value (worker-table.ts). */
export interface WorkerTable extends ReadonlyMap<string, WorkerState> {
  /** Constant time but for a look at one summary a chunk. */
  firstIdle(): WorkerState | undefined;
  /** The table with another state of one of its workers, or with one more at its end. */
  with(worker: WorkerState): WorkerTable;
  without(id: string): WorkerTable;
}

export interface StudyState {
  readonly name: string;
  readonly status: StudyStatus;
  /** In plan order, the order in which they are handed out. Indexed so that an event costs the same with 100 tasks and with 100,000. */
  readonly tasks: TaskTable;
  /** Of a study with successive halving. */
  readonly rungs?: Rungs | undefined;
}

export interface WorkerState {
  /** The peer id of its connection. */
  readonly id: string;
  /** Lives longer than the connection: the same device of the same machine has the same name. */
  readonly name: string;
  readonly status: WorkerStatus;
  readonly lastSeen: number;
  readonly task: TaskRef | undefined;
}

/** What is remembered of a worker by its name, over reconnections: a sick machine does not get well by saying hello again. */
export interface WorkerHealth {
  /** Different tasks that failed on it in a row (ids with their study); a task that ends well clears them. */
  readonly failed: readonly string[];
  /** Canaries in a row that it needed; the wait before the next doubles with each. */
  readonly quarantines: number;
  /** When its next canary is due, while quarantined. */
  readonly probeAt: number | undefined;
}

export interface Policy {
  /** A lease ends this many milliseconds after its last renewal. */
  readonly leaseMs: number;
  /** Attempts of a task that may end in a retryable error before it is failed for good. */
  readonly maxFailures: number;
  /** Different workers on which a task may fail before it is failed for good. */
  readonly maxFailedOn: number;
  /** Attempts of a task that may be lost with their worker, without a new checkpoint, before it is failed for good. */
  readonly maxLosses: number;
  /** Different tasks in a row that may fail on a worker before it is quarantined. */
  readonly workerFailures: number;
  /** A failed task waits this long, doubled for every further failure; so does a quarantined worker for its canary. */
  readonly backoffMs: number;
  /** The longest of those waits. */
  readonly maxBackoffMs: number;
  /** A running task that reports nothing new for so long is taken away as hung (TASK_STALLED), and counts as a failure. */
  readonly stallMs: number;
  /** What workers are told when no study has anything left to do: a sweep lets them go, a service keeps them. */
  readonly whenDone: 'drain' | 'wait';
}

export const defaultPolicy: Policy = {
  leaseMs: 10_000,
  maxFailures: 3,
  maxFailedOn: 2,
  maxLosses: 5,
  workerFailures: 2,
  backoffMs: 1_000,
  maxBackoffMs: 300_000,
  stallMs: 600_000,
  whenDone: 'drain',
};

export interface State {
  /** Of the coordinator's process: `stopping` asks every worker to checkpoint and leave, `stopped` is when nothing is held any more. Not durable. */
  readonly phase: 'running' | 'stopping' | 'stopped';
  readonly policy: Policy;
  /** In order of submission. */
  readonly studies: ReadonlyMap<string, StudyState>;
  readonly workers: WorkerTable;
  readonly health: ReadonlyMap<string, WorkerHealth>;
}

interface Timed {
  readonly nowMs: number;
}
interface FromWorker extends Timed {
  readonly worker: string;
}
interface OfTask extends FromWorker, TaskRef {
  readonly attempt: number;
}
interface OfStudy extends Timed {
  readonly study: string;
}

export type Event =
  /** `running`: what it has been at since before it knew this coordinator, or lost it from sight. */
  | (FromWorker & {
      readonly type: 'hello';
      readonly name: string;
      readonly running: (TaskRef & { readonly attempt: number }) | undefined;
    })
  | (FromWorker & {
      readonly type: 'heartbeat';
      readonly running: (TaskRef & { readonly attempt: number; readonly progress: TaskProgress }) | undefined;
    })
  | (OfTask & { readonly type: 'checkpointed'; readonly hash: string; readonly step: number })
  | (OfTask & { readonly type: 'done'; readonly result: TaskResult })
  | (OfTask & { readonly type: 'failed'; readonly failure: TaskFailure })
  /** A task handed back because its worker is stopping or was asked to; what it did is in its last checkpoint. Nobody's failure. */
  | (OfTask & { readonly type: 'returned' })
  /** The end of a canary; undefined: it went well. */
  | (FromWorker & { readonly type: 'probed'; readonly reason: string | undefined })
  | (FromWorker & { readonly type: 'goodbye' })
  /** The worker's process is known to be gone, before its lease says so. */
  | (FromWorker & { readonly type: 'lost' })
  /** A new study, or more tasks for one that is there (those that it has are ignored). Its rows are durable already. */
  | (OfStudy & { readonly type: 'submit'; readonly tasks: readonly TaskState[]; readonly rungs?: Rungs | undefined })
  /** Somebody asks again: what failed for a reason that may be gone gets new attempts. */
  | (OfStudy & { readonly type: 'retry' })
  /** Final checkpoints were lost with a disk: their tasks are to be done again, where they are done with these still. */
  | (OfStudy & { readonly type: 'redo'; readonly tasks: readonly { readonly task: string; readonly hash: string }[] })
  | (OfStudy & { readonly type: 'pause' })
  | (OfStudy & { readonly type: 'resume' })
  | (OfStudy & { readonly type: 'cancel' })
  | (Timed & { readonly type: 'stop' })
  | (Timed & { readonly type: 'tick' });

export type Effect =
  /** A task that the study has from now on, whose row is to be made before anything else of it is committed. */
  | { readonly type: 'add'; readonly study: string; readonly task: TaskState; readonly cause: string }
  /** To be committed before anything is sent. */
  | {
      readonly type: 'persist';
      readonly study: string;
      readonly task: TaskState;
      readonly from: TaskStatus;
      readonly cause: string;
      /** The whole of a result that has just come, for the store. */
      readonly result?: TaskResult | undefined;
    }
  | {
      readonly type: 'persistStudy';
      readonly study: string;
      readonly status: StudyStatus;
      readonly from: StudyStatus;
      readonly cause: string;
    }
  | { readonly type: 'assign'; readonly worker: string; readonly study: string; readonly task: string; readonly attempt: number }
  | {
      readonly type: 'acknowledge';
      readonly worker: string;
      readonly study: string;
      readonly task: string;
      readonly attempt: number;
    }
  /** The worker should kill this attempt: its lease is not (or no longer) the current one. */
  | { readonly type: 'cancel'; readonly worker: string; readonly study: string; readonly task: string; readonly attempt: number }
  /** The worker should checkpoint this attempt and hand it back: its study is paused. */
  | { readonly type: 'yield'; readonly worker: string; readonly study: string; readonly task: string; readonly attempt: number }
  | { readonly type: 'drain'; readonly worker: string }
  /** The worker should run its canary. */
  | { readonly type: 'probe'; readonly worker: string }
  /** A heartbeat from someone who has not said hello: the coordinator was restarted. */
  | { readonly type: 'introduce'; readonly worker: string }
  /** A checkpoint that its task's row does not point at any more. */
  | { readonly type: 'discard'; readonly study: string; readonly hash: string }
  /** A late message that had no effect, for the log. */
  | {
      readonly type: 'fenced';
      readonly worker: string;
      readonly study: string;
      readonly task: string;
      readonly attempt: number;
      readonly message: Event['type'];
    }
  /** For the log and the metrics: a worker's status changed. */
  | { readonly type: 'worker'; readonly worker: WorkerState; readonly from: WorkerStatus | undefined; readonly cause: string }
  /** Every task of the study is final. */
  | { readonly type: 'finished'; readonly study: string }
  /** After a stop: nothing is leased any more. */
  | { readonly type: 'stopped' };

export interface Step {
  readonly state: State;
  readonly effects: readonly Effect[];
}
