/** Arbitrary messages of every kind, for properties of the codec and the transports. */
import fc from 'fast-check';
import {
  foldKinds,
  noiseFlavours,
  type FeaturesConfig,
  type ModelConfig,
  type RidgeConfig,
  type TrialConfig,
} from '../../src/config/types.ts';
import { trialKinds, type Task } from '../../src/plan/types.ts';
import type { RidgeScore } from '../../src/ridge/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../../src/train/types.ts';
import type { CoordinatorMessage, WorkerMessage } from '../../src/wire/messages.ts';

/** fast-check makes objects without a prototype; messages have one. */
const plain = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T> => value.map((made) => structuredClone(made));

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 });
const hash = fc.string({ unit: fc.constantFrom('0', '9', 'a', 'f'), minLength: 64, maxLength: 64 });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const count = fc.integer({ min: 1, max: 0xffff_ffff });
const share = fc.double({ min: 0, max: 1, noNaN: true });
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const positive = fc.double({ min: Number.MIN_VALUE, noNaN: true, noDefaultInfinity: true });
const notNegative = fc.double({ min: 0, noNaN: true, noDefaultInfinity: true });
const anyDouble = fc.double();
const step = fc.maxSafeNat();
const perhaps = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });

const task: fc.Arbitrary<Task> = fc
  .record({
    id: name,
    trial: name,
    fold: fc.oneof(uint32, fc.constant('all' as const)),
    rung: uint32,
    steps: fc.tuple(step, step),
  })
  .map(({ steps: [a, b], ...rest }) => ({ ...rest, fromStep: Math.min(a, b), toStep: Math.max(a, b) }));

const model: fc.Arbitrary<ModelConfig> = fc.oneof(
  fc.record({
    kind: fc.constant('transformer' as const),
    tokens: count,
    tokenSize: count,
    heads: count,
    feedForward: count,
    layers: count,
  }),
  fc.record({ kind: fc.constant('mlp' as const), units: count, layers: count }),
);

const layers: fc.Arbitrary<FeaturesConfig['layers']> = fc.oneof(
  fc.constantFrom('all' as const, 'last' as const),
  fc.array(uint32, { maxLength: 3 }),
);

const config: fc.Arbitrary<TrialConfig> = fc.record({
  // fast-check's keys include __proto__, toString and the like, which a table may well have as columns.
  noise: fc.record({
    flavour: fc.constantFrom(...noiseFlavours),
    swapProbability: fc.dictionary(fc.oneof(text, fc.constant('__proto__')), share),
  }),
  model,
  training: fc.record({
    epochs: uint32,
    batchSize: count,
    learningRate: positive,
    learningRateDecay: positive,
    loss: fc.record({ emphasis: share, maskWeight: notNegative }),
    checkpointEveryEpochs: count,
    averageLast: count,
  }),
  features: fc.record({ layers, inputs: fc.boolean() }),
});

const alphas = fc.uniqueArray(positive, { minLength: 1, maxLength: 4 }).map((values) => values.sort((a, b) => a - b));

const ridge: fc.Arbitrary<RidgeConfig> = fc.record({
  alphas,
  folds: fc.record(
    { count: fc.integer({ min: 2, max: 100 }), kind: fc.constantFrom(...foldKinds), column: text },
    { requiredKeys: ['count', 'kind'] },
  ),
  learningCurve: fc.record({ labels: fc.array(count, { maxLength: 3 }), draws: uint32 }),
});

export const taskSpec: fc.Arbitrary<TaskSpec> = plain(
  fc.record(
    { task, kind: fc.constantFrom(...trialKinds), config, seed: fc.maxSafeInteger(), ridge, data: hash, resumeFrom: hash },
    { requiredKeys: ['task', 'kind', 'config', 'seed', 'ridge', 'data'] },
  ),
);

export const taskProgress: fc.Arbitrary<TaskProgress> = plain(
  fc.record({
    phase: fc.constantFrom('starting' as const, 'training' as const, 'scoring' as const),
    step,
    toStep: step,
    epoch: uint32,
    epochs: uint32,
    loss: perhaps(anyDouble),
    rowsPerSecond: notNegative,
    secondsLeft: perhaps(notNegative),
  }),
);

const metrics = fc.record(
  { rmse: anyDouble, mae: anyDouble, r2: anyDouble, auc: anyDouble, accuracy: anyDouble },
  { requiredKeys: ['rmse', 'mae', 'r2'] },
);

const score: fc.Arbitrary<RidgeScore> = alphas.chain((penalties) =>
  fc.record({
    alphas: fc.constant(penalties),
    folds: fc.array(
      fc.record({
        fold: uint32,
        rows: uint32,
        metrics: fc.array(metrics, { minLength: penalties.length, maxLength: penalties.length }),
      }),
      { maxLength: 3 },
    ),
    best: fc.integer({ min: 0, max: penalties.length - 1 }),
    features: uint32,
  }),
);

export const taskResult: fc.Arbitrary<TaskResult> = plain(
  fc.record(
    {
      score,
      checkpoint: hash,
      history: fc.array(fc.record({ epoch: uint32, step, loss: finite, learningRate: notNegative, corruption: share }), {
        maxLength: 3,
      }),
      corruption: fc.array(fc.record({ column: text, nominal: share, effective: share }), { maxLength: 3 }),
      seconds: notNegative,
      parameters: step,
      engine: name,
    },
    { requiredKeys: ['score', 'history', 'corruption', 'seconds', 'parameters', 'engine'] },
  ),
);

const lease = { task: name, attempt: uint32 };
const type = <T extends string>(value: T): fc.Arbitrary<T> => fc.constant(value);

export const workerMessage: fc.Arbitrary<WorkerMessage> = plain(
  fc.oneof(
    fc.record({
      type: type('hello'),
      protocol: uint32,
      version: text,
      name,
      pid: uint32,
      engine: name,
      device: text,
      threads: uint32,
    }),
    fc.record({ type: type('heartbeat'), running: perhaps(fc.record({ ...lease, progress: taskProgress })) }),
    fc.record({ type: type('checkpointed'), ...lease, hash, step }),
    fc.record({ type: type('done'), ...lease, result: taskResult }),
    fc.record({ type: type('failed'), ...lease, failure: fc.record({ code: name, message: text, retryable: fc.boolean() }) }),
    fc.record({ type: type('returned'), ...lease }),
    fc.record({ type: type('goodbye') }),
  ),
);

export const coordinatorMessage: fc.Arbitrary<CoordinatorMessage> = plain(
  fc.oneof(
    fc.record({ type: type('welcome'), study: name, heartbeatMs: count, leaseMs: count, artifacts: name }),
    fc.record({ type: type('refuse'), code: name, reason: text }),
    fc.record({ type: type('assign'), attempt: uint32, spec: taskSpec }),
    fc.record({ type: type('acknowledge'), ...lease }),
    fc.record({ type: type('cancel'), ...lease }),
    fc.record({ type: type('drain') }),
    fc.record({ type: type('introduce') }),
  ),
);
