import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cpuEngine } from '../../src/engine/eager/engine.ts';
import type { Engine, FeatureSession, TrainingSession } from '../../src/engine/engine.ts';
import { onnxEngine } from '../../src/engine/onnx/engine.ts';
import { expected, runSelfTest, selfTest } from '../../src/train/self-test.ts';

const cpu = cpuEngine();

/** The cpu engine, with something changed in its sessions. */
const broken = (
  training: (session: TrainingSession) => object,
  features: (session: FeatureSession) => object = () => ({}),
): Engine => ({
  ...cpu,
  async training(...args) {
    const session = await cpu.training(...args);
    return { ...session, ...training(session) };
  },
  async features(...args) {
    const session = await cpu.features(...args);
    return { ...session, ...features(session) };
  },
});

const reasonOf = async (engine: Engine): Promise<string> => {
  const result = await selfTest(engine);
  assert.ok(!result.ok);
  return result.reason;
};

describe("an engine's self-test", () => {
  it('expects what the cpu engine gives', async () => {
    const found = await runSelfTest(cpu);
    for (const key of ['losses', 'features'] as const) {
      assert.equal(found[key].length, expected[key].length);
      found[key].forEach((value, i) => assert.ok(Math.abs(value - expected[key][i]!) < 1e-5, `${key} ${i}: ${value}`));
    }
  });

  it('is passed by the engines that every installation has, and says how long it took', async () => {
    for (const engine of [cpu, onnxEngine({ threads: 1 })]) {
      const result = await selfTest(engine);
      assert.ok(result.ok && result.ms > 0, JSON.stringify(result));
    }
  });

  it('finds a loss that is off, one that is not a number, and weights that do not move', async () => {
    assert.match(
      await reasonOf(
        broken((session) => ({
          step: async (...args: Parameters<TrainingSession['step']>) => (await session.step(...args)) * 1.02,
        })),
      ),
      /loss of step 0/,
    );
    assert.match(await reasonOf(broken(() => ({ step: () => Promise.resolve(NaN) }))), /loss of step 0 is NaN/);
    assert.match(
      await reasonOf(
        broken((session) => ({ step: (...[batch]: Parameters<TrainingSession['step']>) => session.step(batch, 0) })),
      ),
      /loss of step 1/,
    );
  });

  it('finds features that are off in the last row', async () => {
    const engine = broken(
      () => ({}),
      (session) => ({ run: async (inputs: Float32Array) => (await session.run(inputs)).fill(0, 64) }),
    );
    assert.match(await reasonOf(engine), /^feature 0 is 0/);
  });

  it('finds an engine that promises bytes and does not keep to them', async () => {
    let runs = 0;
    const drifting = broken((session) => ({
      state: async () => {
        const state = await session.state();
        state.weights[0] = (state.weights[0] ?? 0) + 1e-6 * runs++;
        return state;
      },
    }));
    assert.match(await reasonOf(drifting), /other bytes/);
    runs = 0;
    assert.ok((await selfTest({ ...drifting, capabilities: { ...cpu.capabilities, bitExact: false } })).ok);
  });

  it('reports what an engine throws', async () => {
    const engine: Engine = { ...cpu, training: () => Promise.reject(new Error('CUDA error 700')) };
    assert.match(await reasonOf(engine), /CUDA error 700/);
  });
});
