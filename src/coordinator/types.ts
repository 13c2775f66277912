/**
 * The coordinator's public face. Everything that it touches is handed in: transport, stores, artifacts, clock, timers and the end of a turn; so a test or
 * a simulator drives it as `noisefold coordinator` does.
 *
 * A turn: all messages that arrived are stepped through the scheduler, then one transaction a study that changed, then the sends. If a commit fails, the
 * state is the one before the turn and nothing was sent.
 */
import type { ArtifactStore } from '../artifacts/store.ts';
import type { NoisefoldError } from '../base/errors.ts';
import type { Clock, Log } from '../base/ports.ts';
import type { Plan } from '../plan/types.ts';
import type { Effect, Policy, State, StudyState, WorkerState } from '../scheduler/types.ts';
import type { Store } from '../store/store.ts';
import type { BlobAnswer, BlobMessage, StudySummary } from '../wire/messages.ts';
import type { CoordinatorTransport } from '../wire/transport.ts';
import type { Metrics } from './metrics.ts';

/** Where the stores of the studies are: one a study, each with its own lock. */
export interface StudyStores {
  /** Names of those that are there, to be taken up at the start. */
  list(): readonly string[];
  /** Opens a study's store to write, making an empty one if there is none. Throws STORE_LOCKED, STORE_NEWER, STORE_FAILED, DISK_FULL, OUTPUT_NOT_WRITABLE. */
  open(study: string): Store;
}

/** The server of blobs in chunks (wire/blobs/), over the artifacts that the coordinator hands it. */
export interface BlobServer {
  handle(peer: string, message: BlobMessage): void;
  /** Hashes of transfers under way: nothing that they name may be deleted. */
  inFlight(): Iterable<string>;
  close(): void | Promise<void>;
}

export interface BlobServerOptions {
  readonly artifacts: ArtifactStore;
  readonly send: (peer: string, answer: BlobAnswer) => void;
}

/** What a summary is made of (report/summary.ts makes them; the coordinator knows nothing of scores). */
export interface SummaryInput {
  readonly plan: Plan;
  readonly study: StudyState;
  readonly workers: Iterable<WorkerState>;
  readonly phase: State['phase'];
  readonly metric: 'rmse' | 'auc';
  readonly nowMs: number;
  readonly startedMs: number;
  readonly createdMs: number;
  /** Why it does not go on although it is running: a full disk, a store that fails. */
  readonly trouble: string | undefined;
}

export interface Timers {
  /** Calls back every so many milliseconds until the returned function is called. */
  every(ms: number, callback: () => void): () => void;
  /** Calls back when all messages that have arrived by now are handed over: setImmediate, but for tests. */
  endOfTurn(callback: () => void): void;
}

export interface CoordinatorOptions {
  readonly transport: CoordinatorTransport;
  readonly stores: StudyStores;
  readonly artifacts: ArtifactStore;
  /** Told to workers: the folder of the artifacts, for those that see it, and the coordinator's identity, which is written into that folder too. */
  readonly artifactsAt: string;
  readonly identity: string;
  readonly blobs: (options: BlobServerOptions) => BlobServer;
  readonly policy: Policy;
  readonly heartbeatMs: number;
  /** How long leases of an earlier run stay valid; 0 when its workers are known to be gone with it. */
  readonly graceMs: number;
  /**
   * Looks every `everyMs` after the artifacts: results whose checkpoint is lost are made again, and what nothing refers to and is older than `graceMs` is deleted.
   * Without, garbage is deleted only when collectGarbage() is called, and what is an hour old.
   */
  readonly garbage?: { readonly everyMs: number; readonly graceMs: number } | undefined;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
  /** Kept for a second a study: it costs time in proportion to the study's tasks. */
  readonly summaryOf: (input: SummaryInput) => StudySummary;
  /** noisefold's version, written into the rows of new studies. */
  readonly version: string;
  /** Called after each turn that changed something, once its rows are durable. */
  readonly onTurn?: ((state: State, effects: readonly Effect[]) => void) | undefined;
  /** Called when a full disk pauses everything (`true`), and when it goes on. */
  readonly onDiskFull?: ((full: boolean) => void) | undefined;
}

export interface Coordinator {
  state(): State;
  /** Studies whose store failed, with the reason; they are out of the state until the coordinator starts again. */
  broken(): ReadonlyMap<string, NoisefoldError>;
  diskFull(): boolean;
  /** Gives tasks of the study that failed for a reason that may be gone new attempts. At once, as lost() and stop(). */
  retry(study: string): void;
  /** Says that the process of the worker with this name is gone. */
  lost(name: string): void;
  /** Hands out nothing more and asks every worker to checkpoint and hand back what it runs. */
  stop(): void;
  /** Resolves when the study is finished or cancelled, or when the coordinator has stopped; rejects with what broke its store. Throws a RangeError for no study. */
  ended(study: string): Promise<'finished' | 'cancelled' | 'stopped'>;
  /** Resolves after stop(), when no task is held any more. */
  readonly stopped: Promise<void>;
  /** Deletes what nothing refers to, and final checkpoints that the studies' policies let go. Resolves to the number of blobs deleted. */
  collectGarbage(): Promise<number>;
  /** Ends the timers and closes the stores, at once. The transport is the caller's. */
  close(): Promise<void>;
}
