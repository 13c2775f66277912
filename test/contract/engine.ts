/** What every engine must do, whatever runs it. The cpu engine is the oracle: it is tfjs, operation by operation. */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { cpuEngine } from '../../src/engine/eager/engine.ts';
import type { Engine, TrainingSession, TrainingState } from '../../src/engine/engine.ts';
import { featureWidth, initialState, inputWidth, offsets, parameterSpecs } from '../../src/model/parameters.ts';
import type { NetworkSpec } from '../../src/model/types.ts';
import { batchOf } from '../model/batch.ts';

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

/** @param absent why the engine is not there to be tested, if it is not: shown as the reason of the skip */
export function engineContract(name: string, make: (threads: number) => Promise<Engine>, absent: string | false = false): void {
  describe(`the ${name} engine`, { skip: absent }, () => {
    const oracle = cpuEngine();
    let engine: Engine;
    before(async () => {
      engine = await make(1);
    });

    for (const item of cases) {
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

    it('ends in the same bytes when it is stopped at any step and resumed in another session', async () => {
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

    it('gives the same bytes with one thread and two', async () => {
      const other = await make(2);
      const wide: Case = {
        name: '',
        network: { ...columns, model: { ...transformer, tokenSize: 32, feedForward: 64 } },
        batchSize: 64,
      };
      assert.deepEqual((await trained(other, wide, 4)).state, (await trained(engine, wide, 4)).state);
    });

    it('keeps interleaved sessions apart', async () => {
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
