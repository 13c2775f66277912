/** What every engine must do, whatever runs it. The cpu engine is the oracle: it is tfjs, operation by operation. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { before, describe, it, type TestContext } from 'node:test';
import { cpuEngine } from '../../src/engine/eager/engine.ts';
import type { Engine, TrainingSession, TrainingState } from '../../src/engine/engine.ts';
import { featureWidth, initialState, inputWidth, offsets, parameterSpecs } from '../../src/model/parameters.ts';
import type { NetworkSpec } from '../../src/model/types.ts';
import { batchOf } from '../model/batch.ts';
import { boundBytes, type Grown } from './engine-memory.ts';

const loss = { emphasis: 0.75, maskWeight: 2 };
const columns = { binary: 5, numerical: 3, categoricalSources: 2, numericalSources: 3, loss };
const transformer = { kind: 'transformer', tokens: 4, tokenSize: 8, heads: 2, feedForward: 16, layers: 2 } as const;
const mlp = { kind: 'mlp', units: 12, layers: 3 } as const;

interface Case {
  readonly name: string;
  readonly network: NetworkSpec;
  readonly batchSize: number;
}

export const cases: readonly Case[] = [
  { name: 'a transformer', network: { ...columns, model: transformer }, batchSize: 13 },
  { name: 'an mlp', network: { ...columns, model: mlp }, batchSize: 13 },
  {
    name: 'a transformer without binary inputs',
    network: { ...columns, model: transformer, binary: 0, categoricalSources: 0 },
    batchSize: 8,
  },
  {
    name: 'an mlp without numerical inputs',
    network: { ...columns, model: mlp, numerical: 0, numericalSources: 0 },
    batchSize: 8,
  },
  {
    name: 'one token and one head',
    network: { ...columns, model: { ...transformer, tokens: 1, heads: 1, layers: 1 } },
    batchSize: 6,
  },
  { name: 'a batch of one row', network: { ...columns, model: { ...transformer, layers: 1 } }, batchSize: 1 },
  { name: 'heads of size one', network: { ...columns, model: { ...transformer, heads: 8, layers: 1 } }, batchSize: 5 },
  {
    name: 'one unit and one input',
    network: {
      ...columns,
      binary: 0,
      numerical: 1,
      categoricalSources: 0,
      numericalSources: 1,
      model: { kind: 'mlp', units: 1, layers: 1 },
    },
    batchSize: 4,
  },
  {
    name: 'even weights and no mask loss',
    network: { ...columns, model: mlp, loss: { emphasis: 0.5, maskWeight: 0 } },
    batchSize: 4,
  },
];

const learningRate = (step: number): number => 3e-4 * 0.9 ** step;

async function train(session: TrainingSession, { network, batchSize }: Case, from: number, to: number): Promise<number[]> {
  const losses: number[] = [];
  for (let step = from; step < to; step++) losses.push(await session.step(batchOf(network, batchSize, step), learningRate(step)));
  return losses;
}

async function trained(engine: Engine, item: Case, steps: number): Promise<{ losses: number[]; state: TrainingState }> {
  const session = await engine.training(item.network, item.batchSize, initialState(item.network, 7));
  const losses = await train(session, item, 0, steps);
  const state = await session.state();
  await session.release();
  return { losses, state };
}

/**
 * |a - b| / |b|, leaving out the key third of each in_proj_bias. Softmax does not change when a constant is added to all of a query's logits,
 * so in exact arithmetic that gradient is 0; what is left is rounding, which Adam scales up to steps of the full learning rate.
 */
function distance(network: NetworkSpec, a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let size = 0;
  for (const { name, offset, size: length } of offsets(parameterSpecs(network))) {
    const keyBias = name.endsWith('in_proj_bias')
      ? ([offset + length / 3, offset + (2 * length) / 3] as const)
      : ([0, 0] as const);
    for (let i = offset; i < offset + length; i++) {
      if (i >= keyBias[0] && i < keyBias[1]) continue;
      difference += (a[i]! - b[i]!) ** 2;
      size += b[i]! ** 2;
    }
  }
  return Math.sqrt(difference / size);
}

const isNoisefoldError = (code: string) => (error: unknown) => (error as { code?: string }).code === code;

export interface ContractOptions {
  /** Why the engine is not there to be tested, if it is not: shown as the reason of the skip. */
  readonly absent?: string | false | undefined;
  /** How a process of its own loads the same engine: its name, and the device if it has a choice. The name alone if not given. */
  readonly loadedAs?: readonly [name: string, device?: string];
}

/** @param make with so many threads, where the engine lets each session choose */
export function engineContract(
  name: string,
  make: (threads: number) => Promise<Engine>,
  { absent = false, loadedAs = [name] }: ContractOptions = {},
): void {
  /** What one of the scripts beside this file prints about the engine. */
  const elsewhere = (script: string, threads = 1): string => {
    const [engine, device = ''] = loadedAs;
    const args = ['--expose-gc', '--import', 'tsx', new URL(script, import.meta.url).pathname, engine, String(threads), device];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    assert.equal(status, 0, stderr);
    return stdout;
  };

  describe(`the ${name} engine`, { skip: absent }, () => {
    const oracle = cpuEngine();
    let engine: Engine;
    before(async () => {
      engine = await make(1);
    });
    /** Skips what only an engine can be held to that promises its bytes. */
    const bitExact = (t: TestContext): boolean => {
      const { bitExact, version } = engine.capabilities;
      if (!bitExact) t.skip(`${version} on ${engine.capabilities.device} does not promise to end in the same bytes`);
      return bitExact;
    };

    for (const item of cases) {
      it(`finds the loss and the gradients of ${item.name} as the oracle does`, async () => {
        const expected = await trained(oracle, item, 1);
        const found = await trained(engine, item, 1);
        assert.ok(Math.abs(found.losses[0]! - expected.losses[0]!) <= 1e-6 * Math.abs(expected.losses[0]!));
        // Adam's first moment starts from 0: after one step it is a tenth of the gradient, and the second one a thousandth of its square.
        for (const moment of ['firstMoment', 'secondMoment'] as const) {
          const far = distance(item.network, found.state[moment], expected.state[moment]);
          assert.ok(far <= 1e-5, `${moment} ${far} apart`);
        }
        const far = distance(item.network, found.state.weights, expected.state.weights);
        assert.ok(far <= 1e-5, `weights ${far} apart`);
      });

      it(`trains ${item.name} as the oracle does`, async () => {
        const expected = await trained(oracle, item, 20);
        const found = await trained(engine, item, 20);
        assert.equal(found.state.step, 20);
        found.losses.forEach((value, i) => {
          const other = expected.losses[i]!;
          assert.ok(Math.abs(value - other) <= 1e-5 * Math.abs(other), `loss ${i}: ${value}, oracle ${other}`);
        });
        const far = distance(item.network, found.state.weights, expected.state.weights);
        assert.ok(far <= 1e-5, `weights ${far} apart`);
        const start = initialState(item.network, 7).weights;
        assert.ok(distance(item.network, found.state.weights, start) > 1e-4, 'training must change the weights');
      });

      it(`gives the features of ${item.name} as the oracle does, whichever layers are asked for`, async () => {
        const { weights } = initialState(item.network, 3);
        const { clean } = batchOf(item.network, item.batchSize, 5);
        const all = Array.from({ length: item.network.model.layers }, (_, i) => i);
        for (const layers of [all, all.slice(-1)]) {
          const expected = await (await oracle.features(item.network, layers, item.batchSize, weights)).run(clean);
          const session = await engine.features(item.network, layers, item.batchSize, weights);
          assert.equal(session.width, featureWidth(item.network, layers));
          const found = await session.run(clean);
          assert.equal(found.length, item.batchSize * session.width);
          found.forEach((value, i) => assert.ok(Math.abs(value - expected[i]!) <= 1e-5 * Math.max(1, Math.abs(expected[i]!))));
          await session.release();
        }
      });
    }

    const [item] = cases as [Case];

    it('ends in the same bytes when it is stopped at any step and resumed in another session', async (t) => {
      if (!bitExact(t)) return;
      const whole = await trained(engine, item, 6);
      for (let stop = 0; stop <= 6; stop++) {
        const first = await engine.training(item.network, item.batchSize, initialState(item.network, 7));
        await train(first, item, 0, stop);
        const held = await first.state();
        await train(first, item, stop, Math.min(stop + 1, 6));
        await first.release();
        const second = await engine.training(item.network, item.batchSize, held);
        await train(second, item, stop, 6);
        assert.deepEqual(await second.state(), whole.state, `stopped at ${stop}`);
        await second.release();
      }
    });

    it('gives the same bytes with one thread and two, in another process', (t) => {
      if (!bitExact(t)) return;
      assert.equal(elsewhere('engine-bytes.ts', 2), elsewhere('engine-bytes.ts', 1));
    });

    it('keeps interleaved sessions apart, be they of other models', async () => {
      const other = cases[1]!;
      const one = await engine.training(item.network, item.batchSize, initialState(item.network, 7));
      const two = await engine.training(other.network, other.batchSize, initialState(other.network, 7));
      for (let step = 0; step < 4; step++)
        await Promise.all([train(one, item, step, step + 1), train(two, other, step, step + 1)]);
      assert.deepEqual(await one.state(), (await trained(engine, item, 4)).state);
      assert.deepEqual(await two.state(), (await trained(engine, other, 4)).state);
      await one.release();
      await two.release();
    });

    it('neither keeps nor changes the arrays that it is given, and its states are copies', async () => {
      const start = initialState(item.network, 7);
      const session = await engine.training(item.network, item.batchSize, start);
      const batch = batchOf(item.network, item.batchSize, 0);
      const before = batch.noisy.slice();
      await session.step(batch, 1e-3);
      assert.deepEqual(batch.noisy, before);
      assert.deepEqual(start, initialState(item.network, 7));
      const state = await session.state();
      const copy = state.weights.slice();
      start.weights.fill(0);
      batch.noisy.fill(9);
      await session.step(batchOf(item.network, item.batchSize, 1), 1e-3);
      assert.deepEqual(state.weights, copy);
      state.weights.fill(0);
      assert.notDeepEqual((await session.state()).weights, state.weights);
      await session.release();
    });

    it('refuses a batch or a state of another size, and a session after its release', async () => {
      const start = initialState(item.network, 7);
      await assert.rejects(
        engine.training(item.network, 4, { ...start, weights: start.weights.subarray(1) }),
        isNoisefoldError('MODEL_SHAPE'),
      );
      const session = await engine.training(item.network, item.batchSize, start);
      await assert.rejects(session.step(batchOf(item.network, item.batchSize - 1, 0), 1e-3), isNoisefoldError('MODEL_SHAPE'));
      const features = await engine.features(item.network, [0], item.batchSize, start.weights);
      await assert.rejects(features.run(new Float32Array(inputWidth(item.network))), isNoisefoldError('MODEL_SHAPE'));
      await session.release();
      await session.release();
      await features.release();
      await assert.rejects(session.step(batchOf(item.network, item.batchSize, 0), 1e-3), isNoisefoldError('ENGINE_FAILED'));
      await assert.rejects(
        features.run(new Float32Array(item.batchSize * inputWidth(item.network))),
        isNoisefoldError('ENGINE_FAILED'),
      );
    });

    it('takes no memory for its 2,000 steps, and gives back what it held when it is released', () => {
      const grown = JSON.parse(elsewhere('engine-memory.ts')) as Record<'steps' | 'sessions', Grown>;
      for (const what of ['steps', 'sessions'] as const) {
        const { tensors, bytes } = grown[what];
        assert.equal(tensors, 0, `${what} must leave no tensor behind`);
        assert.ok(bytes < boundBytes, `${what} must not take memory, but took ${(bytes / 1e6).toFixed()} MB`);
      }
    });

    it('reports a divergence as a loss that is not finite, not as an exception', async () => {
      const session = await engine.training(item.network, item.batchSize, initialState(item.network, 7));
      await session.step(
        {
          ...batchOf(item.network, item.batchSize, 0),
          clean: new Float32Array(item.batchSize * inputWidth(item.network)).fill(NaN),
        },
        1,
      );
      assert.ok(!Number.isFinite(await session.step(batchOf(item.network, item.batchSize, 1), 1)));
      await session.release();
    });
  });
}
