/** What a worker and the process of its task say to each other, over the channel that fork() opens. Both ends are of one build. */
import type { DeviceName, EngineName } from '../config/types.ts';
import type { TaskFailure } from '../scheduler/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../train/types.ts';

export type ToTask =
  | {
      readonly type: 'run';
      readonly spec: TaskSpec;
      readonly artifacts: string;
      readonly engine: EngineName;
      readonly device: DeviceName;
      readonly threads: number;
    }
  | { readonly type: 'interrupt' };

export type FromTask =
  | { readonly type: 'progress'; readonly progress: TaskProgress }
  | { readonly type: 'checkpointed'; readonly hash: string; readonly step: number }
  | { readonly type: 'done'; readonly result: TaskResult }
  | { readonly type: 'failed'; readonly failure: TaskFailure }
  | { readonly type: 'stopped' };
