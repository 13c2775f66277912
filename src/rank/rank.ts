/**
 * Orders trials by cross-validated error and says which differences are more than luck.
 *
 * Trials share folds, so they are compared by paired differences: what makes a fold hard is hard for both. Training sets of folds overlap, so the
 * differences are not independent and s^2/k is too small; Nadeau and Bengio (2003, "Inference for the generalization error") correct it to
 * s^2 (1/k + test/train) with k - 1 degrees of freedom. A trial that this test does not tell from the leader is a tie.
 */
import { NoisefoldError } from '../base/errors.ts';
import { twoSidedP } from './student.ts';
import type { Difference, RankedTrial, ScoredTrial } from './types.ts';

/** Said wherever the leader's score is shown. */
export const selectionNote =
  'The leader was chosen by the score shown, from all trials, on the same folds: that score is optimistic. Its differences and p values are ' +
  'not corrected for the number of trials.';

/** A trial counts as a tie with the leader from this p on. */
const tieFrom = 0.05;

/**
 * Ranks trials: the smallest mean RMSE first (for a binary task the largest mean AUC), equal means by id.
 * @throws NoisefoldError DATA_MISMATCH where trials were scored on different folds
 */
export function rankTrials(trials: readonly ScoredTrial[], task: 'regression' | 'binary'): RankedTrial[] {
  const metric = task === 'binary' ? 'auc' : 'rmse';
  const scored = trials.map((trial) => {
    const perFold = trial.score.folds.map(({ metrics }) => valueOf(metrics[trial.score.best]?.[metric], trial));
    return { trial, perFold, mean: meanOf(perFold) };
  });
  const sign = metric === 'auc' ? -1 : 1;
  scored.sort((a, b) => sign * (a.mean - b.mean) || (a.trial.id < b.trial.id ? -1 : a.trial.id > b.trial.id ? 1 : 0));

  const [leader] = scored;
  if (leader === undefined) return [];
  const byId = new Map(scored.map((one) => [one.trial.id, one]));
  const raw = scored.find(({ trial }) => trial.kind === 'raw');
  const ratio = testToTrain(leader.trial);
  for (const { trial } of scored) requireSameFolds(leader.trial, trial);

  return scored.map((one, index) => {
    const { trial, perFold, mean } = one;
    const against = (other: typeof one | undefined): Difference | undefined =>
      other === undefined || other === one ? undefined : pairedDifference(perFold, other.perFold, ratio);
    const toLeader = against(leader);
    return {
      ...trial,
      rank: index + 1,
      metric,
      perFold,
      mean,
      standardError: Math.sqrt(varianceOf(perFold) / perFold.length),
      alpha: valueOf(trial.score.alphas[trial.score.best], trial),
      toLeader,
      toRaw: against(raw),
      toUntrained: against(trial.untrained === undefined ? undefined : byId.get(trial.untrained)),
      tie: toLeader !== undefined && toLeader.p >= tieFrom,
    };
  });
}

/**
 * The mean of a - b over folds, with the corrected resampled t-test.
 * @param testToTrain held-out rows over training rows: 1/(k-1) for k equal folds
 */
export function pairedDifference(a: readonly number[], b: readonly number[], testToTrain: number): Difference {
  const differences = a.map((value, fold) => value - (b[fold] ?? NaN));
  const k = differences.length;
  const mean = meanOf(differences);
  const standardError = Math.sqrt(varianceOf(differences) * (1 / k + testToTrain));
  // One fold says nothing about luck. Differences all alike leave no doubt, or, at zero, no difference.
  const p = k < 2 || mean === 0 ? 1 : twoSidedP(mean / standardError, k - 1);
  return { mean, standardError, p };
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function varianceOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, values.length - 1);
}

/** Mean over folds of held-out rows over training rows. */
function testToTrain({ score: { folds } }: ScoredTrial): number {
  const all = folds.reduce((sum, { rows }) => sum + rows, 0);
  return meanOf(folds.map(({ rows }) => rows / (all - rows)));
}

function requireSameFolds(leader: ScoredTrial, trial: ScoredTrial): void {
  const shape = ({ score }: ScoredTrial): string => score.folds.map(({ fold, rows }) => `${fold}:${rows}`).join(' ');
  if (shape(leader) !== shape(trial))
    throw new NoisefoldError('DATA_MISMATCH', `${trial.id} was scored on other folds than ${leader.id}.`, {
      where: trial.id,
      hint: 'Rank only trials of one study.',
    });
}

function valueOf(value: number | undefined, trial: ScoredTrial): number {
  if (value === undefined)
    throw new NoisefoldError('INTERNAL', `The score of ${trial.id} lacks its metric at the best alpha.`, { where: trial.id });
  return value;
}
