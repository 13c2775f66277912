/** What a well-formed task is, with its progress and its result. */
import { z } from 'zod';
import { engineNames, foldKinds, noiseFlavours, type RidgeConfig, type TrialConfig } from '../config/types.ts';
import { trialKinds, type Task } from '../plan/types.ts';
import type { RidgeScore } from '../ridge/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../train/types.ts';
import { anyDouble, count, hash, isShare, maybe, name, notNegative, positive, safe, share, text, uint32 } from './fields.ts';

// Checked as a whole: zod's records skip a column called __proto__.
const probabilities = z.custom<Record<string, number>>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).length <= 100_000 &&
    Object.entries(value).every(
      ([column, p]: [string, unknown]) => text.safeParse(column).success && typeof p === 'number' && isShare(p),
    ),
  'is not a probability in [0, 1] for every column',
);

const task: z.ZodType<Task> = z
  .object({ id: name, trial: name, fold: z.union([uint32, z.literal('all')]), rung: uint32, fromStep: safe, toStep: safe })
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
  features: z.object({ layers: z.union([z.array(uint32).max(1_000), z.literal('all'), z.literal('last')]), inputs: z.boolean() }),
});

const alphas = z
  .array(positive)
  .min(1)
  .max(1_000)
  .refine((values) => values.every((alpha, index) => index === 0 || alpha > (values[index - 1] ?? alpha)), 'is not ascending');

const ridgeConfig: z.ZodType<RidgeConfig> = z.object({
  alphas,
  folds: z.object({ count: uint32.min(2), kind: z.enum(foldKinds), column: text.optional() }),
  learningCurve: z.object({ labels: z.array(count).max(1_000), draws: uint32 }),
});

export const taskSpec: z.ZodType<TaskSpec> = z.object({
  task,
  kind: z.enum(trialKinds),
  config: trialConfig,
  seed: z.int(),
  ridge: ridgeConfig,
  data: hash,
  resumeFrom: hash.optional(),
  engine: z.enum(engineNames).exclude(['auto']).optional(),
});

export const taskProgress: z.ZodType<TaskProgress> = z.object({
  phase: z.enum(['starting', 'training', 'scoring']),
  step: safe,
  toStep: safe,
  epoch: uint32,
  epochs: uint32,
  loss: maybe(anyDouble),
  rowsPerSecond: notNegative,
  secondsLeft: maybe(notNegative),
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
    folds: z.array(z.object({ fold: uint32, rows: uint32, metrics: z.array(metrics).max(1_000) })).max(10_000),
    best: uint32,
    features: uint32,
  })
  .refine((score) => score.best < score.alphas.length, { message: 'is not an index into alphas', path: ['best'] })
  .refine((score) => score.folds.every((fold) => fold.metrics.length === score.alphas.length), {
    message: 'must have one set of metrics for each alpha',
    path: ['folds'],
  });

export const taskResult: z.ZodType<TaskResult> = z.object({
  score: ridgeScore,
  checkpoint: hash.optional(),
  history: z
    .array(z.object({ epoch: uint32, step: safe, loss: z.number(), learningRate: notNegative, corruption: share }))
    .max(100_000),
  corruption: z.array(z.object({ column: text, nominal: share, effective: share })).max(100_000),
  seconds: notNegative,
  parameters: safe,
  engine: name,
});
