/** What a study leaves behind: a folder a trial, the ranking and the report. Written again on every run, so that none is ever half there. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.ts';
import { canonicalJson } from '../base/json.ts';
import { writeCheckpointFiles, writeFileDurably } from '../checkpoint/files.ts';
import { inOrder } from '../config/parameters.ts';
import type { Protocol, TrialConfig } from '../config/types.ts';
import type { PreparedData } from '../dataset/types.ts';
import type { Rungs } from '../plan/rungs.ts';
import type { Plan, Trial } from '../plan/types.ts';
import {
  checkpointOf,
  failureMessage,
  failuresOf as foldFailures,
  foldsJson,
  outcomeOf,
  type ResultOf,
  type TrialOutcome,
} from '../rank/aggregate.ts';
import { rankTrials } from '../rank/rank.ts';
import { rankingCsv, rankingJson } from '../rank/render.ts';
import type { RankedTrial, ScoredTrial } from '../rank/types.ts';
import { corruptionCsv, historyCsv, rungsCsv, timingsCsv, type RungRow, type TimingRow } from '../report/csv.ts';
import type { RungSize, TrialFailure } from '../report/model.ts';
import { standings } from '../scheduler/rungs.ts';
import { meanOf, scoredTasks } from '../scheduler/scores.ts';
import { taskTable } from '../scheduler/task-table.ts';
import type { TaskState } from '../scheduler/types.ts';
import type { Transition } from '../store/store.ts';
import type { TaskResult } from '../train/types.ts';
import type { StudyPaths } from './study-folder.ts';

/**
 * Writes `trials/<id>/`: config.json, and when it is done score.json, history.csv, corruption.csv and the checkpoint. Where there is a task
 * a fold, these are in `fold-0/`, `fold-1/`, ... for each fold that is done, and score.json and folds.json of all of them beside these.
 * @param tasks the trial's, all of them
 * @param ended those that ended since it was last written
 * @param resultOf the store's
 */
export async function writeTrial(
  paths: StudyPaths,
  trial: Trial,
  tasks: readonly TaskState[],
  ended: readonly TaskState[],
  task: PreparedData['task'],
  seed: number,
  data: string,
  artifacts: ArtifactStore,
  resultOf: ResultOf,
): Promise<void> {
  const folder = paths.trial(trial.id);
  await mkdir(folder, { recursive: true });
  const outcome = outcomeOf(tasks, task, resultOf);
  await writeJson(folder, 'config.json', { ...trial, config: trainedConfig(trial, outcome), seed, data });
  await rm(join(folder, 'error.json'), { force: true });
  const failed = tasks.find(({ status, error }) => status === 'failed' && error !== undefined);
  if (failed !== undefined)
    await writeJson(
      folder,
      'error.json',
      failed.task.fold === 'all' ? failed.error : { ...failed.error, fold: failed.task.fold },
    );
  for (const state of toBeWritten(tasks, ended)) {
    const { id, fold } = state.task;
    const result = resultOf(id);
    if (result === undefined) continue;
    const own = fold === 'all' ? folder : join(folder, `fold-${fold}`);
    await mkdir(own, { recursive: true });
    await writeResult(own, trial, result, artifacts);
  }
  if (outcome.status !== 'scored' || outcome.folds[0]?.fold === 'all') return;
  await writeJson(folder, 'score.json', outcome.score);
  if (trial.kind !== 'raw') await writeFileDurably(join(folder, 'folds.json'), foldsJson(outcome.folds));
}

/** With the epochs that it was trained for, where its rung is not the last one. */
export function trainedConfig({ kind, config }: Trial, outcome: TrialOutcome): TrialConfig {
  const epochs = outcome.status === 'scored' ? outcome.folds[0]?.result.history.length : undefined;
  if (kind !== 'trained' || epochs === undefined) return config;
  return { ...config, training: { ...config.training, epochs } };
}

/** What ended; with rungs, the trial's folder holds the one where its score is best, so all of that where it has come with this. */
function toBeWritten(tasks: readonly TaskState[], ended: readonly TaskState[]): readonly TaskState[] {
  const scored = scoredTasks(tasks);
  const ids = new Set(ended.map(({ task }) => task.id));
  const isNow = scored.some(({ task }) => ids.has(task.id));
  const rung = scored[0]?.task.rung ?? 0;
  return rung === 0 ? ended.filter(({ task }) => task.rung === 0) : isNow ? scored : [];
}

async function writeResult(folder: string, trial: Trial, result: TaskResult, artifacts: ArtifactStore): Promise<void> {
  await writeJson(folder, 'score.json', result.score);
  if (trial.kind === 'trained') {
    await writeFileDurably(join(folder, 'history.csv'), historyCsv(result.history));
    await writeFileDurably(join(folder, 'corruption.csv'), corruptionCsv(result.corruption));
  }
  // The study may keep those of the best trials only.
  if (result.checkpoint !== undefined && (await artifacts.has(result.checkpoint)))
    await writeCheckpointFiles(folder, await artifacts.get(result.checkpoint));
}

const writeJson = (folder: string, name: string, value: unknown): Promise<void> =>
  writeFileDurably(join(folder, name), `${canonicalJson(value, 2)}\n`);

export function tasksByTrial(tasks: ReadonlyMap<string, TaskState>): ReadonlyMap<string, readonly TaskState[]> {
  const byTrial = new Map<string, TaskState[]>();
  for (const state of tasks.values()) {
    const own = byTrial.get(state.task.trial);
    if (own === undefined) byTrial.set(state.task.trial, [state]);
    else own.push(state);
  }
  return byTrial;
}

/** Ranks what is scored. Empty where nothing is. */
export function rankingOf(
  plan: Plan,
  tasks: ReadonlyMap<string, TaskState>,
  task: PreparedData['task'],
  resultOf: ResultOf,
  rungs: Rungs | undefined,
): RankedTrial[] {
  const byTrial = tasksByTrial(tasks);
  const scored = plan.trials.flatMap(({ id, kind, parameters, untrained }): ScoredTrial[] => {
    const outcome = outcomeOf(byTrial.get(id) ?? [], task, resultOf);
    if (outcome.status !== 'scored') return [];
    const epochs = kind === 'trained' ? rungs?.epochs[outcome.rung] : undefined;
    const { score, folds } = outcome;
    const scored = { id, kind, parameters: inOrder(parameters), score, checkpoint: checkpointOf(folds), untrained };
    return [epochs === undefined ? scored : { ...scored, epochs }];
  });
  return rankTrials(scored, task);
}

/** ranking.csv and ranking.json, and with successive halving rungs.csv, hold what the seed decides; timings.csv holds what the machine decides. */
export async function writeRanking(
  paths: StudyPaths,
  ranking: readonly RankedTrial[],
  protocol: Protocol,
  timings: readonly TimingRow[],
  rungs: readonly RungRow[],
): Promise<void> {
  await writeFileDurably(paths.file('ranking.csv'), rankingCsv(ranking, protocol));
  await writeFileDurably(paths.file('ranking.json'), rankingJson(ranking, protocol));
  await writeFileDurably(paths.file('timings.csv'), timingsCsv(timings));
  if (rungs.length > 0) await writeFileDurably(paths.file('rungs.csv'), rungsCsv(rungs));
}

/** Who was at which rung, and what it was worth there; none without rungs. */
export function rungRowsOf(
  tasks: ReadonlyMap<string, TaskState>,
  task: PreparedData['task'],
  rungs: Rungs | undefined,
): readonly RungRow[] {
  const metric = task === 'binary' ? 'auc' : 'rmse';
  const tables = standings({ tasks: taskTable([...tasks.values()]), rungs });
  return tables.flatMap((here, rung) =>
    here.map(({ trial, tasks: own, isPromoted }) => ({
      ...{
        rung: rung + 1,
        epochs: rungs?.epochs[rung] ?? 0,
        trial,
        mean: meanOf(own, metric),
        promoted: (tables[rung + 1]?.length ?? 0) > 0 ? isPromoted : undefined,
      },
    })),
  );
}

/** How many trials each rung had. */
export function rungSizes(rows: readonly RungRow[]): readonly RungSize[] {
  const sizes = new Map<number, RungSize>();
  for (const { rung, epochs } of rows) sizes.set(rung, { epochs, trials: (sizes.get(rung)?.trials ?? 0) + 1 });
  return [...sizes.values()];
}

export function timingsOf(
  tasks: ReadonlyMap<string, TaskState>,
  transitions: readonly Transition[],
  rungs: Rungs | undefined,
): TimingRow[] {
  const workers = new Map(transitions.filter(({ to }) => to === 'leased').map(({ task, worker }) => [task, worker]));
  return [...tasks.values()].flatMap(({ task, attempt, result }) =>
    result === undefined
      ? []
      : [
          {
            trial: task.trial,
            fold: task.fold,
            ...(rungs !== undefined && { rung: task.rung + 1 }),
            attempts: attempt,
            worker: workers.get(task.id),
            seconds: result.seconds,
            engine: result.engine,
          },
        ],
  );
}

/** Seconds of each trial, all its tasks together. */
export function secondsOf(timings: readonly TimingRow[]): Readonly<Record<string, number>> {
  const seconds: Record<string, number> = {};
  for (const row of timings) seconds[row.trial] = (seconds[row.trial] ?? 0) + row.seconds;
  return seconds;
}

/** Why trials failed: the first failed fold's reason of each. */
export const failuresOf = (tasks: ReadonlyMap<string, TaskState>): TrialFailure[] =>
  [...tasksByTrial(tasks)].flatMap(([trial, own]) => {
    const [first] = foldFailures(own);
    return first === undefined ? [] : [{ trial, code: first.code, message: failureMessage(first) }];
  });
