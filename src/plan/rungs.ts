/**
 * Rungs: the training budgets at which trials are compared. With successive halving (Jamieson and Talwalkar 2016, "Non-stochastic best arm identification and
 * hyperparameter optimization"; asynchronous: Li et al. 2020, "A system for massively parallel hyperparameter tuning") every trial is trained for a few epochs and scored,
 * the best share of them goes on to the next rung, and so on, until the last ones have had all epochs.
 *
 * The learning rate of an epoch does not depend on how many are to come, so what was trained at a rung is the beginning of what the next one trains: nothing is done twice.
 */
import { rungEpochs } from '../config/rungs.ts';
import type { HalvingConfig, SweepConfig } from '../config/types.ts';
import type { Task } from './types.ts';

export interface Rungs {
  /** Epochs that a trial has been trained for at the end of each rung, ascending; the last one is the whole training. At least one. */
  readonly epochs: readonly number[];
  /** One trial in so many goes on to the next rung. */
  readonly factor: number;
  readonly mode: HalvingConfig['mode'];
}

/** The rungs of a study, or undefined where every trial gets all of its epochs. */
export function rungsOf({
  search: { halving },
  training: { epochs },
}: Pick<SweepConfig, 'search' | 'training'>): Rungs | undefined {
  if (halving === undefined || typeof epochs !== 'number') return undefined;
  const { factor, rungs, mode } = halving;
  return { epochs: rungEpochs(epochs, factor, rungs), factor, mode };
}

/** How many of a study's trials get to a rung: all of them to the first, and at least one to the last. */
export const rungSize = (trials: number, factor: number, rung: number): number =>
  rung === 0 ? trials : Math.max(1, Math.floor(trials / factor ** rung));

/** The task that takes a trial (or one fold of it) from the end of `task` to the end of the next rung; undefined at the last one. */
export function nextRung(task: Task, { epochs }: Rungs): Task | undefined {
  const [from, to] = [epochs[task.rung], epochs[task.rung + 1]];
  if (from === undefined || to === undefined) return undefined;
  // Whole numbers: a rung ends with an epoch.
  const toStep = (task.toStep / from) * to;
  const { trial, fold, toStep: fromStep } = task;
  return { id: taskId(trial, fold, fromStep, toStep), trial, fold, rung: task.rung + 1, fromStep, toStep };
}

/** `trial-0001/all/0-2240` */
export const taskId = (trial: string, fold: Task['fold'], fromStep: number, toStep: number): string =>
  `${trial}/${fold}/${fromStep}-${toStep}`;
