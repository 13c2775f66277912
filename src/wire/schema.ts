/**
 * What a well-formed message is, checked on both sides of the wire. Outgoing too, because protobuf encodes out-of-range numbers without
 * complaint: 2^40 + 5 in a uint32 arrives as 5.
 *
 * Three kinds of doubles: finite; probabilities and shares in [0, 1]; and any double, NaN and infinities included, where "undefined" is a
 * legitimate value of a metric (R2 of a constant target) or of a loss that diverges while a user looks on.
 */
import { z } from 'zod';
import { foldKinds, noiseFlavours, type RidgeConfig, type TrialConfig } from '../config/types.ts';
import { trialKinds, type Task } from '../plan/types.ts';
import type { RidgeScore } from '../ridge/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../train/types.ts';
import type { CoordinatorMessage, WorkerMessage } from './messages.ts';

const isWellFormed = (text: string): boolean => !/\p{Surrogate}/u.test(text);
const isShare = (value: number): boolean => value >= 0 && value <= 1;

const text = z.string().refine(isWellFormed, 'has half a surrogate pair');
const name = text.min(1);
const hash = z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in 64 lower-case hexadecimal digits');
const uint32 = z.int().min(0).max(0xffff_ffff);
const count = uint32.min(1);
const step = z.int().min(0);
const share = z.number().min(0).max(1);
const positive = z.number().positive();
const notNegative = z.number().min(0);
const anyDouble = z.custom<number>((value) => typeof value === 'number', 'is not a number');
/** For a member that is always there and may be undefined; zod's own z.undefined() would make it one that may be left out. */
const absent = z.custom<undefined>((value) => value === undefined);

// Checked as a whole: zod's records skip a column called __proto__.
const probabilities = z.custom<Record<string, number>>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.entries(value).every(([column, p]: [string, unknown]) => isWellFormed(column) && typeof p === 'number' && isShare(p)),
  'is not a probability in [0, 1] for every column',
);

const task: z.ZodType<Task> = z
  .object({ id: name, trial: name, fold: z.union([uint32, z.literal('all')]), rung: uint32, fromStep: step, toStep: step })
  .refine((range) => range.fromStep <= range.toStep, { message: 'is before fromStep', path: ['toStep'] });

const model = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('transformer'), tokens: count, tokenSize: count, heads: count, feedForward: count, layers: count }),
  z.object({ kind: z.literal('mlp'), units: count, layers: count }),
]);

const trialConfig: z.ZodType<TrialConfig> = z.object({
  noise: z.object({ flavour: z.enum(noiseFlavours), swapProbability: probabilities }),
  model,
  training: z.object({
    epochs: uint32,
    batchSize: count,
    learningRate: positive,
    learningRateDecay: positive,
    loss: z.object({ emphasis: share, maskWeight: notNegative }),
    checkpointEveryEpochs: count,
    averageLast: count.optional(),
  }),
  features: z.object({ layers: z.union([z.array(uint32), z.literal('all'), z.literal('last')]), inputs: z.boolean() }),
});

const alphas = z
  .array(positive)
  .min(1)
  .refine((values) => values.every((alpha, index) => index === 0 || alpha > (values[index - 1] ?? alpha)), 'is not ascending');

const ridgeConfig: z.ZodType<RidgeConfig> = z.object({
  alphas,
  folds: z.object({ count: uint32.min(2), kind: z.enum(foldKinds), column: text.optional() }),
  learningCurve: z.object({ labels: z.array(count), draws: uint32 }),
});

const taskSpec: z.ZodType<TaskSpec> = z.object({
  task,
  kind: z.enum(trialKinds),
  config: trialConfig,
  seed: z.int(),
  ridge: ridgeConfig,
  data: hash,
  resumeFrom: hash.optional(),
});

const taskProgress: z.ZodType<TaskProgress> = z.object({
  phase: z.enum(['starting', 'training', 'scoring']),
  step,
  toStep: step,
  epoch: uint32,
  epochs: uint32,
  loss: z.union([anyDouble, absent]),
  rowsPerSecond: notNegative,
  secondsLeft: z.union([notNegative, absent]),
});

const metrics = z.object({
  rmse: anyDouble,
  mae: anyDouble,
  r2: anyDouble,
  auc: anyDouble.optional(),
  accuracy: anyDouble.optional(),
});

const ridgeScore: z.ZodType<RidgeScore> = z
  .object({
    alphas,
    folds: z.array(z.object({ fold: uint32, rows: uint32, metrics: z.array(metrics) })),
    best: uint32,
    features: uint32,
  })
  .refine((score) => score.best < score.alphas.length, { message: 'is not an index into alphas', path: ['best'] })
  .refine((score) => score.folds.every((fold) => fold.metrics.length === score.alphas.length), {
    message: 'must have one set of metrics for each alpha',
    path: ['folds'],
  });

const taskResult: z.ZodType<TaskResult> = z.object({
  score: ridgeScore,
  checkpoint: hash.optional(),
  history: z.array(z.object({ epoch: uint32, step, loss: z.number(), learningRate: notNegative, corruption: share })),
  corruption: z.array(z.object({ column: text, nominal: share, effective: share })),
  seconds: notNegative,
  parameters: step,
  engine: name,
});

const lease = { task: name, attempt: uint32 };

export const workerMessage: z.ZodType<WorkerMessage> = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    protocol: uint32,
    version: text,
    name,
    pid: uint32,
    engine: name,
    device: text,
    threads: uint32,
  }),
  z.object({ type: z.literal('heartbeat'), running: z.union([z.object({ ...lease, progress: taskProgress }), absent]) }),
  z.object({ type: z.literal('checkpointed'), ...lease, hash, step }),
  z.object({ type: z.literal('done'), ...lease, result: taskResult }),
  // Messages and reasons may be cut anywhere, so the codec mends them instead of refusing them.
  z.object({
    type: z.literal('failed'),
    ...lease,
    failure: z.object({ code: name, message: z.string(), retryable: z.boolean() }),
  }),
  z.object({ type: z.literal('returned'), ...lease }),
  z.object({ type: z.literal('goodbye') }),
]);

export const coordinatorMessage: z.ZodType<CoordinatorMessage> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('welcome'), study: name, heartbeatMs: count, leaseMs: count, artifacts: name }),
  z.object({ type: z.literal('refuse'), code: name, reason: z.string() }),
  z.object({ type: z.literal('assign'), attempt: uint32, spec: taskSpec }),
  z.object({ type: z.literal('acknowledge'), ...lease }),
  z.object({ type: z.literal('cancel'), ...lease }),
  z.object({ type: z.literal('drain') }),
  z.object({ type: z.literal('introduce') }),
]);
