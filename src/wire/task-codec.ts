/**
 * Tasks, their results and their progress as protobuf, and back. Only shapes are mapped here: a reader returns what was in the bytes,
 * with `undefined` for what was not, and schema.ts says whether that is a task.
 */
import type { FeaturesConfig, ModelConfig, RidgeConfig, TrialConfig } from '../config/types.ts';
import type { RidgeScore } from '../ridge/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../train/types.ts';
import { maxProse } from './fields.ts';
import { noisefold } from './generated/noisefold.js';
import type { Lease } from './messages.ts';

const { FoldsConfig, NoiseConfig, TaskProgress: Progress, TrialKind } = noisefold.v1;

const trialKinds = {
  raw: TrialKind.TRIAL_KIND_RAW,
  untrained: TrialKind.TRIAL_KIND_UNTRAINED,
  trained: TrialKind.TRIAL_KIND_TRAINED,
} as const satisfies Record<TaskSpec['kind'], number>;

const flavours = {
  group: NoiseConfig.Flavour.FLAVOUR_GROUP,
  reference: NoiseConfig.Flavour.FLAVOUR_REFERENCE,
} as const satisfies Record<TrialConfig['noise']['flavour'], number>;

const foldKinds = {
  plain: FoldsConfig.Kind.KIND_PLAIN,
  shuffled: FoldsConfig.Kind.KIND_SHUFFLED,
  grouped: FoldsConfig.Kind.KIND_GROUPED,
} as const satisfies Record<RidgeConfig['folds']['kind'], number>;

const phases = {
  starting: Progress.Phase.PHASE_STARTING,
  training: Progress.Phase.PHASE_TRAINING,
  scoring: Progress.Phase.PHASE_SCORING,
} as const satisfies Record<TaskProgress['phase'], number>;

/** The name of a protobuf enum's number; undefined for one that this version does not know. */
const nameOf = (table: Readonly<Record<string, number>>, code: number | undefined): string | undefined =>
  Object.keys(table).find((name) => table[name] === code);

/**
 * 64-bit integers come as Long objects; beyond 2^53 they turn into numbers that are not safe integers, which schema.ts refuses. Undefined for a field that
 * is not there.
 */
export const integer = (value: number | { toNumber(): number } | null | undefined): number | undefined =>
  typeof value === 'object' ? value?.toNumber() : value;

/** A text for people, cut to its limit. Where it was cut in the middle of a surrogate pair the half becomes U+FFFD, as in String.prototype.toWellFormed. */
export function prose<T extends string | undefined>(text: T): T;
export function prose(text: string | undefined): string | undefined {
  return text?.slice(0, maxProse).replace(/\p{Surrogate}/gu, '\ufffd');
}

/** A view of the frame's bytes, without Buffer's methods. */
export const plainBytes = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);

export const leaseOf = ({ study, task, attempt }: Lease): noisefold.v1.Lease.$Shape => ({ study, task, attempt });

export const readLease = (lease: noisefold.v1.Lease.$Shape | null | undefined): object => ({
  study: lease?.study,
  task: lease?.task,
  attempt: lease?.attempt,
});

/** The members that are there: an optional member that is not set must be absent, not undefined, so that messages compare equal. */
const present = (members: Readonly<Record<string, unknown>>): object =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null && value !== undefined));

export function writeTaskSpec(spec: TaskSpec): noisefold.v1.TaskSpec.$Properties {
  const { fold, ...task } = spec.task;
  return {
    task: { ...task, fold: fold === 'all' ? null : fold },
    kind: trialKinds[spec.kind],
    config: writeTrialConfig(spec.config),
    seed: spec.seed,
    ridge: {
      alphas: [...spec.ridge.alphas],
      folds: { count: spec.ridge.folds.count, kind: foldKinds[spec.ridge.folds.kind], column: spec.ridge.folds.column ?? null },
      learningCurve: { labels: [...spec.ridge.learningCurve.labels], draws: spec.ridge.learningCurve.draws },
    },
    data: spec.data,
    resumeFrom: spec.resumeFrom ?? null,
    engine: spec.engine ?? null,
  };
}

export function readTaskSpec(spec: noisefold.v1.TaskSpec.$Shape | null | undefined): unknown {
  if (!spec) return undefined;
  const { task, config, ridge } = spec;
  return {
    task: task && {
      id: task.id,
      trial: task.trial,
      fold: task.fold ?? 'all',
      rung: task.rung,
      fromStep: integer(task.fromStep),
      toStep: integer(task.toStep),
    },
    kind: nameOf(trialKinds, spec.kind),
    config: readTrialConfig(config),
    seed: integer(spec.seed),
    ridge: ridge && {
      alphas: ridge.alphas,
      folds: ridge.folds && {
        count: ridge.folds.count,
        kind: nameOf(foldKinds, ridge.folds.kind),
        ...present({ column: ridge.folds.column }),
      },
      learningCurve: ridge.learningCurve && { labels: ridge.learningCurve.labels, draws: ridge.learningCurve.draws },
    },
    data: spec.data,
    ...present({ resumeFrom: spec.resumeFrom, engine: spec.engine }),
  };
}

function writeTrialConfig({ noise, model, training, features }: TrialConfig): noisefold.v1.TrialConfig.$Properties {
  return {
    noise: { flavour: flavours[noise.flavour], swapProbability: noise.swapProbability },
    ...writeModel(model),
    training: { ...training, averageLast: training.averageLast ?? null },
    features: { ...writeLayers(features.layers), inputs: features.inputs },
  };
}

function readTrialConfig(config: noisefold.v1.TrialConfig.$Shape | null | undefined): unknown {
  if (!config) return undefined;
  const { noise, training, features } = config;
  return {
    noise: noise && { flavour: nameOf(flavours, noise.flavour), swapProbability: noise.swapProbability },
    model: readModel(config),
    training: training && {
      epochs: training.epochs,
      batchSize: training.batchSize,
      learningRate: training.learningRate,
      learningRateDecay: training.learningRateDecay,
      loss: training.loss && { emphasis: training.loss.emphasis, maskWeight: training.loss.maskWeight },
      checkpointEveryEpochs: training.checkpointEveryEpochs,
      ...present({ averageLast: training.averageLast }),
    },
    features: features && { layers: readLayers(features), inputs: features.inputs },
  };
}

function writeModel(model: ModelConfig): Pick<noisefold.v1.TrialConfig.$Properties, 'transformer' | 'mlp'> {
  switch (model.kind) {
    case 'transformer':
      return { transformer: model };
    case 'mlp':
      return { mlp: model };
    default:
      return model satisfies never;
  }
}

function readModel({ transformer, mlp }: noisefold.v1.TrialConfig.$Shape): unknown {
  if (transformer) {
    const { tokens, tokenSize, heads, feedForward, layers } = transformer;
    return { kind: 'transformer', tokens, tokenSize, heads, feedForward, layers };
  }
  return mlp ? { kind: 'mlp', units: mlp.units, layers: mlp.layers } : undefined;
}

function writeLayers(layers: FeaturesConfig['layers']): Pick<noisefold.v1.FeaturesConfig.$Properties, 'all' | 'last' | 'some'> {
  if (layers === 'all') return { all: {} };
  if (layers === 'last') return { last: {} };
  return { some: { index: [...layers] } };
}

function readLayers({ all, last, some }: noisefold.v1.FeaturesConfig.$Shape): unknown {
  if (all) return 'all';
  return last ? 'last' : some?.index;
}

export function writeProgress(progress: TaskProgress): noisefold.v1.TaskProgress.$Properties {
  return { ...progress, phase: phases[progress.phase], loss: progress.loss ?? null, secondsLeft: progress.secondsLeft ?? null };
}

export function readProgress(progress: noisefold.v1.TaskProgress.$Shape | null | undefined): unknown {
  if (!progress) return undefined;
  return {
    phase: nameOf(phases, progress.phase),
    step: integer(progress.step),
    toStep: integer(progress.toStep),
    epoch: progress.epoch,
    epochs: progress.epochs,
    loss: progress.loss ?? undefined,
    rowsPerSecond: progress.rowsPerSecond,
    secondsLeft: progress.secondsLeft ?? undefined,
  };
}

export function writeTaskResult(result: TaskResult): noisefold.v1.TaskResult.$Properties {
  return {
    score: writeScore(result.score),
    checkpoint: result.checkpoint ?? null,
    history: [...result.history],
    corruption: [...result.corruption],
    seconds: result.seconds,
    parameters: result.parameters,
    engine: result.engine,
  };
}

export function readTaskResult(result: noisefold.v1.TaskResult.$Shape | null | undefined): unknown {
  if (!result) return undefined;
  return {
    score: readScore(result.score),
    ...present({ checkpoint: result.checkpoint }),
    history: result.history?.map(({ epoch, step, loss, learningRate, corruption }) => ({
      epoch,
      step: integer(step),
      loss,
      learningRate,
      corruption,
    })),
    corruption: result.corruption?.map(({ column, nominal, effective }) => ({ column, nominal, effective })),
    seconds: result.seconds,
    parameters: integer(result.parameters),
    engine: result.engine,
  };
}

function writeScore(score: RidgeScore): noisefold.v1.RidgeScore.$Properties {
  return {
    alphas: [...score.alphas],
    folds: score.folds.map(({ fold, rows, metrics }) => ({
      fold,
      rows,
      metrics: metrics.map(({ auc, accuracy, ...errors }) => ({ ...errors, auc: auc ?? null, accuracy: accuracy ?? null })),
    })),
    best: score.best,
    features: score.features,
  };
}

function readScore(score: noisefold.v1.RidgeScore.$Shape | null | undefined): unknown {
  if (!score) return undefined;
  return {
    alphas: score.alphas,
    folds: score.folds?.map(({ fold, rows, metrics }) => ({
      fold,
      rows,
      metrics: metrics?.map(({ rmse, mae, r2, auc, accuracy }) => ({ rmse, mae, r2, ...present({ auc, accuracy }) })),
    })),
    best: score.best,
    features: score.features,
  };
}
