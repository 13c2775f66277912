/** The ordered trials with uncertainty. Deterministic: no times, no machines. */
import type { ParameterValues } from '../config/types.ts';
import type { TrialKind } from '../plan/types.ts';
import type { RidgeScore } from '../ridge/types.ts';

export interface ScoredTrial {
  readonly id: string;
  readonly kind: TrialKind;
  readonly parameters: ParameterValues;
  readonly score: RidgeScore;
  /** See checkpointOf. */
  readonly checkpoint: string | undefined;
  readonly untrained: string | undefined;
  /** Of successive halving: for how many epochs it was trained when its score was best, which is this one. */
  readonly epochs?: number | undefined;
}

/** A mean of paired per-fold differences (this minus the other; negative RMSE differences are better) with its standard error. */
export interface Difference {
  readonly mean: number;
  /** Of the mean, corrected as p is, so that mean / standardError is the t of the test. */
  readonly standardError: number;
  /** Two-sided p of the corrected resampled t-test (Nadeau and Bengio 2003): training sets of folds overlap, so variance is scaled by 1/k + test/train. */
  readonly p: number;
}

export interface RankedTrial extends ScoredTrial {
  /** 1 for the best. Baselines are ranked among the trials, so that a user sees where they fall. */
  readonly rank: number;
  readonly metric: 'rmse' | 'auc';
  /** Of the metric at the best alpha, per fold. */
  readonly perFold: readonly number[];
  readonly mean: number;
  /** Over folds, uncorrected: how far folds differ. Comparisons between trials are the paired differences below. */
  readonly standardError: number;
  readonly alpha: number;
  readonly toLeader: Difference | undefined;
  readonly toRaw: Difference | undefined;
  readonly toUntrained: Difference | undefined;
  /** Not distinguishable from the leader (p >= 0.05). False for the leader itself. */
  readonly tie: boolean;
}
