/**
 * Run by webgpu.test.ts in a process that finds a software Vulkan. Two small models and few steps: such a Vulkan compiles each shader for seconds.
 * With NOISEFOLD_WEBGPU=contract in the environment it is the whole engine contract, which takes a quarter of an hour there.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { cpuEngine } from '../../src/engine/eager/engine.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { type Device, webgpuDevice } from '../../src/engine/onnx/device.ts';
import { onnxEngineOn } from '../../src/engine/onnx/engine.ts';
import { trainingGraph } from '../../src/engine/trace/programs.ts';
import { initialState } from '../../src/model/parameters.ts';
import { stepRates } from '../../src/model/step.ts';
import type { NetworkSpec } from '../../src/model/types.ts';
import { engineContract } from '../contract/engine.ts';
import { keyBiases, largestDifference, relativeDistance } from '../golden/golden.ts';
import { batchOf } from '../model/batch.ts';

const columns = { binary: 5, numerical: 3, categoricalSources: 2, numericalSources: 3, loss: { emphasis: 0.75, maskWeight: 2 } };
const networks: readonly NetworkSpec[] = [
  { ...columns, model: { kind: 'transformer', tokens: 4, tokenSize: 8, heads: 2, feedForward: 16, layers: 1 } },
  { ...columns, model: { kind: 'mlp', units: 12, layers: 2 } },
];
const batchSize = 13;

async function trained(
  engine: Engine,
  network: NetworkSpec,
): Promise<{ losses: number[]; weights: Float32Array; features: Float32Array }> {
  const session = await engine.training(network, batchSize, initialState(network, 7));
  const losses: number[] = [];
  for (let step = 0; step < 20; step++) losses.push(await session.step(batchOf(network, batchSize, step), 1e-3));
  const { weights } = await session.state();
  await session.release();
  const layers = network.model.layers === 1 ? [0] : [0, 1];
  const reader = await engine.features(network, layers, batchSize, weights);
  const features = (await reader.run(batchOf(network, batchSize, 99).clean)).slice();
  await reader.release();
  return { losses, weights, features };
}

if (process.env['NOISEFOLD_WEBGPU'] === 'contract')
  engineContract('onnx on WebGPU', async () => onnxEngineOn(await webgpuDevice()), { loadedAs: ['onnx', 'webgpu'] });
else
  describe('the onnx engine on WebGPU', () => {
    let device: Device;
    before(async () => {
      device = await webgpuDevice();
    });

    for (const network of networks)
      it(`trains the ${network.model.kind} as the oracle does, and gives its features`, async () => {
        const expected = await trained(cpuEngine(), network);
        const found = await trained(onnxEngineOn(device), network);
        assert.ok(largestDifference(found.losses, expected.losses) < 1e-5);
        assert.ok(relativeDistance(found.weights, expected.weights, keyBiases(network)) < 1e-5);
        assert.ok(largestDifference(found.features, expected.features) < 1e-4);
      });

    it('keeps weights on the device, reads them when asked, and never shows the tensor', async () => {
      const network = networks[1]!;
      const session = await device.open(trainingGraph(network, batchSize), ['newWeights', 'newFirstMoment', 'newSecondMoment']);
      const { weights, firstMoment, secondMoment } = initialState(network, 1);
      const batch = batchOf(network, batchSize, 1);
      const results = await session.run({ weights, firstMoment, secondMoment, ...batch, rates: stepRates(1e-3, 1) });
      assert.throws(() => results.numbers('newWeights'), /read it/);
      assert.throws(() => results.kept('loss'), /does not keep/);
      const kept = results.kept('newWeights');
      assert.equal((kept as unknown as { location: string }).location, 'gpu-buffer');
      const [once, twice] = [await session.read(kept), await session.read(kept)];
      assert.deepEqual(once, twice);
      assert.notDeepEqual(once, weights);
      session.discard(kept);
      await session.release();
      await assert.rejects(session.read(kept), /after its release/);
    });

    it('goes on from a state, and refuses work after its release', async () => {
      const network = networks[1]!;
      const engine = onnxEngineOn(device);
      const whole = await engine.training(network, batchSize, initialState(network, 7));
      for (let step = 0; step < 4; step++) await whole.step(batchOf(network, batchSize, step), 1e-3);
      const first = await engine.training(network, batchSize, initialState(network, 7));
      for (let step = 0; step < 2; step++) await first.step(batchOf(network, batchSize, step), 1e-3);
      const second = await engine.training(network, batchSize, await first.state());
      for (let step = 2; step < 4; step++) await second.step(batchOf(network, batchSize, step), 1e-3);
      const [expected, found] = [await whole.state(), await second.state()];
      assert.equal(found.step, 4);
      assert.ok(relativeDistance(found.weights, expected.weights, () => false) < 1e-6);
      for (const session of [whole, first, second]) await session.release();
      await assert.rejects(first.step(batchOf(network, batchSize, 0), 1e-3), { code: 'ENGINE_FAILED' });
      await assert.rejects(first.state(), { code: 'ENGINE_FAILED' });
    });
  });
