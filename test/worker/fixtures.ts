/** What the tests of a worker are made of. */
import type { TaskFailure } from '../../src/scheduler/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../../src/train/types.ts';
import type { Introduction } from '../../src/worker/session-types.ts';

export const introduction: Introduction = {
  version: '0',
  name: 'host/cpu-1',
  pid: 1,
  capabilities: { engine: 'onnx', device: 'cpu', threads: 1, memory: 0 },
};

export const specOf = (id: string): TaskSpec =>
  ({
    task: { id, trial: id, fold: 'all', rung: 0, fromStep: 0, toStep: 10 },
    config: { training: { epochs: 2 } },
    data: 'data-hash',
  }) as unknown as TaskSpec;

export const resultOf = (checkpoint?: string): TaskResult => ({ seconds: 1, checkpoint }) as unknown as TaskResult;

export const progress: TaskProgress = {
  phase: 'training',
  step: 3,
  toStep: 10,
  epoch: 0,
  epochs: 2,
  loss: 1,
  rowsPerSecond: 5,
  secondsLeft: 2,
};

export const crash: TaskFailure = { code: 'TASK_CRASHED', message: 'x', retryable: true };
