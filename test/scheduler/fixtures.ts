/** Studies of small tasks, events by hand, and steps that are checked as they are taken. */
import assert from 'node:assert/strict';
import type { Rungs } from '../../src/plan/rungs.ts';
import type { Task } from '../../src/plan/types.ts';
import { illegalMoves, violations } from '../../src/scheduler/invariants.ts';
import { newTaskState, recover, step } from '../../src/scheduler/step.ts';
import {
  defaultPolicy,
  type Effect,
  type Event,
  type State,
  type TaskFailure,
  type TaskState,
} from '../../src/scheduler/types.ts';
import type { TaskProgress, TaskResult } from '../../src/train/types.ts';

export const policy = { ...defaultPolicy, leaseMs: 100, backoffMs: 10, maxBackoffMs: 1_000, maxLosses: 3, stallMs: 500 };

export const taskNamed = (id: string, trial = id, fold: Task['fold'] = 'all'): Task => ({
  id,
  trial,
  fold,
  rung: 0,
  fromStep: 0,
  toStep: 10,
});

/** A trial of as many folds, its tasks named `a/0`, `a/1` ... */
export const folds = (trial: string, count: number): Task[] =>
  Array.from({ length: count }, (_, fold) => taskNamed(`${trial}/${fold}`, trial, fold));

export const progressAt = (at: number): TaskProgress => ({
  phase: 'training',
  step: at,
  toStep: 10,
  epoch: 0,
  epochs: 1,
  loss: 1,
  rowsPerSecond: 1,
  secondsLeft: undefined,
});

export const resultWith = (checkpoint: string): TaskResult => ({
  score: { alphas: [1], folds: [], best: 0, features: 1 },
  checkpoint,
  history: [],
  corruption: [],
  seconds: 1,
  parameters: 1,
  engine: 'test',
});

/** A state with one study `s` whose trials have one task each, or with the studies given; `rungs` by study. */
export function stateOf(
  studies: readonly string[] | Readonly<Record<string, readonly Task[]>>,
  changes = {},
  rungs: Readonly<Record<string, Rungs>> = {},
): State {
  const named = Array.isArray(studies)
    ? { s: (studies as string[]).map((id) => taskNamed(id)) }
    : (studies as Record<string, Task[]>);
  const stored = Object.entries(named).map(([name, tasks]) => ({
    name,
    status: 'running' as const,
    tasks: tasks.map(newTaskState),
    rungs: rungs[name],
  }));
  return recover(stored, { ...policy, ...changes }, 0, 0);
}

/** One step, with everything that holds of every step: invariants, legal moves, and rows before messages. */
export function checkedStep(state: State, event: Event): { state: State; effects: readonly Effect[] } {
  const next = step(state, event);
  const after = `after ${JSON.stringify(event)}`;
  assert.deepEqual(violations(next.state), [], after);
  assert.deepEqual(illegalMoves(state, next), [], after);
  const isRow = ({ type }: Effect): boolean => type === 'add' || type === 'persist' || type === 'persistStudy';
  const firstMessage = next.effects.findIndex((effect) => !isRow(effect));
  const lastRow = next.effects.findLastIndex(isRow);
  assert.ok(firstMessage === -1 || lastRow < firstMessage, `${after} a message goes before a row`);
  return next;
}

/** Runs events in order, checked; gives the last state and all effects. */
export function run(state: State, ...events: Event[]): { state: State; effects: Effect[] } {
  const effects: Effect[] = [];
  for (const event of events) {
    const next = checkedStep(state, event);
    state = next.state;
    effects.push(...next.effects);
  }
  return { state, effects };
}

export const of = <T extends Effect['type']>(effects: readonly Effect[], type: T): Extract<Effect, { type: T }>[] =>
  effects.filter((effect): effect is Extract<Effect, { type: T }> => effect.type === type);

export const hello = (worker: string, nowMs: number, name = worker, task?: string, attempt = 1): Event => ({
  type: 'hello',
  worker,
  name,
  running: task === undefined ? undefined : { study: 's', task, attempt },
  nowMs,
});
export const tick = (nowMs: number): Event => ({ type: 'tick', nowMs });
export const beat = (worker: string, nowMs: number, task?: string, { attempt = 1, at = 1, study = 's' } = {}): Event => ({
  type: 'heartbeat',
  worker,
  nowMs,
  running: task === undefined ? undefined : { study, task, attempt, progress: progressAt(at) },
});
export const done = (worker: string, nowMs: number, task: string, attempt = 1, study = 's'): Event => ({
  type: 'done',
  worker,
  nowMs,
  study,
  task,
  attempt,
  result: resultWith(`end of ${task}`),
});
export const crash: TaskFailure = { code: 'TASK_CRASHED', message: 'crash', retryable: true };
export const diverged: TaskFailure = { code: 'TRAIN_DIVERGED', message: 'NaN', retryable: false };
export const failed = (worker: string, nowMs: number, task: string, attempt = 1, failure = crash, study = 's'): Event => ({
  type: 'failed',
  worker,
  nowMs,
  study,
  task,
  attempt,
  failure,
});
export const returned = (worker: string, nowMs: number, task: string, attempt = 1, study = 's'): Event => ({
  type: 'returned',
  worker,
  nowMs,
  study,
  task,
  attempt,
});
export const checkpointed = (worker: string, nowMs: number, task: string, hash: string, at: number, attempt = 1): Event => ({
  type: 'checkpointed',
  worker,
  nowMs,
  study: 's',
  task,
  attempt,
  hash,
  step: at,
});
export const asked = (type: 'pause' | 'resume' | 'cancel' | 'retry', nowMs: number, study = 's'): Event => ({
  type,
  study,
  nowMs,
});

export const taskOf = (state: State, task: string, study = 's'): TaskState => {
  const found = state.studies.get(study)?.tasks.get(task);
  assert.ok(found !== undefined, `no task ${task}`);
  return found;
};
export const statusOf = (state: State, task: string, study = 's'): string => taskOf(state, task, study).status;
export const studyStatus = (state: State, study = 's'): string | undefined => state.studies.get(study)?.status;
export const workerStatus = (state: State, worker: string): string | undefined => state.workers.get(worker)?.status;
