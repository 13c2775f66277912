/** What workers and a coordinator say to each other, as unions; codec.ts turns them into protobuf and back (proto/noisefold.proto). */
import type { TaskFailure } from '../scheduler/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../train/types.ts';

/** Grows when a change to the messages is not understood by an older peer. */
export const protocolVersion = 1;

export type WorkerMessage =
  | {
      readonly type: 'hello';
      readonly protocol: number;
      /** noisefold's version. */
      readonly version: string;
      readonly name: string;
      readonly pid: number;
      readonly engine: string;
      readonly device: string;
      readonly threads: number;
    }
  | {
      readonly type: 'heartbeat';
      readonly running: { readonly task: string; readonly attempt: number; readonly progress: TaskProgress } | undefined;
    }
  | {
      readonly type: 'checkpointed';
      readonly task: string;
      readonly attempt: number;
      readonly hash: string;
      readonly step: number;
    }
  | { readonly type: 'done'; readonly task: string; readonly attempt: number; readonly result: TaskResult }
  | { readonly type: 'failed'; readonly task: string; readonly attempt: number; readonly failure: TaskFailure }
  | { readonly type: 'returned'; readonly task: string; readonly attempt: number }
  | { readonly type: 'goodbye' };

export type CoordinatorMessage =
  | {
      readonly type: 'welcome';
      readonly study: string;
      readonly heartbeatMs: number;
      readonly leaseMs: number;
      readonly artifacts: string;
    }
  | { readonly type: 'refuse'; readonly code: string; readonly reason: string }
  | { readonly type: 'assign'; readonly attempt: number; readonly spec: TaskSpec }
  /** Answers done, failed and returned; a worker repeats those until it comes. */
  | { readonly type: 'acknowledge'; readonly task: string; readonly attempt: number }
  | { readonly type: 'cancel'; readonly task: string; readonly attempt: number }
  /** Hand back what is running and leave. */
  | { readonly type: 'drain' }
  /** Sent to a peer whose heartbeat comes without a hello: the coordinator was restarted. */
  | { readonly type: 'introduce' };
