import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import * as ort from 'onnxruntime-node';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { sequence, stream } from '../../src/base/rng.ts';
import { lower } from '../../src/engine/onnx/lower.ts';
import { trainingGraph } from '../../src/engine/trace/programs.ts';
import { trace } from '../../src/engine/trace/trace.ts';
import { kernels } from '../../src/engine/trace/kernels.ts';
import { cases } from '../contract/engine.ts';
import { type Program, programs, shapes } from './programs.ts';

async function compiled(
  program: Program,
  x: Float32Array,
  y: Float32Array,
): Promise<{ data: number[]; shape: readonly number[] }> {
  const graph = trace(shapes, ({ x, y }) => ({ result: program(x, y) }));
  const session = await ort.InferenceSession.create(lower(graph), { logSeverityLevel: 3, intraOpNumThreads: 1 });
  const tensor = (data: Float32Array): ort.Tensor => new ort.Tensor('float32', data, [3, 4]);
  const { result } = await session.run({ x: tensor(x), y: tensor(y) });
  await session.release();
  return { data: Array.from(result!.data as Float32Array), shape: result!.dims };
}

const code = (wanted: string, text: RegExp) => (error: NoisefoldError) => error.code === wanted && text.test(error.message);

describe('a traced program', () => {
  const draw = sequence(stream(1, 'trace'));
  const x = Float32Array.from({ length: 12 }, () => 4 * draw() - 2);
  const y = Float32Array.from({ length: 12 }, () => 0.1 + 2 * draw());

  before(async () => {
    tf.enableProdMode();
    await tf.setBackend('cpu');
  });

  for (const [name, program] of Object.entries(programs))
    it(`computes ${name} as tfjs does, when compiled`, async () => {
      const found = await compiled(program, x, y);
      const expected = tf.tidy(() => {
        const tensor = program(tf.tensor2d(x, [3, 4]), tf.tensor2d(y, [3, 4]));
        return { data: Array.from(tensor.dataSync()), shape: tensor.shape };
      });
      assert.deepEqual(found.shape, expected.shape);
      found.data.forEach((value, i) =>
        assert.ok(
          Math.abs(value - expected.data[i]!) <= 1e-5 * Math.max(1, Math.abs(expected.data[i]!)),
          `${i}: ${value}, not ${expected.data[i]}`,
        ),
      );
    });

  it('is refused, by name, for a kernel that has no lowering', () => {
    const refused = code('ENGINE_UNSUPPORTED_KERNEL', /\bCumsum\b/);
    assert.throws(() => trace(shapes, ({ x }) => ({ y: tf.cumsum(x, 1) })), refused);
    assert.throws(
      () => trace(shapes, ({ x }) => ({ y: tf.fft(tf.complex(x, x)) })),
      code('ENGINE_UNSUPPORTED_KERNEL', /Complex/),
    );
  });

  it('is refused when it reads values, awaits or traces', () => {
    assert.throws(
      () => trace(shapes, ({ x }) => ({ y: tf.mul(x, x.dataSync()[0]!) })),
      code('INTERNAL', /must not depend on data/),
    );
    assert.throws(
      () => trace(shapes, (async ({ x }: { x: tf.Tensor }) => Promise.resolve({ y: x })) as never),
      code('INTERNAL', /synchronous/),
    );
    assert.throws(() => trace(shapes, ({ x }) => (trace(shapes, () => ({ x })), { y: x })), code('INTERNAL', /inside another/));
  });

  it('gives tfjs its backend back, whether it succeeds or throws', () => {
    trace(shapes, ({ x }) => ({ y: tf.neg(x) }));
    assert.equal(tf.getBackend(), 'cpu');
    assert.throws(() => trace(shapes, () => assert.fail('a defect')));
    assert.equal(tf.getBackend(), 'cpu');
    assert.deepEqual(Array.from(tf.neg(tf.tensor1d([1])).dataSync()), [-1]);
  });

  it('may use tensors of another backend, as constants', async () => {
    const outside = tf.tensor1d([1, 2, 3, 4]);
    const { data } = await compiled((x) => tf.mul(x, outside), x, y);
    data.forEach((value, i) => assert.equal(value, Math.fround(x[i]! * ((i % 4) + 1))));
  });

  it('leaves no tensor behind', () => {
    trainingGraph(cases[0]!.network, 4);
    const before = tf.memory().numTensors;
    trainingGraph(cases[0]!.network, 4);
    assert.equal(tf.memory().numTensors, before);
  });

  it('is recorded the same way each time', () => {
    for (const { network, batchSize } of cases.slice(0, 2))
      assert.deepEqual(lower(trainingGraph(network, batchSize)), lower(trainingGraph(network, batchSize)));
  });

  it('is a step of few nodes, none of which transposes an operand right before a product', () => {
    const model = { kind: 'transformer', tokens: 8, tokenSize: 16, heads: 8, feedForward: 32, layers: 3 } as const;
    const { nodes } = trainingGraph({ ...cases[0]!.network, model }, 4);
    assert.ok(nodes.length < 400, `${nodes.length} nodes`);
    const transposed = new Set(nodes.filter(({ operation }) => operation === 'transpose').flatMap(({ outputs }) => outputs));
    for (const { operation, inputs } of nodes)
      if (operation === 'product' || operation === 'gemm') assert.ok(inputs.every((input) => !transposed.has(input)));
  });

  it('holds no constant the size of a batch', () => {
    const { network } = cases[0]!;
    const bytes = (batchSize: number): number => lower(trainingGraph(network, batchSize)).length;
    assert.ok(bytes(4096) - bytes(16) < 2000);
  });

  it('has an entry for each kernel that tfjs itself has, spelt as tfjs spells it', () => {
    const known = new Set(tf.getKernelsForBackend('cpu').map(({ kernelName }) => kernelName));
    for (const name of Object.keys(kernels)) assert.ok(known.has(name) || name.startsWith('Noisefold'), name);
  });
});
