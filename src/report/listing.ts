/** What a coordinator's clients are shown: studies, tasks, workers and stories as tables for a terminal. */
import { count, duration, significant } from '../base/units.ts';
import type { StoryLine, StudySummary, TaskSummary, WorkerSummary } from '../wire/messages.ts';
import { rungText } from './frame.ts';
import { metricNames, type Paint } from './model.ts';
import * as table from './table.ts';

export interface ListingOptions {
  /** Characters a line; columns that matter less give way. */
  readonly width: number;
  readonly paint: Paint;
}

const column = <Row>(
  name: string,
  head: string,
  cell: (row: Row) => string,
  align: 'left' | 'right' = 'left',
  paint?: (text: string, row: Row) => string,
): table.TableColumn<Row> => ({ name, head, align, cell, paint });

/** Two spaces stand between columns; a table without rows is one sentence. */
function listing<Row>(
  columns: readonly table.TableColumn<Row>[],
  rows: readonly Row[],
  { width, paint }: ListingOptions,
  empty: string,
  steps: readonly table.Sacrifice<Row>[],
): string {
  if (rows.length === 0) return `${empty}\n`;
  return `${table.renderTable(table.fitted(columns, rows, width, steps), rows, paint)}\n`;
}

/** `ls`: a line a study. */
export function studiesTable(studies: readonly StudySummary[], options: ListingOptions): string {
  const { paint } = options;
  const columns = [
    column<StudySummary>('study', 'study', ({ name }) => name),
    column<StudySummary>(
      'status',
      'status',
      (study) => statusText(study),
      'left',
      (text, { status, trouble }) => (trouble !== undefined ? paint.red(text) : status === 'running' ? paint.cyan(text) : text),
    ),
    column<StudySummary>('trials', 'trials done', ({ trials }) => `${trials.done}/${total(trials)}`, 'right'),
    column<StudySummary>('running', 'running', ({ tasks }) => String(tasks.leased + tasks.running), 'right'),
    column<StudySummary>(
      'failed',
      'failed',
      ({ trials, baselines }) => String(trials.failed + baselines.failed),
      'right',
      (text) => (text === '0' ? text : paint.red(text)),
    ),
    column<StudySummary>('best', 'best', ({ best, metric }) =>
      best === undefined ? '' : `${significant(best.score)} ${metricNames[metric]} (${best.trial})`,
    ),
    column<StudySummary>('left', 'left', leftText, 'right'),
  ];
  return listing(columns, studies, options, 'no studies', [
    table.drop('left'),
    table.drop('running'),
    table.cut('study', 8, studies),
  ]);
}

/** The whole of one study in a few lines; what runs and what failed is told by tasksTable. */
export function studyText(study: StudySummary, { paint }: ListingOptions): string {
  const { trials, baselines, metric, best, raw, untrained } = study;
  const failed = trials.failed + baselines.failed;
  const running = study.tasks.leased + study.tasks.running;
  const scored = (what: string, of: StudySummary['best']): string[] =>
    of === undefined ? [] : [`${what} ${significant(of.score)} ${metricNames[metric]} (${of.trial})`];
  return [
    `${paint.bold(study.name)}  ${statusText(study)}${leftText(study) === '' ? '' : `  left ${leftText(study)}`}`,
    `${trials.done}/${total(trials)} trials and ${baselines.done}/${total(baselines)} baselines done, ${running === 1 ? '1 task' : `${running} tasks`} running, ${failed} failed`,
    ...(study.rung === undefined ? [] : [rungText(study.rung)]),
    ...(study.trouble === undefined ? [] : [paint.red(study.trouble)]),
    [...scored('best', best), ...scored('raw ridge', raw), ...scored('untrained network', untrained)].join('  '),
  ]
    .filter((line) => line !== '')
    .map((line) => `${line}\n`)
    .join('');
}

export function tasksTable(tasks: readonly TaskSummary[], options: ListingOptions, empty = 'no tasks'): string {
  const { paint } = options;
  const columns = [
    column<TaskSummary>('task', 'task', ({ task }) => task),
    column<TaskSummary>(
      'status',
      'status',
      ({ status }) => status,
      'left',
      (text) => (text === 'failed' ? paint.red(text) : text),
    ),
    column<TaskSummary>('attempt', 'attempt', ({ attempt }) => String(attempt), 'right'),
    column<TaskSummary>('worker', 'worker', ({ worker }) => worker ?? ''),
    column<TaskSummary>('progress', 'progress', progressText),
    column<TaskSummary>('score', 'score', ({ score }) => (score === undefined ? '' : significant(score)), 'right'),
    column<TaskSummary>('error', 'why', ({ error }) => (error === undefined ? '' : `${error.code}: ${error.message}`)),
  ].filter(
    ({ name, cell }) => !['worker', 'progress', 'score', 'error'].includes(name) || tasks.some((task) => cell(task) !== ''),
  );
  return listing(columns, tasks, options, empty, [table.cut('error', 24, tasks), table.drop('worker'), table.drop('attempt')]);
}

export function workersTable(workers: readonly WorkerSummary[], nowMs: number, options: ListingOptions): string {
  const { paint } = options;
  const columns = [
    column<WorkerSummary>('worker', 'worker', ({ name }) => name),
    column<WorkerSummary>(
      'status',
      'status',
      ({ status }) => status,
      'left',
      (text) => (text === 'quarantined' ? paint.red(text) : text),
    ),
    column<WorkerSummary>('task', 'task', ({ running }) => (running === undefined ? '' : `${running.study} ${running.task}`)),
    column<WorkerSummary>('engine', 'engine', ({ capabilities }) => capabilities.engine),
    column<WorkerSummary>('device', 'device', ({ capabilities }) => capabilities.device),
    column<WorkerSummary>('seen', 'heard', ({ lastSeenMs }) => `${duration((nowMs - lastSeenMs) / 1000)} ago`, 'right'),
    column<WorkerSummary>('version', 'version', ({ version }) => version),
    column<WorkerSummary>('reason', 'why', ({ reason }) => reason ?? ''),
  ].filter(({ name }) => name !== 'reason' || workers.some(({ reason }) => reason !== undefined));
  return listing(columns, workers, options, 'no workers', [
    table.drop('version'),
    table.drop('engine'),
    table.cut('device', 8, workers),
    table.drop('seen'),
    table.cut('reason', 16, workers),
  ]);
}

/** A story: a line a transition, oldest first. */
export const storyText = (lines: readonly StoryLine[]): string =>
  lines
    .map(({ atMs, task, attempt, from, to, worker, cause }) => {
      const change = from === to ? to : `${from} -> ${to}`;
      const where = worker === undefined ? '' : `  on ${worker}`;
      return `${new Date(atMs).toISOString()}  ${task}  attempt ${attempt}  ${change}${where}  ${table.oneLine(cause)}\n`;
    })
    .join('');

const total = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((sum, n) => sum + n, 0);

const statusText = ({ status, trouble }: StudySummary): string =>
  trouble === undefined || status !== 'running' ? status : `${status}, but stuck`;

function leftText({ status, secondsLeft, atLeast }: StudySummary): string {
  if (status !== 'running' || secondsLeft === undefined) return '';
  return `${atLeast ? '> ' : ''}${duration(secondsLeft)}`;
}

function progressText({ progress, checkpointStep, toStep, status, worker }: TaskSummary): string {
  if (status !== 'leased' && status !== 'running')
    return checkpointStep === undefined || status === 'done' ? '' : `checkpoint at step ${checkpointStep} of ${toStep}`;
  // After a restart of the coordinator: whoever runs it has some leases' time to say so.
  if (worker === undefined) return 'its worker is waited for';
  if (progress === undefined) return 'starting';
  if (progress.phase !== 'training') return progress.phase;
  const rate = progress.rowsPerSecond > 0 ? `, ${count(progress.rowsPerSecond)} rows/s` : '';
  return `epoch ${Math.min(progress.epoch + 1, progress.epochs)}/${progress.epochs}${rate}`;
}
