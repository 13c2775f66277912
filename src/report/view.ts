/**
 * A running study as its watchers see it: a pure function of the plan and the scheduler's state. The terminal's display and the
 * dashboard show the same view.
 */
import type { Plan, Trial, TrialKind } from '../plan/types.ts';
import { isFinal, isHeld } from '../scheduler/transitions.ts';
import type { State, TaskState } from '../scheduler/types.ts';
import type { TaskProgress } from '../train/types.ts';
import type { Metric, TrialFailure } from './model.ts';

export const trialStatuses = ['pending', 'running', 'done', 'failed'] as const;
export type TrialStatus = (typeof trialStatuses)[number];

export interface TrialRow {
  readonly id: string;
  readonly kind: TrialKind;
  readonly status: TrialStatus;
  /** Leases so far, of the task that needed most. */
  readonly attempts: number;
  /** Who works on it now. */
  readonly worker: string | undefined;
  /** The cross-validated score at the best alpha, once done. */
  readonly score: number | undefined;
  /** Of the attempts that finished, once done. */
  readonly seconds: number | undefined;
  /** Why the last attempt ended badly, or why the trial failed. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

export interface WorkerRow {
  readonly name: string;
  readonly trial: string | undefined;
  readonly phase: 'idle' | 'draining' | TaskProgress['phase'];
  /** The epoch that runs, from 1, and their number; while training only. */
  readonly epoch: number | undefined;
  readonly epochs: number | undefined;
  /** Share of the task's training that is done, in [0, 1]. */
  readonly share: number;
  readonly loss: number | undefined;
  readonly rowsPerSecond: number | undefined;
  readonly secondsLeft: number | undefined;
}

export interface Comparison {
  readonly trial: string;
  readonly score: number;
  /** (best - baseline) / baseline: negative is better for RMSE, positive for AUC. Undefined before there is a best. */
  readonly change: number | undefined;
}

export interface StudyView {
  readonly study: string;
  readonly phase: State['phase'];
  readonly metric: Metric;
  /** Trained trials. */
  readonly trials: Readonly<Record<TrialStatus, number>> & { readonly total: number };
  readonly baselines: Readonly<Record<TrialStatus, number>> & { readonly total: number };
  readonly rows: readonly TrialRow[];
  readonly workers: readonly WorkerRow[];
  readonly best: { readonly trial: string; readonly score: number } | undefined;
  readonly raw: Comparison | undefined;
  /** The best of the untrained networks. */
  readonly untrained: Comparison | undefined;
  readonly elapsed: number;
  /** Seconds until the study is done, scoring left out; undefined before there is a rate. */
  readonly left: number | undefined;
  readonly failures: readonly TrialFailure[];
}

export interface ViewInput {
  readonly study: string;
  readonly plan: Plan;
  readonly state: State;
  readonly metric: Metric;
  readonly nowMs: number;
  readonly startedMs: number;
}

export function viewOf({ study, plan, state, metric, nowMs, startedMs }: ViewInput): StudyView {
  const tasksOf = new Map<string, TaskState[]>(plan.trials.map(({ id }) => [id, []]));
  for (const task of state.tasks.values()) tasksOf.get(task.task.trial)?.push(task);
  const rows = plan.trials.map((trial) => trialRow(trial, tasksOf.get(trial.id) ?? [], state, metric));
  const trained = rows.filter(({ kind }) => kind === 'trained');
  const best = bestOf(trained, metric);
  const against = (kind: TrialKind): Comparison | undefined => {
    const baseline = bestOf(
      rows.filter((row) => row.kind === kind),
      metric,
    );
    return baseline && { ...baseline, change: best && (best.score - baseline.score) / baseline.score };
  };
  return {
    study,
    phase: state.phase,
    metric,
    trials: countsOf(trained),
    baselines: countsOf(rows.filter(({ kind }) => kind !== 'trained')),
    rows,
    workers: [...state.workers.values()].map((worker) => {
      const held = worker.task === undefined ? undefined : state.tasks.get(worker.task);
      return workerRow(worker.name, worker.draining, held);
    }),
    best,
    raw: against('raw'),
    untrained: against('untrained'),
    elapsed: Math.max(0, nowMs - startedMs) / 1000,
    left: secondsLeft(plan, state),
    failures: rows.flatMap(({ id, status, error }) =>
      status === 'failed' && error !== undefined ? [{ trial: id, ...error }] : [],
    ),
  };
}

function trialRow(trial: Trial, tasks: readonly TaskState[], state: State, metric: Metric): TrialRow {
  const status = statusOf(tasks);
  const held = tasks.find((task) => isHeld(task.status));
  const results = tasks.flatMap(({ result }) => result ?? []);
  const failed = tasks.find((task) => task.status === 'failed') ?? tasks.find(({ error }) => error !== undefined);
  return {
    id: trial.id,
    kind: trial.kind,
    status,
    attempts: Math.max(0, ...tasks.map(({ attempt }) => attempt)),
    worker: held?.worker === undefined ? undefined : (state.workers.get(held.worker)?.name ?? held.worker),
    score: status === 'done' ? scoreOf(tasks, metric) : undefined,
    seconds: status === 'done' ? results.reduce((sum, { seconds }) => sum + seconds, 0) : undefined,
    error: failed?.error && { code: failed.error.code, message: failed.error.message },
  };
}

function statusOf(tasks: readonly TaskState[]): TrialStatus {
  if (tasks.some(({ status }) => status === 'failed')) return 'failed';
  if (tasks.length > 0 && tasks.every(({ status }) => status === 'done')) return 'done';
  return tasks.some(({ status }) => status !== 'pending') ? 'running' : 'pending';
}

/** The mean over folds of the metric at the best alpha, at the trial's highest rung; undefined where a fold lacks the metric. */
function scoreOf(tasks: readonly TaskState[], metric: Metric): number | undefined {
  const top = Math.max(...tasks.map(({ task }) => task.rung));
  const folds = tasks
    .filter(({ task }) => task.rung === top)
    .flatMap(({ result }) => result?.score.folds.map((fold) => fold.metrics[result.score.best]?.[metric] ?? NaN) ?? []);
  const mean = folds.reduce((sum, value) => sum + value, 0) / folds.length;
  return Number.isFinite(mean) ? mean : undefined;
}

function bestOf(rows: readonly TrialRow[], metric: Metric): { trial: string; score: number } | undefined {
  let best: { trial: string; score: number } | undefined;
  for (const { id, score } of rows)
    if (score !== undefined && (best === undefined || (metric === 'rmse' ? score < best.score : score > best.score)))
      best = { trial: id, score };
  return best;
}

function countsOf(rows: readonly TrialRow[]): StudyView['trials'] {
  const of = (status: TrialStatus): number => rows.filter((row) => row.status === status).length;
  return { pending: of('pending'), running: of('running'), done: of('done'), failed: of('failed'), total: rows.length };
}

function workerRow(name: string, draining: boolean, held: TaskState | undefined): WorkerRow {
  const progress = held?.progress;
  const phase = held === undefined ? (draining ? 'draining' : 'idle') : (progress?.phase ?? 'starting');
  const training = phase === 'training' ? progress : undefined;
  return {
    name,
    trial: held?.task.trial,
    phase,
    epoch: training && Math.min(training.epoch + 1, training.epochs),
    epochs: training?.epochs,
    share: held === undefined ? 0 : shareOf(held),
    loss: training?.loss,
    // The rate is 0 until two reports are apart: unknown, not slow.
    rowsPerSecond: training && training.rowsPerSecond > 0 ? training.rowsPerSecond : undefined,
    secondsLeft: training?.secondsLeft,
  };
}

function shareOf({ task, progress, checkpoint }: TaskState): number {
  if (progress?.phase === 'scoring') return 1;
  return task.toStep > 0 ? Math.min(1, (progress?.step ?? checkpoint?.step ?? 0) / task.toStep) : 0;
}

/**
 * Rows still to be trained over the rows a second of all workers, but no less than the slowest running task needs. A worker that is not
 * training at this moment counts with the mean of those that are, or of the finished tasks: it soon will.
 */
function secondsLeft(plan: Plan, state: State): number | undefined {
  const batchSize = new Map(plan.trials.map((trial) => [trial.id, trial.config.training.batchSize]));
  const rowsOf = (trial: string, steps: number): number => steps * (batchSize.get(trial) ?? 0);
  const open = [...state.tasks.values()].filter(({ status }) => !isFinal(status));
  const rowsLeft = open.reduce((sum, { task, progress, checkpoint }) => {
    const at = progress?.step ?? checkpoint?.step ?? task.fromStep;
    return sum + rowsOf(task.trial, Math.max(0, task.toStep - at));
  }, 0);
  const training = open.flatMap(({ progress }) =>
    progress?.phase === 'training' && progress.rowsPerSecond > 0 ? [progress] : [],
  );
  const rates = training.map(({ rowsPerSecond }) => rowsPerSecond);
  const finished = [...state.tasks.values()].flatMap(({ task, result }) => {
    const rows = rowsOf(task.trial, task.toStep - task.fromStep);
    return result !== undefined && result.seconds > 0 && rows > 0 ? [rows / result.seconds] : [];
  });
  const known = rates.length > 0 ? rates : finished;
  if (known.length === 0) return undefined;
  const usable = [...state.workers.values()].filter(({ draining }) => !draining).length;
  const hands = Math.max(rates.length, Math.min(usable, open.length));
  if (hands === 0) return undefined;
  const longest = Math.max(0, ...training.flatMap(({ secondsLeft: seconds }) => seconds ?? []));
  return Math.max(longest, rowsLeft / (hands * mean(known)));
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
