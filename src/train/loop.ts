/**
 * The training loop. Step number s is the batch s mod n of epoch s div n, n being the steps an epoch; its rows, its noise and its learning rate
 * are functions of (seed, epoch, batch) alone. So a snapshot (weights, moments, the recent weights that are to be averaged, history, and the
 * sums of the unfinished epoch) is enough to go on from any step to the same bytes and the same history as if there had been no stop.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { NoisefoldError } from '../base/errors.ts';
import type { Clock } from '../base/ports.ts';
import { type RecentWeights, withRecent } from '../checkpoint/averaging.ts';
import type { TrainingConfig, TrialConfig } from '../config/types.ts';
import type { PreparedData } from '../dataset/types.ts';
import type { Batch, Engine, TrainingState } from '../engine/engine.ts';
import type { NetworkSpec } from '../model/types.ts';
import { createNoise } from '../noise/noise.ts';
import { type BatchPosition, createBatches } from './batches.ts';
import { createReporter } from './progress.ts';
import type { EpochSums, HistoryRow, TaskProgress } from './types.ts';

/** Where training stands after `state.step` steps: all that is needed to go on. */
export interface Snapshot {
  readonly state: TrainingState;
  readonly recent: RecentWeights;
  /** The finished epochs. */
  readonly history: readonly HistoryRow[];
  /** Sums over the steps of the unfinished epoch; zeros at an epoch's end. */
  readonly partial: EpochSums;
}

export interface TrainOptions {
  readonly data: Pick<PreparedData, 'inputs' | 'layout'>;
  /** The rows to train on; all where it is left out. */
  readonly rows?: Uint32Array | undefined;
  readonly network: NetworkSpec;
  readonly config: TrialConfig;
  /** The study's seed. */
  readonly seed: number;
  readonly engine: Engine;
  readonly from: Snapshot;
  /** Trains until so many steps are done. */
  readonly toStep: number;
  /** Asks to stop: a snapshot is saved after the running step. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly onProgress: (progress: TaskProgress) => void;
  /** Called every `checkpointEveryEpochs` epochs, and always at the end, stopped or not. */
  readonly save: (snapshot: Snapshot) => Promise<void>;
}

export interface TrainOutcome extends Snapshot {
  /** True when the signal came before the last step. */
  readonly stopped: boolean;
}

const nothing: EpochSums = { loss: 0, changed: 0 };

/** Training that starts anew. */
export const snapshotOf = (state: TrainingState): Snapshot => ({ state, recent: [], history: [], partial: nothing });

/** Trains from a snapshot to a step, or until stopped. Throws TRAIN_DIVERGED, and what the engine throws. */
export async function train(options: TrainOptions): Promise<TrainOutcome> {
  if (options.from.state.step >= options.toStep) return nothingToDo(options);
  const { data, network, config, seed, engine, from, toStep, signal, clock, onProgress, save } = options;
  const { batchSize, checkpointEveryEpochs, averageLast = 1 } = config.training;
  const { inputs } = data;
  const batches = createBatches(seed, options.rows ?? inputs.rows, batchSize);
  const noise = createNoise({ ...config.noise, layout: data.layout, seed });
  const cells = batchSize * inputs.cols;
  const batch: Batch = { noisy: new Float32Array(cells), clean: new Float32Array(cells), mask: new Float32Array(cells) };
  const history = [...from.history];
  let { partial, recent } = from;
  let { step } = from.state;

  const reporter = createReporter(clock, step * batchSize, onProgress);
  const report = (loss: number | undefined): void =>
    reporter({
      phase: 'training',
      step,
      toStep,
      epoch: batches.locate(step).epoch,
      epochs: Math.ceil(toStep / batches.perEpoch),
      loss,
      rows: step * batchSize,
      toRows: toStep * batchSize,
    });

  const session = await engine.training(network, batchSize, from.state);
  try {
    const snapshot = async (): Promise<Snapshot> => {
      const state = await session.state();
      // The loss is that before the update: only the weights tell whether the last update was sound.
      if (!state.weights.every(Number.isFinite))
        throw diverged('Weights became NaN or infinite', step, batches.locate(Math.max(step - 1, 0)), config.training);
      return { state, recent, history: [...history], partial };
    };
    report(undefined);
    while (step < toStep && !signal.aborted) {
      const position = batches.locate(step);
      const learningRate = learningRateAt(config.training, position.epoch);
      const changed = noise.corrupt({ ...position, rows: batches.at(position), inputs, ...batch });
      const loss = await session.step(batch, learningRate);
      step++;
      const usual = history[0]?.loss ?? (position.batch === 0 ? loss : partial.loss / position.batch);
      if (!Number.isFinite(loss)) throw diverged(`The loss became ${loss}`, step, position, config.training);
      if (loss > explosion * usual)
        throw diverged(`The loss rose from ${usual.toPrecision(3)} to ${loss.toPrecision(3)}`, step, position, config.training);
      partial = { loss: partial.loss + loss, changed: partial.changed + changed };
      if (position.batch + 1 === batches.perEpoch) {
        history.push({
          epoch: position.epoch,
          step,
          loss: partial.loss / batches.perEpoch,
          learningRate,
          corruption: partial.changed / (batches.perEpoch * cells),
        });
        partial = nothing;
        if (averageLast > 1) recent = withRecent(recent, (await session.state()).weights, averageLast);
        if ((position.epoch + 1) % checkpointEveryEpochs === 0 && step < toStep) await save(await snapshot());
      }
      report(loss);
      // A step may run on this very thread: signals and messages get their turn in between.
      await nextTurn();
    }
    const last = await snapshot();
    await save(last);
    return { ...last, stopped: step < toStep };
  } finally {
    await session.release();
  }
}

/** Spares the engine the making of a session. */
async function nothingToDo({ from, save }: TrainOptions): Promise<TrainOutcome> {
  await save(from);
  return { ...from, stopped: false };
}

/** A step's loss above so many times the first epoch's mean is an explosion, not noise. */
const explosion = 1e3;

function diverged(what: string, step: number, { epoch }: BatchPosition, training: TrainingConfig): NoisefoldError {
  const rate = learningRateAt(training, epoch).toPrecision(3);
  return new NoisefoldError('TRAIN_DIVERGED', `${what} at step ${step} (epoch ${epoch + 1}, learning rate ${rate})`, {
    where: `step ${step}`,
    hint: `Try a smaller training.learningRate, such as ${(training.learningRate / 3).toPrecision(1)}.`,
  });
}

/** The learning rate of an epoch. A product, not a power: Math.pow may round differently in another version of Node. */
export function learningRateAt({ learningRate, learningRateDecay }: TrainingConfig, epoch: number): number {
  let rate = learningRate;
  for (let e = 0; e < epoch; e++) rate *= learningRateDecay;
  return rate;
}
