/** What workers, clients and a coordinator say to each other, as unions; codec.ts turns them into protobuf and back (proto/noisefold.proto). */
import type { RungProgress } from '../scheduler/rungs.ts';
import type { StudyStatus, TaskFailure, TaskRef, TaskStatus, TrialStatus, WorkerStatus } from '../scheduler/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../train/types.ts';

/** Grows when a change to the messages is not understood by an older peer. A coordinator refuses others with versionRefusal (versions.ts). */
export const protocolVersion = 2;

/** The file in the artifact folder that holds the coordinator's identity (`welcome.coordinator`): who reads the same there sees the same folder. */
export const identityFile = 'coordinator.id';

/** One attempt at a task. */
export interface Lease extends TaskRef {
  readonly attempt: number;
}

/** What a worker can do; for people, metrics and refusals. */
export interface Capabilities {
  /** The engine's name as resolved (`onnx`, `tensorflow`, ...). */
  readonly engine: string;
  /** `cpu`, or the GPU's name and UUID. */
  readonly device: string;
  readonly threads: number;
  /** Bytes of the device's memory, or of the machine's for a CPU; 0 when unknown. */
  readonly memory: number;
}

export type WorkerMessage =
  | {
      readonly type: 'hello';
      readonly protocol: number;
      /** noisefold's version. */
      readonly version: string;
      readonly name: string;
      readonly pid: number;
      readonly capabilities: Capabilities;
      /** What it is at already: the coordinator was restarted, or the connection lost. */
      readonly running: Lease | undefined;
    }
  | { readonly type: 'heartbeat'; readonly running: (Lease & { readonly progress: TaskProgress }) | undefined }
  /** The blob is in the coordinator's artifact store. */
  | (Lease & { readonly type: 'checkpointed'; readonly hash: string; readonly step: number })
  | (Lease & { readonly type: 'done'; readonly result: TaskResult })
  | (Lease & { readonly type: 'failed'; readonly failure: TaskFailure })
  | (Lease & { readonly type: 'returned' })
  /** The canary's end; a reason when it went badly. */
  | { readonly type: 'probed'; readonly reason: string | undefined }
  | { readonly type: 'goodbye' };

/** Blobs in chunks, from workers and clients alike; `transfer` is the sender's number for one blob on its way, echoed in answers. */
export type BlobMessage =
  | { readonly type: 'fetch'; readonly transfer: number; readonly hash: string; readonly offset: number; readonly length: number }
  /** `offset` 0 .. total; the last chunk ends at total. Asking with no bytes at offset 0 tells how much is there (resume). */
  | {
      readonly type: 'put';
      readonly transfer: number;
      readonly hash: string;
      readonly offset: number;
      readonly total: number;
      readonly bytes: Uint8Array;
    };

export type BlobAnswer =
  | {
      readonly type: 'chunk';
      readonly transfer: number;
      readonly hash: string;
      readonly offset: number;
      readonly total: number;
      readonly bytes: Uint8Array;
    }
  /** How many bytes of the blob are kept; complete: it is verified and durable. The next put continues at `received`. */
  | {
      readonly type: 'stored';
      readonly transfer: number;
      readonly hash: string;
      readonly received: number;
      readonly complete: boolean;
    }
  /** The transfer cannot go on: no such blob, too large, disk full, wrong bytes. */
  | {
      readonly type: 'refused';
      readonly transfer: number;
      readonly hash: string;
      readonly code: string;
      readonly reason: string;
    };

/** What a person's command asks; `request` numbers are the client's, echoed in replies. */
export type ClientRequest =
  /** Blobs `data` (all prepared data sets) and `table` were put before. `config` is the resolved configuration's canonical JSON. */
  | {
      readonly type: 'submit';
      readonly config: string;
      readonly configHash: string;
      readonly dataHash: string;
      readonly table: string;
      readonly data: readonly string[];
      /** The plan as canonical JSON: trials and tasks. */
      readonly plan: string;
      readonly version: string;
    }
  | { readonly type: 'list' }
  /** A study's summary, what runs now, and the latest failures. */
  | { readonly type: 'status'; readonly study: string }
  /** Its tasks in plan order, a page of them (limit at most 1,000); of all statuses when none is named. */
  | {
      readonly type: 'tasks';
      readonly study: string;
      readonly statuses: readonly TaskStatus[];
      readonly offset: number;
      readonly limit: number;
    }
  | { readonly type: 'workers' }
  | { readonly type: 'pause' | 'resume' | 'cancel' | 'retry'; readonly study: string }
  /** The transitions of a study or of one task, the latest `last` ones. */
  | { readonly type: 'logs'; readonly study: string; readonly task: string | undefined; readonly last: number }
  /** Makes a consistent copy of the study's database and answers with its hash, to be fetched like any blob. */
  | { readonly type: 'snapshot'; readonly study: string };

export type ClientMessage = {
  readonly type: 'request';
  readonly request: number;
  readonly protocol: number;
  readonly body: ClientRequest;
};

/** A trial's mean held-out score. */
export interface Scored {
  readonly trial: string;
  readonly score: number;
}

export interface StudySummary {
  readonly name: string;
  readonly status: StudyStatus;
  /** Why it does not go on although it is running: a full disk, a store that fails. */
  readonly trouble: string | undefined;
  readonly createdMs: number;
  readonly metric: 'rmse' | 'auc';
  readonly tasks: Readonly<Record<TaskStatus, number>>;
  /** Trained trials. */
  readonly trials: Readonly<Record<TrialStatus, number>>;
  readonly baselines: Readonly<Record<TrialStatus, number>>;
  /** Of successive halving. */
  readonly rung: RungProgress | undefined;
  /** The best trained trial so far, and the baselines it is held against. */
  readonly best: Scored | undefined;
  readonly raw: Scored | undefined;
  readonly untrained: Scored | undefined;
  /** By the rate so far; undefined before there is one. */
  readonly secondsLeft: number | undefined;
  /** Whether it will take longer than secondsLeft: what scoring takes is not known yet. */
  readonly atLeast: boolean;
}

export interface TaskSummary {
  readonly task: string;
  readonly trial: string;
  readonly status: TaskStatus;
  readonly attempt: number;
  readonly failures: number;
  readonly losses: number;
  readonly worker: string | undefined;
  readonly checkpointStep: number | undefined;
  readonly toStep: number;
  readonly progress: TaskProgress | undefined;
  /** Mean held-out error at the best alpha, once done. */
  readonly score: number | undefined;
  readonly seconds: number | undefined;
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

export interface WorkerSummary {
  readonly name: string;
  readonly status: WorkerStatus;
  readonly version: string;
  readonly capabilities: Capabilities;
  readonly running: Lease | undefined;
  readonly lastSeenMs: number;
  /** Why it is quarantined. */
  readonly reason: string | undefined;
}

export interface StoryLine {
  readonly atMs: number;
  readonly task: string;
  readonly attempt: number;
  readonly from: string;
  readonly to: string;
  readonly worker: string | undefined;
  readonly cause: string;
}

export type ClientAnswer =
  | { readonly type: 'accepted'; readonly study: string; readonly existed: boolean }
  | { readonly type: 'studies'; readonly studies: readonly StudySummary[] }
  | {
      readonly type: 'study';
      readonly study: StudySummary;
      readonly running: readonly TaskSummary[];
      /** At most 20, the latest first. */
      readonly failed: readonly TaskSummary[];
    }
  | { readonly type: 'tasks'; readonly total: number; readonly tasks: readonly TaskSummary[] }
  | { readonly type: 'workers'; readonly workers: readonly WorkerSummary[] }
  | { readonly type: 'story'; readonly lines: readonly StoryLine[] }
  | { readonly type: 'snapshot'; readonly hash: string; readonly bytes: number }
  | { readonly type: 'error'; readonly code: string; readonly message: string; readonly hint: string | undefined };

export type CoordinatorMessage =
  | {
      readonly type: 'welcome';
      readonly heartbeatMs: number;
      readonly leaseMs: number;
      /** Where blobs are, for a worker on the same file system: a folder. A worker that does not see it there streams instead (see worker/blobs.ts). */
      readonly artifacts: string;
      /** Random, made at the coordinator's first start in its data folder; written into the artifact folder too, by which a worker knows that it sees the same one. */
      readonly coordinator: string;
    }
  | { readonly type: 'refuse'; readonly code: string; readonly reason: string }
  | { readonly type: 'assign'; readonly study: string; readonly attempt: number; readonly spec: TaskSpec }
  /** Answers done, failed and returned; a worker repeats those until it comes. */
  | (Lease & { readonly type: 'acknowledge' })
  | (Lease & { readonly type: 'cancel' })
  /** Checkpoint this attempt and hand it back; stay. */
  | (Lease & { readonly type: 'yield' })
  /** Run the canary. */
  | { readonly type: 'probe' }
  /** Hand back what is running and leave. */
  | { readonly type: 'drain' }
  /** Sent to a peer whose heartbeat comes without a hello: the coordinator was restarted. */
  | { readonly type: 'introduce' };

export type ClientReply = { readonly type: 'reply'; readonly request: number; readonly body: ClientAnswer };

/** Everything that a coordinator may hear, and say. */
export type ToCoordinator = WorkerMessage | BlobMessage | ClientMessage;
export type FromCoordinator = CoordinatorMessage | BlobAnswer | ClientReply;
