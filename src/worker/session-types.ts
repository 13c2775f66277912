/** The vocabulary of a worker's session: its state, what happens to it, and what it wants done. */
import type { TaskFailure } from '../scheduler/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../train/types.ts';
import type { CoordinatorMessage, Lease, WorkerMessage } from '../wire/messages.ts';
import type { SessionPhase } from './session-table.ts';

/** What a worker says of itself. */
export type Introduction = Omit<Extract<WorkerMessage, { type: 'hello' }>, 'type' | 'protocol' | 'running'>;

export interface SessionEnd {
  readonly code: number;
  /** Why no coordinator will have this worker. */
  readonly refusal?: { readonly code: string; readonly reason: string };
}

export type Outcome = Extract<WorkerMessage, { type: 'done' | 'failed' | 'returned' }>;

interface Blob {
  readonly hash: string;
  readonly step: number;
}

export interface CurrentTask {
  readonly lease: Lease;
  readonly spec: TaskSpec;
  readonly progress: TaskProgress;
  readonly uploading: Blob | undefined;
  /** The newest checkpoint, while an older one is on its way. */
  readonly next: Blob | undefined;
  /** The checkpoint that arrived last. */
  readonly stored: string | undefined;
  /** What is to be said when nothing is left to upload. */
  readonly outcome: Outcome | undefined;
}

export interface Session {
  readonly introduction: Introduction;
  readonly phase: SessionPhase;
  /** Leave after so long without a task; undefined: never. */
  readonly idleExitMs: number | undefined;
  readonly heartbeatMs: number;
  /** Milliseconds without a task, counted in heartbeats. */
  readonly idleMs: number;
  /** Counts tasks and canaries: what an earlier one still says is not news. */
  readonly run: number;
  readonly task: CurrentTask | undefined;
  /** Said, but not acknowledged yet. */
  readonly outcomes: readonly Outcome[];
  /** A canary was asked for while something else ran. */
  readonly probeDue: boolean;
  /** It was asked who it is, and has not been welcomed since: each message that found the coordinator restarted asks anew. */
  readonly introducing: boolean;
  /** The exit code of a worker that is on its way out. */
  readonly leaving: number | undefined;
}

/** How a task's process ended; `stopped`: it was asked to, and left a checkpoint. */
export type TaskEnd = { readonly result: TaskResult } | { readonly failure: TaskFailure } | 'stopped';

interface OfRun {
  readonly run: number;
}

export type SessionEvent =
  | { readonly type: 'start' }
  | { readonly type: 'message'; readonly message: CoordinatorMessage }
  | { readonly type: 'heartbeat' }
  /** Everything that the task needs is here. */
  | (OfRun & { readonly type: 'fetched' })
  | (OfRun & { readonly type: 'progress'; readonly progress: TaskProgress })
  /** The task left a checkpoint on this machine. */
  | (OfRun & { readonly type: 'checkpointed'; readonly hash: string; readonly step: number })
  | { readonly type: 'uploaded'; readonly hash: string }
  /** The coordinator will not have it. */
  | { readonly type: 'notUploaded'; readonly hash: string; readonly failure: TaskFailure }
  | (OfRun & { readonly type: 'ended'; readonly how: TaskEnd })
  | (OfRun & { readonly type: 'probed'; readonly reason: string | undefined })
  /** A signal: the machine wants the worker gone. */
  | { readonly type: 'stop' }
  /** The time to leave is over. */
  | { readonly type: 'deadline' }
  /** There will never be a connection. */
  | { readonly type: 'barred'; readonly code: string; readonly reason: string };

export type SessionEffect =
  | { readonly type: 'send'; readonly message: WorkerMessage }
  | { readonly type: 'joined'; readonly heartbeatMs: number; readonly artifacts: string; readonly coordinator: string }
  | (OfRun & { readonly type: 'fetch'; readonly lease: Lease; readonly spec: TaskSpec })
  | (OfRun & { readonly type: 'run'; readonly lease: Lease; readonly spec: TaskSpec })
  | (OfRun & { readonly type: 'probe' })
  | { readonly type: 'upload'; readonly hash: string }
  /** Asks the task to checkpoint and end. */
  | { readonly type: 'interrupt' }
  /** Ends whatever goes on for the task or canary, at once: process, fetch and upload. */
  | { readonly type: 'kill' }
  /** Wants a `deadline` after so long. */
  | { readonly type: 'deadline'; readonly ms: number }
  | ({ readonly type: 'exit' } & SessionEnd);

export interface SessionStep {
  readonly session: Session;
  readonly effects: readonly SessionEffect[];
}
