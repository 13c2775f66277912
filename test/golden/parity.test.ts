/**
 * Parity with PyTorch, on every engine: the bounds are those that the project promises (docs/model.md). Each is checked against PyTorch's
 * float32 numbers, as the reference code has them, and against its float64 ones, which have next to no rounding of their own.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import type { Engine, TrainingState } from '../../src/engine/engine.ts';
import { loadEngine } from '../../src/engine/registry.ts';
import { offsets, parameterSpecs } from '../../src/model/parameters.ts';
import { goldenNames, keyBiases, largestDifference, readGolden, relativeDistance, type Golden } from './golden.ts';

const bounds = { features: 1e-5, loss: 1e-6, gradient: 1e-4, trained: 1e-4 };
/** Without the key biases, which wander by rounding alone, far less is left. */
const trainedWithoutKeyBiases = 1e-6;
const none = (): boolean => false;
const precisions = ['float32', 'float64'] as const;

async function train(engine: Engine, golden: Golden, steps: number): Promise<{ losses: number[]; state: TrainingState }> {
  const { network, batchSize, start, batches, learningRate } = golden;
  const session = await engine.training(network, batchSize, start);
  const losses: number[] = [];
  for (const batch of batches.slice(0, steps)) losses.push(await session.step(batch, learningRate));
  const state = await session.state();
  await session.release();
  return { losses, state };
}

for (const engineName of ['onnx', 'cpu'] as const)
  for (const name of goldenNames)
    describe(`the ${engineName} engine and PyTorch, ${name}`, () => {
      const golden = readGolden(name);
      const { network, batchSize, start, batches } = golden;
      const isKeyBias = keyBiases(network);
      let engine: Engine;
      before(async () => {
        engine = await loadEngine(engineName, { threads: 1 });
      });

      it(`have the same features, to ${bounds.features}`, async () => {
        const layers = Array.from({ length: network.model.layers }, (_, i) => i);
        const session = await engine.features(network, layers, batchSize, start.weights);
        const found = (await session.run(batches[0]!.clean)).slice();
        await session.release();
        for (const precision of precisions) {
          const expected = golden.numbers(precision, 'features');
          assert.equal(found.length, expected.length);
          const far = largestDifference(found, expected);
          assert.ok(far <= bounds.features, `${precision}: ${far} apart`);
        }
      });

      it(`have the same gradients, to ${bounds.gradient} of each tensor's`, async () => {
        const { state } = await train(engine, golden, 1);
        // Adam's first moment after one step is 0.1 times the gradient.
        const found = Float64Array.from(state.firstMoment, (moment) => moment / 0.1);
        for (const precision of precisions) {
          const expected = golden.flat(precision, 'gradient');
          for (const { name: tensor, offset, size } of offsets(parameterSpecs(network))) {
            const far = relativeDistance(found.subarray(offset, offset + size), expected.subarray(offset, offset + size), (i) =>
              isKeyBias(offset + i),
            );
            assert.ok(far <= bounds.gradient, `${precision} ${tensor}: ${far} apart`);
          }
        }
        const largest = found.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
        found.forEach((value, i) => assert.ok(!isKeyBias(i) || Math.abs(value) < 1e-6 * largest, 'a key bias has no gradient'));
      });

      it(`have the same loss in each of ${batches.length} steps, to ${bounds.loss}, and then the same weights, to ${bounds.trained} in L2`, async () => {
        const { losses, state } = await train(engine, golden, batches.length);
        for (const precision of precisions) {
          const far = largestDifference(losses, golden.numbers(precision, 'losses'));
          assert.ok(far <= bounds.loss, `${precision}: losses ${far} apart`);
          const expected = golden.flat(precision, 'trained');
          const distance = relativeDistance(state.weights, expected, none);
          assert.ok(distance <= bounds.trained, `${precision}: weights ${distance} apart`);
          const informed = relativeDistance(state.weights, expected, isKeyBias);
          assert.ok(informed <= trainedWithoutKeyBiases, `${precision}: weights ${informed} apart without the key biases`);
          const moved = relativeDistance(start.weights, expected, isKeyBias);
          assert.ok(moved > 20 * bounds.trained, `${precision}: training must move the weights by far more, not ${moved}`);
        }
      });
    });
