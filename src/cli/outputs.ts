/** What a study leaves behind: a folder a trial, the ranking and the report. Written again on every run, so that none is ever half there. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.ts';
import { canonicalJson } from '../base/json.ts';
import { writeCheckpointFiles, writeFileDurably } from '../checkpoint/files.ts';
import type { PreparedData } from '../dataset/types.ts';
import type { Plan, Trial } from '../plan/types.ts';
import { rankTrials } from '../rank/rank.ts';
import { rankingCsv, rankingJson } from '../rank/render.ts';
import type { RankedTrial, ScoredTrial } from '../rank/types.ts';
import { corruptionCsv, historyCsv, timingsCsv, type TimingRow } from '../report/csv.ts';
import type { TrialFailure } from '../report/model.ts';
import type { TaskState } from '../scheduler/types.ts';
import type { Transition } from '../store/store.ts';
import type { StudyPaths } from './study-folder.ts';

/** Writes `trials/<id>/`: config.json, and when it is done score.json, history.csv, corruption.csv and the checkpoint. */
export async function writeTrial(
  paths: StudyPaths,
  trial: Trial,
  task: TaskState,
  seed: number,
  data: string,
  artifacts: ArtifactStore,
): Promise<void> {
  const folder = paths.trial(trial.id);
  const write = (name: string, text: string): Promise<void> => writeFileDurably(join(folder, name), text);
  await mkdir(folder, { recursive: true });
  await write('config.json', `${canonicalJson({ ...trial, seed, data }, 2)}\n`);
  if (task.error !== undefined && task.status === 'failed') await write('error.json', `${canonicalJson(task.error, 2)}\n`);
  const { result } = task;
  if (result === undefined) return;
  await rm(join(folder, 'error.json'), { force: true });
  await write('score.json', `${canonicalJson(result.score, 2)}\n`);
  if (trial.kind === 'raw') return;
  if (trial.kind === 'trained') {
    await write('history.csv', historyCsv(result.history));
    await write('corruption.csv', corruptionCsv(result.corruption));
  }
  // The study may keep those of the best trials only.
  if (result.checkpoint !== undefined && (await artifacts.has(result.checkpoint)))
    await writeCheckpointFiles(folder, await artifacts.get(result.checkpoint));
}

/** Ranks what is done. Empty where nothing is. */
export function rankingOf(plan: Plan, tasks: ReadonlyMap<string, TaskState>, task: PreparedData['task']): RankedTrial[] {
  const byTrial = new Map([...tasks.values()].map((state) => [state.task.trial, state]));
  const scored = plan.trials.flatMap(({ id, kind, parameters, untrained }): ScoredTrial[] => {
    const result = byTrial.get(id)?.result;
    return result === undefined ? [] : [{ id, kind, parameters, score: result.score, checkpoint: result.checkpoint, untrained }];
  });
  return rankTrials(scored, task);
}

/** ranking.csv and ranking.json hold what the seed decides; timings.csv holds what the machine decides. */
export async function writeRanking(
  paths: StudyPaths,
  ranking: readonly RankedTrial[],
  timings: readonly TimingRow[],
): Promise<void> {
  await writeFileDurably(paths.file('ranking.csv'), rankingCsv(ranking));
  await writeFileDurably(paths.file('ranking.json'), rankingJson(ranking));
  await writeFileDurably(paths.file('timings.csv'), timingsCsv(timings));
}

export function timingsOf(tasks: ReadonlyMap<string, TaskState>, transitions: readonly Transition[]): TimingRow[] {
  const workers = new Map(transitions.filter(({ to }) => to === 'leased').map(({ task, worker }) => [task, worker]));
  return [...tasks.values()].flatMap(({ task, attempt, result }) =>
    result === undefined
      ? []
      : [{ trial: task.trial, attempts: attempt, worker: workers.get(task.id), seconds: result.seconds, engine: result.engine }],
  );
}

export const failuresOf = (tasks: ReadonlyMap<string, TaskState>): TrialFailure[] =>
  [...tasks.values()].flatMap(({ task, status, error }) =>
    status === 'failed' && error !== undefined ? [{ trial: task.trial, code: error.code, message: error.message }] : [],
  );
