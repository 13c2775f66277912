/**
 * Runs one task: train from one step to another, then score by ridge on the features. The baselines are cases of it: `untrained` is a task
 * that ends at step 0, `raw` is scored on the inputs themselves.
 *
 * A task of a fold (the inductive protocol) is trained on the fold's training rows, and scored on its held-out rows.
 *
 * The checkpoint at the last step is stored before scoring starts, so that an attempt that is stopped while it scores leaves its training done.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ArtifactStore } from '../artifacts/store.ts';
import { NoisefoldError } from '../base/errors.ts';
import type { Clock } from '../base/ports.ts';
import { finalWeights } from '../checkpoint/averaging.ts';
import { trainingHash } from '../dataset/folds.ts';
import { trainingRows } from '../dataset/split.ts';
import type { PreparedData } from '../dataset/types.ts';
import type { Engine } from '../engine/engine.ts';
import { featureWidth, initialState, parameterCount } from '../model/parameters.ts';
import type { NetworkSpec } from '../model/types.ts';
import { effectiveCorruption } from '../noise/effective.ts';
import { createNoise } from '../noise/noise.ts';
import type { LinearAlgebra, RidgeScore } from '../ridge/types.ts';
import { createBatches, firstEpoch } from './batches.ts';
import { streamFeatures, streamInputs } from './features.ts';
import { type Snapshot, snapshotOf, train, type TrainOutcome } from './loop.ts';
import { featureLayers, networkOf } from './network.ts';
import { createReporter } from './progress.ts';
import { loadSnapshot, saveSnapshot } from './resume.ts';
import { scoreFeatures, type ScoreOptions } from './score.ts';
import { scoreFold } from './score-fold.ts';
import type { EffectiveCorruption, TaskProgress, TaskResult, TaskSpec } from './types.ts';

export interface TaskDependencies {
  readonly data: PreparedData;
  readonly engine: Engine;
  readonly linearAlgebra: LinearAlgebra;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  /** Asks to stop: the task checkpoints what it has and ends. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: TaskProgress) => void;
  /** A checkpoint is stored under this hash. */
  readonly onCheckpoint: (hash: string, step: number) => void;
}

export type TaskOutcome = { readonly stopped: true } | { readonly stopped: false; readonly result: TaskResult };

/**
 * Throws DATA_MISMATCH for other data than the plan's, CHECKPOINT_MISMATCH for a checkpoint of another trial or a later step, TRAIN_DIVERGED,
 * MODEL_SHAPE, RIDGE_SINGULAR, and what the engine and the artifact store throw.
 */
export async function runTask(spec: TaskSpec, dependencies: TaskDependencies): Promise<TaskOutcome> {
  const { data, clock, engine, signal, onProgress } = dependencies;
  if (data.hash !== spec.data)
    throw new NoisefoldError(
      'DATA_MISMATCH',
      `The prepared data is ${data.hash.slice(0, 12)}, but the task was planned for ${spec.data.slice(0, 12)}`,
      {
        where: spec.task.id,
        hint: 'The data files changed while the study was running: start a new study.',
      },
    );
  if ((data.heldOut ?? 'all') !== spec.task.fold)
    throw new NoisefoldError(
      'DATA_MISMATCH',
      `The prepared data is encoded by ${data.heldOut === undefined ? 'all rows' : `the training rows of fold ${data.heldOut}`}, but the task is of ${spec.task.fold === 'all' ? 'all rows' : `fold ${spec.task.fold}`}`,
      { where: spec.task.id },
    );
  const startedAt = clock.now();
  const { epochs } = spec.config.training;
  const { toStep } = spec.task;
  onProgress({
    phase: 'starting',
    step: spec.task.fromStep,
    toStep,
    epoch: 0,
    epochs,
    loss: undefined,
    rowsPerSecond: 0,
    secondsLeft: undefined,
  });
  const outcome = (result: Omit<TaskResult, 'seconds'>): TaskOutcome => ({
    stopped: false,
    result: { ...result, seconds: (clock.now() - startedAt) / 1000 },
  });
  try {
    if (spec.kind === 'raw') {
      const ridge = await score(spec, dependencies, (inputs) => streamInputs(inputs), data.inputs.cols);
      return outcome({ score: ridge, history: [], corruption: [], parameters: 0, engine: 'none' });
    }
    const network = networkOf(data.layout, spec.config);
    const layers = featureLayers(spec.config.features, network);
    const trained = await trainAndStore(spec, dependencies, network);
    if (trained.stopped || signal.aborted) return { stopped: true };
    const weights = finalWeights(trained);
    const { inputs: withInputs } = spec.config.features;
    const ridge = await score(
      spec,
      dependencies,
      (inputs) => streamFeatures({ engine, network, weights, layers, inputs, withInputs }),
      featureWidth(network, layers) + (withInputs ? data.inputs.cols : 0),
    );
    return outcome({
      score: ridge,
      checkpoint: trained.checkpoint,
      history: trained.history,
      corruption: spec.kind === 'trained' ? corruptionOf(spec, data) : [],
      parameters: parameterCount(network),
      engine: engine.name,
    });
  } catch (thrown) {
    if (signal.aborted && thrown === signal.reason) return { stopped: true };
    throw thrown;
  }
}

/** Trains from the task's checkpoint, or anew; every snapshot goes to the artifact store. `checkpoint` is the hash of the last one. */
async function trainAndStore(
  { task, config, seed, resumeFrom }: TaskSpec,
  { data, engine, artifacts, clock, signal, onProgress, onCheckpoint }: TaskDependencies,
  network: NetworkSpec,
): Promise<TrainOutcome & { readonly checkpoint: string }> {
  const course = { network, seed, data: trainingHash(data), config };
  const resumed = resumeFrom === undefined ? undefined : await getKept(artifacts, resumeFrom);
  const from = resumed === undefined ? snapshotOf(initialState(network, seed)) : loadSnapshot(resumed, course);
  if (from.state.step > task.toStep)
    throw new NoisefoldError(
      'CHECKPOINT_MISMATCH',
      `The checkpoint is at step ${from.state.step}, beyond the task's last step ${task.toStep}`,
      {
        where: task.id,
      },
    );
  let checkpoint = '';
  const save = async (snapshot: Snapshot): Promise<void> => {
    checkpoint = await artifacts.put(saveSnapshot(snapshot, course));
    onCheckpoint(checkpoint, snapshot.state.step);
  };
  const outcome = await train({
    data,
    rows: rowsToTrainOn(data),
    network,
    config,
    seed,
    engine,
    from,
    toStep: task.toStep,
    signal,
    clock,
    onProgress,
    save,
  });
  return { ...outcome, checkpoint };
}

/** The checkpoint's bytes, or nothing where they are lost or damaged: training anew ends in the same bytes, only later. */
async function getKept(artifacts: ArtifactStore, hash: string): Promise<Uint8Array | undefined> {
  try {
    return await artifacts.get(hash);
  } catch (thrown) {
    const lost = thrown instanceof NoisefoldError && (thrown.code === 'ARTIFACT_NOT_FOUND' || thrown.code === 'ARTIFACT_CORRUPT');
    if (!lost) throw thrown;
    return undefined;
  }
}

/** Scores, reporting progress, until the signal ends it by its reason. */
function score(
  { task, ridge, config }: TaskSpec,
  { data, linearAlgebra, clock, signal, onProgress }: TaskDependencies,
  stream: ScoreOptions['stream'],
  width: number,
): Promise<RidgeScore> {
  const report = createReporter(clock, 0, onProgress);
  const { toStep } = task;
  const { epochs } = config.training;
  const between = async (rows: number, toRows: number): Promise<void> => {
    report({ phase: 'scoring', step: toStep, toStep, epoch: epochs, epochs, loss: undefined, rows, toRows });
    await nextTurn();
    signal.throwIfAborted();
  };
  const options = { stream, width, data, alphas: ridge.alphas, linearAlgebra, between };
  return task.fold === 'all' ? scoreFeatures(options) : scoreFold(task.fold, options);
}

const rowsToTrainOn = ({ folds, heldOut }: PreparedData): Uint32Array | undefined =>
  heldOut === undefined ? undefined : trainingRows(folds, heldOut);

/** Measured over this many rows of the first epoch: the share is known to a percent, in some ten milliseconds. */
const corruptionRows = 20_000;

function corruptionOf({ config, seed }: TaskSpec, data: PreparedData): EffectiveCorruption[] {
  const noise = createNoise({ ...config.noise, layout: data.layout, seed });
  const batches = createBatches(seed, rowsToTrainOn(data) ?? data.inputs.rows, config.training.batchSize);
  return effectiveCorruption(noise, data, firstEpoch(batches), corruptionRows);
}
