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
import { scoredTasks } from '../scheduler/scores.ts';
import type { TaskState } from '../scheduler/types.ts';
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
  | {
      readonly status: 'scored';
      readonly score: RidgeScore;
      readonly folds: readonly FoldResult[];
      /** The rung that it was scored at. */
      readonly rung: number;
    };

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

/** Why a trial failed: its failed tasks, those of the first fold first. */
export const failuresOf = (tasks: readonly TaskState[]): FoldFailure[] =>
  [...tasks]
    .sort((a, b) => Number(a.task.fold) - Number(b.task.fold))
    .flatMap(({ task: { fold }, status, error }): FoldFailure[] =>
      status === 'failed' && error !== undefined ? [{ fold, code: error.code, message: error.message }] : [],
    );

/**
 * What a trial's tasks have come to: the score of the rung where it is best (scoredTasks). A trial that failed at a later rung keeps the one that it had: its features are there.
 */
export function outcomeOf(tasks: readonly TaskState[], task: 'regression' | 'binary', resultOf: ResultOf): TrialOutcome {
  const scored = scoredTasks(tasks);
  const folds = scored.flatMap(({ task: { id, fold } }): FoldResult[] => {
    const result = resultOf(id);
    return result === undefined ? [] : [{ fold, result }];
  });
  const [first, ...others] = folds;
  if (first === undefined || folds.length < scored.length) {
    const failures = failuresOf(tasks);
    return failures.length > 0 ? { status: 'failed', failures } : { status: 'unfinished' };
  }
  const score =
    others.length === 0 && first.fold === 'all'
      ? first.result.score
      : aggregateScores([first.result.score, ...others.map(({ result }) => result.score)], task);
  return { status: 'scored', score, folds, rung: scored[0]?.task.rung ?? 0 };
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
