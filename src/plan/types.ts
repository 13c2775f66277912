/** A study's work: trials, and the tasks that workers lease. All ids are stable functions of the configuration and the data. */
import type { ParameterValues, TrialConfig } from '../config/types.ts';

/**
 * raw: ridge on the encoded inputs, no network. untrained: ridge on the features of the network at step 0 (one for each network shape in
 * the study). trained: a point of the search space.
 */
export const trialKinds = ['raw', 'untrained', 'trained'] as const;
export type TrialKind = (typeof trialKinds)[number];

export interface Trial {
  /** `raw`, `untrained-1`, `trial-0001`: also the name of its folder. */
  readonly id: string;
  readonly kind: TrialKind;
  /** What the sampler drew; empty for baselines. */
  readonly parameters: ParameterValues;
  readonly config: TrialConfig;
  /** The untrained baseline with the same network; for trained trials only. */
  readonly untrained?: string | undefined;
}

/** The fold whose rows were left out of training the autoencoder, or `all` where none were (the transductive protocol). */
export type TaskFold = number | 'all';

/** The unit that a worker leases: bring a trial from one step to another, then score it. */
export interface Task {
  /** `trial-0001/all/0-2240` */
  readonly id: string;
  readonly trial: string;
  readonly fold: TaskFold;
  /** Which of the study's training budgets (rungs.ts) it ends at, from 0; always 0 without successive halving. */
  readonly rung: number;
  readonly fromStep: number;
  readonly toStep: number;
}

export interface Plan {
  readonly trials: readonly Trial[];
  readonly tasks: readonly Task[];
}
