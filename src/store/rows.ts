/** Tables' rows and the values they stand for. */
import type { Task, Trial, TrialKind } from '../plan/types.ts';
import type { ResultSummary, StudyStatus, TaskState, TaskStatus } from '../scheduler/types.ts';
import type { StudyChange, StudyRow, Transition } from './store.ts';

/** What SQLite can be given for a parameter. */
export type Value = string | number | null;

export interface StudyColumns {
  readonly name: string;
  readonly config: string;
  readonly config_hash: string;
  readonly data_hash: string;
  readonly data: string;
  readonly table_hash: string;
  readonly status: string;
  readonly created_ms: number;
  readonly version: string;
}

export interface TrialColumns {
  readonly id: string;
  readonly kind: string;
  readonly parameters: string;
  readonly config: string;
  readonly untrained: string | null;
}

export interface TaskColumns {
  readonly id: string;
  readonly trial: string;
  readonly fold: number | null;
  readonly rung: number;
  readonly from_step: number;
  readonly to_step: number;
}

export interface TaskStateColumns {
  readonly status: string;
  readonly attempt: number;
  readonly failures: number;
  readonly failed_on: string;
  readonly losses: number;
  readonly not_before_ms: number;
  readonly checkpoint_hash: string | null;
  readonly checkpoint_step: number | null;
  readonly error_code: string | null;
  readonly error_message: string | null;
  readonly error_retryable: number | null;
  readonly summary: string | null;
}

export interface TransitionColumns {
  readonly at_ms: number;
  readonly task: string;
  readonly attempt: number;
  readonly from_status: string;
  readonly to_status: string;
  readonly worker: string | null;
  readonly cause: string;
}

export const studyColumns = (study: StudyRow): StudyColumns => ({
  name: study.name,
  config: study.config,
  config_hash: study.configHash,
  data_hash: study.dataHash,
  data: JSON.stringify(study.data),
  table_hash: study.table,
  status: study.status,
  created_ms: study.createdMs,
  version: study.version,
});

export const studyOf = (row: StudyColumns): StudyRow => ({
  name: row.name,
  config: row.config,
  configHash: row.config_hash,
  dataHash: row.data_hash,
  data: JSON.parse(row.data) as string[],
  table: row.table_hash,
  status: row.status as StudyStatus,
  createdMs: row.created_ms,
  version: row.version,
});

export const trialColumns = (trial: Trial): TrialColumns => ({
  id: trial.id,
  kind: trial.kind,
  parameters: toJson(trial.parameters),
  config: toJson(trial.config),
  untrained: trial.untrained ?? null,
});

export const trialOf = (row: TrialColumns): Trial => ({
  id: row.id,
  kind: row.kind as TrialKind,
  parameters: fromJson(row.parameters) as Trial['parameters'],
  config: fromJson(row.config) as Trial['config'],
  ...(row.untrained !== null && { untrained: row.untrained }),
});

export const taskColumns = (task: Task): TaskColumns => ({
  id: task.id,
  trial: task.trial,
  fold: task.fold === 'all' ? null : task.fold,
  rung: task.rung,
  from_step: task.fromStep,
  to_step: task.toStep,
});

export const taskOf = (row: TaskColumns): Task => ({
  id: row.id,
  trial: row.trial,
  fold: row.fold ?? 'all',
  rung: row.rung,
  fromStep: row.from_step,
  toStep: row.to_step,
});

export const taskStateColumns = (state: TaskState): TaskStateColumns => ({
  status: state.status,
  attempt: state.attempt,
  failures: state.failures,
  failed_on: state.failedOn.length === 0 ? '[]' : JSON.stringify(state.failedOn),
  losses: state.losses,
  not_before_ms: state.notBefore,
  checkpoint_hash: state.checkpoint?.hash ?? null,
  checkpoint_step: state.checkpoint?.step ?? null,
  error_code: state.error?.code ?? null,
  error_message: state.error?.message ?? null,
  error_retryable: state.error ? Number(state.error.retryable) : null,
  summary: state.result ? toJson(state.result) : null,
});

export function taskStateOf(row: TaskColumns & TaskStateColumns): TaskState {
  return {
    task: taskOf(row),
    status: row.status as TaskStatus,
    attempt: row.attempt,
    failures: row.failures,
    failedOn: row.failed_on === '[]' ? [] : (JSON.parse(row.failed_on) as string[]),
    losses: row.losses,
    worker: undefined,
    leaseUntil: undefined,
    notBefore: row.not_before_ms,
    checkpoint:
      row.checkpoint_hash === null || row.checkpoint_step === null
        ? undefined
        : { hash: row.checkpoint_hash, step: row.checkpoint_step },
    progress: undefined,
    progressedAt: undefined,
    result: row.summary === null ? undefined : summaryFrom(row.summary),
    error:
      row.error_code === null
        ? undefined
        : { code: row.error_code, message: row.error_message ?? '', retryable: row.error_retryable === 1 },
  };
}

function summaryFrom(json: string): ResultSummary {
  const { seconds, engine, rmse, auc, best } = fromJson(json) as ResultSummary;
  return { seconds, engine, rmse, auc, best };
}

export const transitionColumns = (transition: Transition): TransitionColumns => ({
  at_ms: transition.atMs,
  task: transition.task,
  attempt: transition.attempt,
  from_status: transition.from,
  to_status: transition.to,
  worker: transition.worker ?? null,
  cause: transition.cause,
});

export const transitionOf = (row: TransitionColumns): Transition => ({
  atMs: row.at_ms,
  task: row.task,
  attempt: row.attempt,
  from: row.from_status as TaskStatus,
  to: row.to_status as TaskStatus,
  worker: row.worker ?? undefined,
  cause: row.cause,
});

export interface StudyTransitionColumns {
  readonly at_ms: number;
  readonly from_status: string;
  readonly to_status: string;
  readonly cause: string;
}

export const studyTransitionColumns = (change: StudyChange): StudyTransitionColumns => ({
  at_ms: change.atMs,
  from_status: change.from,
  to_status: change.status,
  cause: change.cause,
});

export const studyTransitionOf = (row: StudyTransitionColumns): StudyChange => ({
  atMs: row.at_ms,
  from: row.from_status as StudyStatus,
  status: row.to_status as StudyStatus,
  cause: row.cause,
});

/** JSON that keeps every double: what JSON cannot say (NaN, infinities, -0; an undefined metric is NaN) becomes `{"$number": "NaN"}`. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member !== 'number' || (Number.isFinite(member) && !Object.is(member, -0))) return member;
    return { $number: Object.is(member, -0) ? '-0' : String(member) };
  });
}

export function fromJson(json: string): unknown {
  // Reviving costs many times what parsing does.
  if (!json.includes('"$number"')) return JSON.parse(json) as unknown;
  return JSON.parse(json, (_key, member: unknown) => {
    if (typeof member !== 'object' || member === null || !('$number' in member) || typeof member.$number !== 'string')
      return member;
    return Number(member.$number);
  }) as unknown;
}
