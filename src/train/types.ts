/** What running a task needs and gives. */
import type { EngineName, RidgeConfig, TrialConfig } from '../config/types.ts';
import type { Task, TrialKind } from '../plan/types.ts';
import type { RidgeScore } from '../ridge/types.ts';

/** All that decides a task's result. Everything in it is data, so it can cross a socket. */
export interface TaskSpec {
  readonly task: Task;
  readonly kind: TrialKind;
  readonly config: TrialConfig;
  readonly seed: number;
  readonly ridge: RidgeConfig;
  /** Hash of the prepared data set. */
  readonly data: string;
  /** Hash of the checkpoint to go on from, when an earlier attempt or rung left one. */
  readonly resumeFrom?: string | undefined;
  /** The engine that the study asks for by name (`workers.engine`); the worker's own choice where it does not. */
  readonly engine?: Exclude<EngineName, 'auto'> | undefined;
}

/** Where a running task is. Rates are of this attempt. */
export interface TaskProgress {
  readonly phase: 'starting' | 'training' | 'scoring';
  readonly step: number;
  readonly toStep: number;
  readonly epoch: number;
  readonly epochs: number;
  readonly loss: number | undefined;
  readonly rowsPerSecond: number;
  /** Seconds left of this phase by the rate so far; undefined before there is a rate. */
  readonly secondsLeft: number | undefined;
}

/** One epoch in a trial's history: deterministic numbers only, since checkpoints carry it and are compared by hash. */
export interface HistoryRow {
  readonly epoch: number;
  readonly step: number;
  /** Mean loss over the epoch's batches. */
  readonly loss: number;
  readonly learningRate: number;
  /** Share of cells that the noise changed, over the epoch. */
  readonly corruption: number;
}

/** Running sums over the steps of an epoch, so that a checkpoint in its middle loses none of its history. */
export interface EpochSums {
  /** Of the batches' losses. */
  readonly loss: number;
  /** Of the changed cells. */
  readonly changed: number;
}

/** The share of changed cells of a source column (for a one-hot group: of rows whose level changed) beside its nominal probability. */
export interface EffectiveCorruption {
  readonly column: string;
  readonly nominal: number;
  readonly effective: number;
}

export interface TaskResult {
  readonly score: RidgeScore;
  /** Hash of the final checkpoint; none for the raw baseline. */
  readonly checkpoint?: string | undefined;
  readonly history: readonly HistoryRow[];
  readonly corruption: readonly EffectiveCorruption[];
  /** Wall seconds of this attempt, training and scoring. */
  readonly seconds: number;
  readonly parameters: number;
  readonly engine: string;
}
