/** What a worker and the process of its task or canary say to each other, over the channel that fork() opens. Both ends are of one build. */
import type { DeviceName, EngineName } from '../config/types.ts';
import type { TaskFailure } from '../scheduler/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../train/types.ts';

interface OnEngine {
  readonly engine: EngineName;
  readonly device: DeviceName;
  readonly threads: number;
}

export type ToTask =
  | (OnEngine & {
      readonly type: 'run';
      readonly spec: TaskSpec;
      /** A folder in the layout of artifacts/files.ts. */ readonly artifacts: string;
    })
  /** Run the canary. */
  | (OnEngine & { readonly type: 'probe' })
  | { readonly type: 'interrupt' };

export type FromTask =
  | { readonly type: 'progress'; readonly progress: TaskProgress }
  | { readonly type: 'checkpointed'; readonly hash: string; readonly step: number }
  | { readonly type: 'done'; readonly result: TaskResult }
  | { readonly type: 'failed'; readonly failure: TaskFailure }
  | { readonly type: 'stopped' }
  /** The canary's end; a reason when it went badly. */
  | { readonly type: 'probed'; readonly reason: string | undefined };
