/**
 * From a trial's tasks to one outcome. Transductive: its only task's. Inductive: one task a fold, each with the errors on the rows that it
 * held out; the trial's score has all folds' paths, and the alpha that is best in their mean.
 */
import { NoisefoldError } from '../base/errors.ts';
import { sha256 } from '../base/hash.ts';
import { canonicalJson } from '../base/json.ts';
import type { TaskFold } from '../plan/types.ts';
import { bestAlpha } from '../ridge/score.ts';
import type { RidgeScore } from '../ridge/types.ts';
import type { ResultSummary, TaskState } from '../scheduler/types.ts';
import type { TaskResult } from '../train/types.ts';

/** A task that is done. */
export interface FoldResult {
  readonly fold: TaskFold;
  readonly result: TaskResult;
}

/** A task that failed. */
export interface FoldFailure {
  readonly fold: TaskFold;
  readonly code: string;
  readonly message: string;
}

export type TrialOutcome =
  | { readonly status: 'unfinished' }
  /** At least one task failed: there is no score over fewer folds, which would be another one. */
  | { readonly status: 'failed'; readonly failures: readonly FoldFailure[] }
  | { readonly status: 'scored'; readonly score: RidgeScore; readonly folds: readonly FoldResult[] };

/**
 * One score from scores of different folds, in any order. `features` is the largest of the folds' (encodings, and with them raw inputs, may
 * differ by a level). The best alpha is that of the mean over folds; the larger one on a tie.
 * @throws NoisefoldError DATA_MISMATCH where the scores are of other alphas, or a fold is in two of them
 */
export function aggregateScores(scores: readonly [RidgeScore, ...RidgeScore[]], task: 'regression' | 'binary'): RidgeScore {
  const [{ alphas }] = scores;
  const folds = scores.flatMap((score) => score.folds).sort((a, b) => a.fold - b.fold);
  if (scores.some((score) => score.alphas.join() !== alphas.join()))
    throw new NoisefoldError('DATA_MISMATCH', 'the folds of a trial were scored at different alphas');
  const twice = folds.find(({ fold }, i) => folds[i + 1]?.fold === fold);
  if (twice !== undefined) throw new NoisefoldError('DATA_MISMATCH', `fold ${twice.fold} of a trial was scored twice`);
  const metrics = folds.map((path) => path.metrics);
  return {
    alphas,
    folds,
    best: bestAlpha(metrics, alphas.length, task),
    features: Math.max(...scores.map(({ features }) => features)),
  };
}

/** The whole of a task's result, as a store has it. */
export type ResultOf = (task: string) => TaskResult | undefined;

function ofHighestRung(tasks: readonly TaskState[]): readonly TaskState[] {
  const top = Math.max(...tasks.map((state) => state.task.rung));
  return tasks.filter((state) => state.task.rung === top).sort((a, b) => Number(a.task.fold) - Number(b.task.fold));
}

/** Of a trial's tasks, those of its highest rung. */
export const failuresOf = (tasks: readonly TaskState[]): FoldFailure[] =>
  ofHighestRung(tasks).flatMap(({ task: { fold }, status, error }): FoldFailure[] =>
    status === 'failed' && error !== undefined ? [{ fold, code: error.code, message: error.message }] : [],
  );

/** What a trial's tasks, those of its highest rung, have come to. */
export function outcomeOf(tasks: readonly TaskState[], task: 'regression' | 'binary', resultOf: ResultOf): TrialOutcome {
  const last = ofHighestRung(tasks);
  const failures = failuresOf(tasks);
  if (failures.length > 0) return { status: 'failed', failures };
  if (!last.every(({ status }) => status === 'done')) return { status: 'unfinished' };
  const folds = last.flatMap(({ task: { id, fold } }): FoldResult[] => {
    const result = resultOf(id);
    return result === undefined ? [] : [{ fold, result }];
  });
  const [first, ...others] = folds;
  if (first === undefined || folds.length < last.length) return { status: 'unfinished' };
  const score =
    others.length === 0 && first.fold === 'all'
      ? first.result.score
      : aggregateScores([first.result.score, ...others.map(({ result }) => result.score)], task);
  return { status: 'scored', score, folds };
}

/**
 * The mean over folds of a trial's metric at its best alpha, as its outcome's score has it, but from the summaries of its results alone. NaN where a fold lacks the
 * metric; undefined where the trial is not done.
 */
export function meanOf(tasks: readonly TaskState[], metric: 'rmse' | 'auc'): number | undefined {
  const last = ofHighestRung(tasks);
  const summaries = last.flatMap(({ result }) => result ?? []);
  const [first] = summaries;
  if (first === undefined || summaries.length < last.length) return undefined;
  const best = last[0]?.task.fold === 'all' ? first.best : bestOf(summaries, first.rmse.length, metric);
  return summaries.reduce((sum, summary) => sum + (summary[metric]?.[best] ?? NaN), 0) / summaries.length;
}

function bestOf(summaries: readonly ResultSummary[], alphas: number, metric: 'rmse' | 'auc'): number {
  const paths = summaries.map(({ rmse, auc }) => rmse.map((error, i) => ({ rmse: error, mae: NaN, r2: NaN, auc: auc?.[i] })));
  return bestAlpha(paths, alphas, metric === 'auc' ? 'binary' : 'regression');
}

/** folds.json of a trial with several tasks: its checkpoints, by fold. */
export const foldsJson = (folds: readonly FoldResult[]): string =>
  `${canonicalJson({ folds: folds.map(({ fold, result }) => ({ fold, checkpoint: result.checkpoint })) }, 2)}\n`;

/** What stands for a trial's checkpoints in a ranking: the hash of its only one, or that of folds.json. None for the raw baseline. */
export function checkpointOf(folds: readonly FoldResult[]): string | undefined {
  const [first] = folds;
  return first === undefined || first.fold === 'all' || first.result.checkpoint === undefined
    ? first?.result.checkpoint
    : sha256(foldsJson(folds));
}

/** The story of a failed trial in one line: `fold 2: ...` where there is more than one task. */
export const failureMessage = ({ fold, message }: FoldFailure): string => (fold === 'all' ? message : `fold ${fold}: ${message}`);
