/**
 * A running study as its watchers see it: a pure function of the plan and the scheduler's state. The terminal's display and the
 * dashboard show the same view.
 */
import type { Rungs } from '../plan/rungs.ts';
import type { Plan, Trial, TrialKind } from '../plan/types.ts';
import { failureMessage } from '../rank/aggregate.ts';
import { rungProgress, type RungProgress } from '../scheduler/rungs.ts';
import { meanOf } from '../scheduler/scores.ts';
import { isHeld } from '../scheduler/transitions.ts';
import { trialStatus } from '../scheduler/trials.ts';
import type { State, StudyState, StudyStatus, TaskState, TrialStatus, WorkerState, WorkerStatus } from '../scheduler/types.ts';
import type { TaskProgress } from '../train/types.ts';
import { scoringSeconds, type TimeLeft, timeLeft } from './left.ts';
import type { Metric, TrialFailure } from './model.ts';

/** How far a trial is in a study with rungs. */
export interface TrialRung {
  /** The epochs at whose end the rung is that it was last given to a worker for; undefined before the first. */
  readonly toEpochs: number | undefined;
  /** The last rung where it is scored. */
  readonly scored: { readonly epochs: number; readonly score: number | undefined } | undefined;
  /** The highest rung that it was sent to, from 1. */
  readonly number: number;
}

export interface TrialRow {
  readonly id: string;
  readonly kind: TrialKind;
  readonly status: TrialStatus;
  /** Leases so far, of the task that needed most. */
  readonly attempts: number;
  /** Attempts that ended in an error of their own, not with their worker. */
  readonly failures: number;
  /** Who works on it now. */
  readonly worker: string | undefined;
  /** The cross-validated score at the best alpha; with rungs, of the one where it is best. */
  readonly score: number | undefined;
  readonly rung: TrialRung | undefined;
  /** Of the attempts that finished, once done. */
  readonly seconds: number | undefined;
  /** Why the last attempt ended badly, or why the trial failed. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

export interface WorkerRow {
  readonly name: string;
  /** `trial-0001`, or `trial-0001/2` for its task of fold 2. */
  readonly trial: string | undefined;
  readonly phase: 'idle' | 'quarantined' | 'probing' | 'leaving' | TaskProgress['phase'];
  /** The epoch that runs, from 1, and their number; while training only. */
  readonly epoch: number | undefined;
  readonly epochs: number | undefined;
  /** Share of the phase that is done, in [0, 1]: of the task's training, or of its scoring. */
  readonly share: number;
  readonly loss: number | undefined;
  readonly rowsPerSecond: number | undefined;
  /** Of the phase. */
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
  /** The coordinator's phase while that is not `running`, else the study's status. */
  readonly phase: StudyStatus | Exclude<State['phase'], 'running'>;
  readonly metric: Metric;
  /** Trained trials. */
  readonly trials: Readonly<Record<TrialStatus, number>> & { readonly total: number };
  readonly baselines: Readonly<Record<TrialStatus, number>> & { readonly total: number };
  /** Of successive halving. */
  readonly rung: RungProgress | undefined;
  readonly rows: readonly TrialRow[];
  readonly workers: readonly WorkerRow[];
  readonly best: { readonly trial: string; readonly score: number } | undefined;
  readonly raw: Comparison | undefined;
  /** The best of the untrained networks. */
  readonly untrained: Comparison | undefined;
  readonly elapsed: number;
  /** Until the last trial is scored; undefined before there is a rate. */
  readonly left: TimeLeft | undefined;
  readonly failures: readonly TrialFailure[];
}

export interface ViewInput {
  readonly plan: Plan;
  readonly study: StudyState;
  /** All of the coordinator's; those that work for another study are left out. */
  readonly workers: Iterable<WorkerState>;
  readonly phase: State['phase'];
  readonly metric: Metric;
  readonly nowMs: number;
  readonly startedMs: number;
}

export function viewOf({ plan, study, workers, phase, metric, nowMs, startedMs }: ViewInput): StudyView {
  const here = [...workers].filter(({ task }) => task === undefined || task.study === study.name);
  const names = new Map(here.map(({ id, name }) => [id, name]));
  const tasksOf = new Map<string, TaskState[]>(plan.trials.map(({ id }) => [id, []]));
  for (const task of study.tasks.values()) tasksOf.get(task.task.trial)?.push(task);
  const rows = plan.trials.map((trial) => trialRow(trial, tasksOf.get(trial.id) ?? [], names, metric, study.rungs));
  const trained = rows.filter(({ kind }) => kind === 'trained');
  const best = bestOf(trained, metric);
  const against = (kind: TrialKind): Comparison | undefined => {
    const baseline = bestOf(
      rows.filter((row) => row.kind === kind),
      metric,
    );
    return baseline && { ...baseline, change: best && (best.score - baseline.score) / baseline.score };
  };
  const scoring = scoringSeconds(plan, study.tasks);
  return {
    study: study.name,
    phase: phase === 'running' ? study.status : phase,
    metric,
    trials: countsOf(trained),
    baselines: countsOf(rows.filter(({ kind }) => kind !== 'trained')),
    rung: rungProgress(study),
    rows,
    workers: here.map((worker) => {
      const held = worker.task === undefined ? undefined : study.tasks.get(worker.task.task);
      return workerRow(worker, held, held && scoring(held.task.trial));
    }),
    best,
    raw: against('raw'),
    untrained: against('untrained'),
    elapsed: Math.max(0, nowMs - startedMs) / 1000,
    left: timeLeft(plan, study, here, scoring),
    failures: rows.flatMap(({ id, status, error }) =>
      status === 'failed' && error !== undefined ? [{ trial: id, ...error }] : [],
    ),
  };
}

function trialRow(
  trial: Trial,
  tasks: readonly TaskState[],
  names: ReadonlyMap<string, string>,
  metric: Metric,
  rungs: Rungs | undefined,
): TrialRow {
  const status = trialStatus(tasks);
  const held = tasks.find((task) => isHeld(task.status));
  const results = tasks.flatMap(({ result }) => result ?? []);
  const failed = tasks.find((task) => task.status === 'failed') ?? tasks.find(({ error }) => error !== undefined);
  return {
    id: trial.id,
    kind: trial.kind,
    status,
    attempts: Math.max(0, ...tasks.map(({ attempt }) => attempt)),
    failures: Math.max(0, ...tasks.map(({ failures }) => failures)),
    worker: held?.worker === undefined ? undefined : (names.get(held.worker) ?? held.worker),
    score: scoreOf(tasks, metric),
    rung: rungs === undefined || trial.kind !== 'trained' ? undefined : rungOf(tasks, metric, rungs),
    seconds: status === 'done' ? results.reduce((sum, { seconds }) => sum + seconds, 0) : undefined,
    error: failed?.error && {
      code: failed.error.code,
      message: failureMessage({ fold: failed.task.fold, ...failed.error }),
    },
  };
}

function rungOf(tasks: readonly TaskState[], metric: Metric, { epochs }: Rungs): TrialRung {
  const numbers = tasks.map(({ task }) => task.rung);
  const begun = tasks.filter(({ attempt }) => attempt > 0).map(({ task }) => task.rung);
  const open = new Set(tasks.filter(({ status }) => status !== 'done').map(({ task }) => task.rung));
  const last = Math.max(-1, ...numbers.filter((rung) => !open.has(rung)));
  const score = scoreOf(
    tasks.filter(({ task }) => task.rung === last),
    metric,
  );
  return {
    toEpochs: epochs[Math.max(-1, ...begun)],
    scored: last < 0 ? undefined : { epochs: epochs[last] ?? 0, score },
    number: Math.max(0, ...numbers) + 1,
  };
}

/** The mean over folds of the metric at the best alpha, at the trial's best rung; undefined where a fold lacks the metric. */
function scoreOf(tasks: readonly TaskState[], metric: Metric): number | undefined {
  const mean = meanOf(tasks, metric);
  return mean !== undefined && Number.isFinite(mean) ? mean : undefined;
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
  return {
    pending: of('pending'),
    running: of('running'),
    done: of('done'),
    failed: of('failed'),
    dropped: of('dropped'),
    total: rows.length,
  };
}

const idlePhases = {
  idle: 'idle',
  busy: 'idle',
  quarantined: 'quarantined',
  probing: 'probing',
  draining: 'leaving',
} as const satisfies Record<WorkerStatus, WorkerRow['phase']>;

/** @param scoringSeconds what the task's scoring takes in all, where that is known */
function workerRow({ name, status }: WorkerState, held: TaskState | undefined, scoringSeconds: number | undefined): WorkerRow {
  const progress = held?.progress;
  const phase = held === undefined ? idlePhases[status] : (progress?.phase ?? 'starting');
  const training = phase === 'training' ? progress : undefined;
  return {
    name,
    trial: held && (held.task.fold === 'all' ? held.task.trial : `${held.task.trial}/${held.task.fold}`),
    phase,
    epoch: training && Math.min(training.epoch + 1, training.epochs),
    epochs: training?.epochs,
    share: held === undefined ? 0 : shareOf(held, scoringSeconds),
    loss: training?.loss,
    // The rate is 0 until two reports are apart: unknown, not slow.
    rowsPerSecond: training && training.rowsPerSecond > 0 ? training.rowsPerSecond : undefined,
    secondsLeft: progress?.secondsLeft,
  };
}

/** Of the phase: the bar fills once for the training and once for the scoring. */
function shareOf({ task, progress, checkpoint }: TaskState, scoringSeconds: number | undefined): number {
  if (progress?.phase === 'scoring') {
    const { secondsLeft } = progress;
    return secondsLeft === undefined || !scoringSeconds ? 0 : Math.max(0, 1 - secondsLeft / scoringSeconds);
  }
  return task.toStep > 0 ? Math.min(1, (progress?.step ?? checkpoint?.step ?? 0) / task.toStep) : 0;
}
