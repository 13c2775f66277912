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
import { studyStatuses, taskStatuses, trialStatuses, workerStatuses } from '../../src/scheduler/types.ts';
import { maxBlobBytes, maxChunkBytes } from '../../src/wire/fields.ts';
import {
  protocolVersion,
  type ClientAnswer,
  type ClientRequest,
  type FromCoordinator,
  type ToCoordinator,
} from '../../src/wire/messages.ts';

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
    {
      task,
      kind: fc.constantFrom(...trialKinds),
      config,
      seed: fc.maxSafeInteger(),
      ridge,
      data: hash,
      resumeFrom: hash,
      engine: fc.constantFrom('onnx', 'cpu'),
    },
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

const study = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/);
const lease = { study, task: name, attempt: uint32 };
const type = <T extends string>(value: T): fc.Arbitrary<T> => fc.constant(value);
const capabilities = fc.record({ engine: name, device: text, threads: uint32, memory: step });
const blob = { transfer: uint32, hash };

const piece = <T extends 'put' | 'chunk'>(kind: T) =>
  fc
    .record({
      type: type(kind),
      ...blob,
      offset: fc.nat(2 ** 31 - 1),
      left: fc.nat(100),
      bytes: fc.uint8Array({ maxLength: 100 }),
    })
    .map(({ left, ...rest }) => ({ ...rest, total: rest.offset + rest.bytes.length + left }));

export const clientRequest: fc.Arbitrary<ClientRequest> = fc.oneof(
  fc.record({
    type: type('submit'),
    config: text,
    configHash: hash,
    dataHash: hash,
    table: hash,
    data: fc.array(hash, { maxLength: 3 }),
    plan: text,
    version: text,
  }),
  fc.record({ type: fc.constantFrom('list' as const, 'workers' as const) }),
  fc.record({
    type: type('tasks'),
    study,
    statuses: fc.subarray([...taskStatuses]),
    offset: uint32,
    limit: fc.integer({ min: 0, max: 1_000 }),
  }),
  fc.record({ type: type('logs'), study, task: perhaps(name), last: fc.nat(100_000) }),
  fc.record({ type: fc.constantFrom('status' as const, 'pause', 'resume', 'cancel', 'retry', 'snapshot'), study }),
);

const counts = <K extends string>(statuses: readonly K[]): fc.Arbitrary<Record<K, number>> =>
  fc
    .array(uint32, { minLength: statuses.length, maxLength: statuses.length })
    .map((numbers) => Object.fromEntries(statuses.map((status, index) => [status, numbers[index]])) as Record<K, number>);
const scored = perhaps(fc.record({ trial: name, score: anyDouble }));

const studySummary = fc.record({
  name: study,
  status: fc.constantFrom(...studyStatuses),
  trouble: perhaps(text),
  createdMs: step,
  metric: fc.constantFrom('rmse' as const, 'auc' as const),
  tasks: counts(taskStatuses),
  trials: counts(trialStatuses),
  baselines: counts(trialStatuses),
  rung: perhaps(
    fc.record({
      number: fc.integer({ min: 1, max: 9 }),
      of: fc.integer({ min: 1, max: 9 }),
      epochs: uint32,
      trials: uint32,
      scored: uint32,
    }),
  ),
  best: scored,
  raw: scored,
  untrained: scored,
  secondsLeft: perhaps(notNegative),
  atLeast: fc.boolean(),
});

const taskSummary = fc.record({
  task: name,
  trial: name,
  status: fc.constantFrom(...taskStatuses),
  attempt: uint32,
  failures: uint32,
  losses: uint32,
  worker: perhaps(name),
  checkpointStep: perhaps(step),
  toStep: step,
  progress: perhaps(taskProgress),
  score: perhaps(anyDouble),
  seconds: perhaps(notNegative),
  error: perhaps(fc.record({ code: name, message: text })),
});

const workerSummary = fc.record({
  name,
  status: fc.constantFrom(...workerStatuses),
  version: text,
  capabilities,
  running: perhaps(fc.record(lease)),
  lastSeenMs: step,
  reason: perhaps(text),
});

const few = <T>(value: fc.Arbitrary<T>) => fc.array(value, { maxLength: 3 });

export const clientAnswer: fc.Arbitrary<ClientAnswer> = fc.oneof(
  fc.record({ type: type('accepted'), study, existed: fc.boolean() }),
  fc.record({ type: type('studies'), studies: few(studySummary) }),
  fc.record({ type: type('study'), study: studySummary, running: few(taskSummary), failed: few(taskSummary) }),
  fc.record({ type: type('tasks'), total: uint32, tasks: few(taskSummary) }),
  fc.record({ type: type('workers'), workers: few(workerSummary) }),
  fc.record({
    type: type('story'),
    lines: few(fc.record({ atMs: step, task: name, attempt: uint32, from: name, to: name, worker: perhaps(name), cause: text })),
  }),
  fc.record({ type: type('snapshot'), hash, bytes: step }),
  fc.record({ type: type('error'), code: name, message: text, hint: perhaps(text) }),
);

export const toCoordinator: fc.Arbitrary<ToCoordinator> = plain(
  fc.oneof(
    fc.record({
      ...{ type: type('hello'), protocol: fc.constant(protocolVersion), version: text, name, pid: uint32, capabilities },
      running: perhaps(fc.record(lease)),
    }),
    fc.record({ type: type('heartbeat'), running: perhaps(fc.record({ ...lease, progress: taskProgress })) }),
    fc.record({ type: type('checkpointed'), ...lease, hash, step }),
    fc.record({ type: type('done'), ...lease, result: taskResult }),
    fc.record({ type: type('failed'), ...lease, failure: fc.record({ code: name, message: text, retryable: fc.boolean() }) }),
    fc.record({ type: type('returned'), ...lease }),
    fc.record({ type: type('probed'), reason: perhaps(text) }),
    fc.record({ type: type('goodbye') }),
    fc.record({
      type: type('fetch'),
      ...blob,
      offset: fc.integer({ min: 0, max: maxBlobBytes }),
      length: fc.integer({ min: 1, max: maxChunkBytes }),
    }),
    piece('put'),
    fc.record({ type: type('request'), request: uint32, protocol: fc.constant(protocolVersion), body: clientRequest }),
  ),
);

export const fromCoordinator: fc.Arbitrary<FromCoordinator> = plain(
  fc.oneof(
    fc.record({ type: type('welcome'), heartbeatMs: count, leaseMs: count, artifacts: text, coordinator: name }),
    fc.record({ type: type('refuse'), code: name, reason: text }),
    fc.record({ type: type('assign'), study, attempt: uint32, spec: taskSpec }),
    fc.record({ type: fc.constantFrom('acknowledge' as const, 'cancel' as const, 'yield' as const), ...lease }),
    fc.record({ type: fc.constantFrom('probe' as const, 'drain' as const, 'introduce' as const) }),
    piece('chunk'),
    fc.record({ type: type('stored'), ...blob, received: fc.integer({ min: 0, max: maxBlobBytes }), complete: fc.boolean() }),
    fc.record({ type: type('refused'), ...blob, code: name, reason: text }),
    fc.record({ type: type('reply'), request: uint32, body: clientAnswer }),
  ),
);
