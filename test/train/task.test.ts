import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import { memoryArtifacts } from '../../src/artifacts/memory.ts';
import { decodeCheckpoint } from '../../src/checkpoint/format.ts';
import type { RidgeConfig, TrialConfig } from '../../src/config/types.ts';
import { onnxEngine } from '../../src/engine/onnx/engine.ts';
import type { TaskFold, TrialKind } from '../../src/plan/types.ts';
import { referenceLinearAlgebra } from '../../src/ridge/reference.ts';
import { runTask, type TaskDependencies, type TaskOutcome } from '../../src/train/task.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../../src/train/types.ts';
import { fakeEngine, tickingClock, tinyConfig, tinyData } from './fixtures.ts';

const data = tinyData();
const lastStep = 28;
const ridge: RidgeConfig = {
  alphas: [0.1, 10],
  folds: { count: 3, kind: 'plain' },
  learningCurve: { labels: [], draws: 1 },
};

interface SpecChanges {
  readonly kind?: TrialKind;
  readonly config?: TrialConfig;
  readonly toStep?: number;
  readonly resumeFrom?: string;
  readonly data?: string;
  readonly seed?: number;
}

const spec = ({ kind = 'trained', config = tinyConfig, toStep, resumeFrom, seed = 5, ...other }: SpecChanges = {}): TaskSpec => {
  const end = toStep ?? (kind === 'trained' ? lastStep : 0);
  return {
    task: { id: `trial-0001/all/0-${end}`, trial: 'trial-0001', fold: 'all', rung: 0, fromStep: 0, toStep: end },
    kind,
    config,
    seed,
    ridge,
    data: other.data ?? data.hash,
    resumeFrom,
  };
};

const run = (changes: SpecChanges = {}, dependencies: Partial<TaskDependencies> = {}): Promise<TaskOutcome> =>
  runTask(spec(changes), {
    data,
    engine: fakeEngine(),
    linearAlgebra: referenceLinearAlgebra,
    artifacts: memoryArtifacts(),
    clock: tickingClock(),
    signal: new AbortController().signal,
    onProgress: () => {},
    onCheckpoint: () => {},
    ...dependencies,
  });

const finished = async (outcome: Promise<TaskOutcome>): Promise<Omit<TaskResult, 'seconds'>> => {
  const ended = await outcome;
  assert(!ended.stopped);
  const { seconds, ...result } = ended.result;
  assert(seconds > 0);
  return result;
};

/** Ridge by the normal equations of centred columns and Gaussian elimination: the slow, obvious way. */
function plainRidge(alpha: number): number[] {
  const { inputs, target, folds, foldCount } = data;
  const p = inputs.cols;
  const row = (i: number): number[] => [...inputs.data.subarray(i * p, (i + 1) * p)];
  return Array.from({ length: foldCount }, (_, fold) => {
    const train = [...folds.keys()].filter((i) => (folds[i] ?? -1) >= 0 && folds[i] !== fold);
    const test = [...folds.keys()].filter((i) => folds[i] === fold);
    const mean = (of: (i: number) => number): number => train.reduce((sum, i) => sum + of(i), 0) / train.length;
    const centre = Array.from({ length: p }, (_, j) => mean((i) => row(i)[j] ?? NaN));
    const yMean = mean((i) => target[i] ?? NaN);
    const x = (i: number, j: number): number => (row(i)[j] ?? NaN) - (centre[j] ?? NaN);
    const system = Array.from({ length: p }, (_, a) => [
      ...Array.from({ length: p }, (_, b) => train.reduce((sum, i) => sum + x(i, a) * x(i, b), a === b ? alpha : 0)),
      train.reduce((sum, i) => sum + x(i, a) * ((target[i] ?? NaN) - yMean), 0),
    ]);
    for (let k = 0; k < p; k++)
      for (let r = 0; r < p; r++) {
        if (r === k) continue;
        const factor = (system[r]?.[k] ?? NaN) / (system[k]?.[k] ?? NaN);
        for (let c = k; c <= p; c++) system[r]![c]! -= factor * (system[k]?.[c] ?? NaN);
      }
    const w = system.map((equation, k) => (equation[p] ?? NaN) / (equation[k] ?? NaN));
    const squares = test.map((i) => (w.reduce((sum, wj, j) => sum + wj * x(i, j), yMean) - (target[i] ?? NaN)) ** 2);
    return Math.sqrt(squares.reduce((a, b) => a + b) / squares.length);
  });
}

describe('a task', () => {
  it('of a trained trial ends with a score, a history and a checkpoint that is stored', async () => {
    const store = memoryArtifacts();
    const result = await finished(run({}, { artifacts: store }));
    assert.equal(result.history.length, 4);
    assert.equal(result.engine, 'cpu');
    assert.equal(result.score.folds.length, 3);
    assert(
      result.score.folds.every(({ metrics }) => metrics.every(({ rmse, mae, r2 }) => [rmse, mae, r2].every(Number.isFinite))),
    );
    assert.deepEqual(
      result.corruption.map(({ column, nominal }) => [column, nominal]),
      Object.entries(tinyConfig.noise.swapProbability),
    );
    const checkpoint = decodeCheckpoint(await store.get(result.checkpoint ?? ''));
    assert.equal(checkpoint.state.step, lastStep);
    assert.equal(checkpoint.state.weights.length, result.parameters);
    assert.deepEqual(checkpoint.history, result.history);
  });

  it('of the raw baseline is plain ridge on the inputs', async () => {
    const { score, checkpoint, history, parameters } = await finished(run({ kind: 'raw' }));
    assert.deepEqual([checkpoint, history, parameters, score.features], [undefined, [], 0, 5]);
    for (const [a, alpha] of ridge.alphas.entries())
      for (const [fold, rmse] of plainRidge(alpha).entries())
        assert(Math.abs((score.folds[fold]?.metrics[a]?.rmse ?? NaN) - rmse) < 1e-9, `fold ${fold}, alpha ${alpha}`);
  });

  it('of the untrained baseline is scored at step 0, where every trial with this network starts', async () => {
    const untrained = await finished(run({ kind: 'untrained' }));
    const trainedForNothing = await finished(run({ kind: 'trained', toStep: 0 }));
    assert.deepEqual(untrained.score, trainedForNothing.score);
    assert.deepEqual(untrained.history, []);
    assert.notDeepEqual(untrained.score, (await finished(run())).score);
  });

  it('scores the layers that the configuration names, and the inputs beside them', async () => {
    const features = async (layers: TrialConfig['features']['layers'], inputs: boolean): Promise<number> =>
      (await finished(run({ kind: 'untrained', config: { ...tinyConfig, features: { layers, inputs } } }))).score.features;
    await assert.rejects(features([2], false), { code: 'MODEL_SHAPE' });
    await assert.rejects(features([], false), { code: 'MODEL_SHAPE' });
    assert.deepEqual([await features('all', false), await features('last', false), await features([1, 0], true)], [8, 4, 13]);
  });

  it('gives AUC and accuracy for a binary target', async () => {
    const binary = tinyData(60, 'binary');
    const { score } = await finished(run({ data: binary.hash, kind: 'raw' }, { data: binary }));
    assert(score.folds.every(({ metrics }) => metrics.every(({ auc = 0, accuracy = 0 }) => auc > 0.8 && accuracy > 0.6)));
  });

  it('reports training, then scoring', async () => {
    const reports: TaskProgress[] = [];
    await run({}, { onProgress: (progress) => reports.push(progress), clock: tickingClock(100) });
    const phases = reports.map(({ phase }) => phase);
    assert.deepEqual([...new Set(phases)], ['starting', 'training', 'scoring']);
    assert.deepEqual(
      phases,
      [...phases].sort((a, b) => ['starting', 'training', 'scoring'].indexOf(a) - ['starting', 'training', 'scoring'].indexOf(b)),
    );
  });

  it('refuses data that its plan was not made for', async () => {
    await assert.rejects(run({ data: 'another' }), { code: 'DATA_MISMATCH' });
  });

  it('of a fold refuses data that is encoded by other rows than its own', async () => {
    const whole = spec();
    const dependencies = {
      engine: fakeEngine(),
      linearAlgebra: referenceLinearAlgebra,
      artifacts: memoryArtifacts(),
      clock: tickingClock(),
      signal: new AbortController().signal,
      onProgress: () => {},
      onCheckpoint: () => {},
    };
    const of = (fold: TaskFold, heldOut: number | undefined) =>
      runTask({ ...whole, task: { ...whole.task, fold } }, { ...dependencies, data: { ...data, heldOut } });
    await assert.rejects(of(0, undefined), { code: 'DATA_MISMATCH' });
    await assert.rejects(of(0, 1), { code: 'DATA_MISMATCH' });
    await assert.rejects(of('all', 0), { code: 'DATA_MISMATCH' });
  });

  it('fails with TRAIN_DIVERGED when the loss is not finite', async () => {
    await assert.rejects(run({}, { engine: fakeEngine({ loss: () => NaN }) }), { code: 'TRAIN_DIVERGED' });
  });
});

describe('a task that is stopped', () => {
  it('ends in the same result and checkpoint bytes, however often it was stopped, and wherever', async () => {
    const averaged = { ...tinyConfig, training: { ...tinyConfig.training, averageLast: 3 } };
    const straightStore = memoryArtifacts();
    const straights = {
      last: await finished(run({}, { artifacts: straightStore })),
      mean: await finished(run({ config: averaged }, { artifacts: straightStore })),
    };
    const stop = fc.uniqueArray(fc.integer({ min: 1, max: lastStep }), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(stop, fc.constantFrom('last', 'mean'), async (stops, weights) => {
        const straight = straights[weights];
        const changes = weights === 'mean' ? { config: averaged } : {};
        const store = memoryArtifacts();
        let last: { hash: string; step: number } | undefined;
        const onCheckpoint = (hash: string, step: number): void => void (last = { hash, step });
        for (const stop of stops.sort((a, b) => a - b)) {
          const controller = new AbortController();
          const engine = fakeEngine({ beforeStep: (step) => step === stop && controller.abort() });
          const resume = last === undefined ? changes : { ...changes, resumeFrom: last.hash };
          const outcome = await run(resume, { engine, signal: controller.signal, artifacts: store, onCheckpoint });
          assert.equal(outcome.stopped, true);
          assert.equal(last?.step, stop);
        }
        const resume = last === undefined ? changes : { ...changes, resumeFrom: last.hash };
        const result = await finished(run(resume, { artifacts: store }));
        assert.deepEqual(result, straight);
        assert.deepEqual(await store.get(result.checkpoint ?? ''), await straightStore.get(straight.checkpoint ?? ''));
      }),
      { numRuns: 20 },
    );
  });

  it('ends in the same bytes on the compiled engine as well', async () => {
    const engine = onnxEngine({ threads: 1 });
    const straightStore = memoryArtifacts();
    const straight = await finished(run({}, { artifacts: straightStore, engine }));
    const store = memoryArtifacts();
    let resumeFrom: string | undefined;
    for (const stop of [5, 7, 18, undefined]) {
      const controller = new AbortController();
      const outcome = await run(resumeFrom === undefined ? {} : { resumeFrom }, {
        artifacts: store,
        engine: onnxEngine({ threads: 1 }),
        signal: controller.signal,
        clock: tickingClock(1_000),
        onProgress: ({ phase, step }) => phase === 'training' && step === stop && controller.abort(),
        onCheckpoint: (hash) => void (resumeFrom = hash),
      });
      assert.equal(outcome.stopped, stop !== undefined);
      if (!outcome.stopped) assert.deepEqual({ ...outcome.result, seconds: 0 }, { ...straight, seconds: 0 });
    }
    assert.deepEqual(await store.get(resumeFrom ?? ''), await straightStore.get(straight.checkpoint ?? ''));
  });

  it('while it scores goes on from the end of training', async () => {
    const store = memoryArtifacts();
    const straight = await finished(run());
    const controller = new AbortController();
    let resumeFrom = '';
    const stopped = await run(
      {},
      {
        artifacts: store,
        signal: controller.signal,
        clock: tickingClock(100),
        onProgress: ({ phase }) => phase === 'scoring' && controller.abort(),
        onCheckpoint: (hash) => void (resumeFrom = hash),
      },
    );
    assert.equal(stopped.stopped, true);
    const noTraining = fakeEngine({ beforeStep: () => assert.fail('trained again') });
    assert.deepEqual(await finished(run({ resumeFrom }, { artifacts: store, engine: noTraining })), straight);
  });

  it('goes on from any checkpoint that was stored on the way', async () => {
    const store = memoryArtifacts();
    const stored: [string, number][] = [];
    const straight = await finished(run({}, { artifacts: store, onCheckpoint: (...checkpoint) => stored.push(checkpoint) }));
    assert.deepEqual(
      stored.map(([, step]) => step),
      [14, 28],
    );
    for (const [resumeFrom] of stored) assert.deepEqual(await finished(run({ resumeFrom }, { artifacts: store })), straight);
  });
});

describe('a checkpoint', () => {
  it('that is lost or damaged costs time, not the result: the task starts anew', async () => {
    const store = memoryArtifacts();
    const straight = await finished(run({}, { artifacts: store }));
    for (const code of ['ARTIFACT_NOT_FOUND', 'ARTIFACT_CORRUPT'] as const) {
      const broken: typeof store = { ...store, get: () => Promise.reject(new NoisefoldError(code, 'gone')) };
      assert.deepEqual(await finished(run({ resumeFrom: 'f'.repeat(64) }, { artifacts: broken })), straight);
    }
  });

  it('is refused by a task with another noise, learning rate, network or seed, and beyond its last step', async () => {
    const store = memoryArtifacts();
    const { checkpoint: resumeFrom = '' } = await finished(run({ toStep: 9 }, { artifacts: store }));
    const { noise, training } = tinyConfig;
    const others: SpecChanges[] = [
      { config: { ...tinyConfig, noise: { ...noise, flavour: 'reference' } } },
      { config: { ...tinyConfig, noise: { ...noise, swapProbability: { ...noise.swapProbability, depth: 0.21 } } } },
      { config: { ...tinyConfig, training: { ...training, learningRate: 0.02 } } },
      { config: { ...tinyConfig, model: { kind: 'mlp', units: 3, layers: 2 } } },
      { config: { ...tinyConfig, training: { ...training, averageLast: 2 } } },
      { seed: 6 },
      { toStep: 8 },
    ];
    for (const other of others)
      await assert.rejects(run({ ...other, resumeFrom }, { artifacts: store }), { code: 'CHECKPOINT_MISMATCH' });
  });

  it('is taken by a task that only trains longer or saves at other times', async () => {
    const store = memoryArtifacts();
    const { checkpoint: resumeFrom = '' } = await finished(run({ toStep: 9 }, { artifacts: store }));
    const training = { ...tinyConfig.training, epochs: 9, checkpointEveryEpochs: 1 };
    const longer = await finished(run({ config: { ...tinyConfig, training }, resumeFrom }, { artifacts: store }));
    assert.deepEqual(longer, await finished(run()));
  });
});
