import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { sequence, stream } from '../../src/base/rng.ts';
import { loadLibrary, type Library } from '../../src/engine/tensorflow/library.ts';
import { openModel } from '../../src/engine/tensorflow/model.ts';
import { trace } from '../../src/engine/trace/trace.ts';
import { programs, shapes } from './programs.ts';

let library: Library | undefined;
let absent: string | false = false;
try {
  library = loadLibrary(1);
} catch (error) {
  absent = (error as NoisefoldError).message;
}

describe('a traced program in TensorFlow', { skip: absent }, () => {
  const draw = sequence(stream(1, 'trace'));
  const x = Float32Array.from({ length: 12 }, () => 4 * draw() - 2);
  const y = Float32Array.from({ length: 12 }, () => 0.1 + 2 * draw());

  before(() => tf.setBackend('cpu'));

  for (const [name, program] of Object.entries(programs))
    it(`computes ${name} as tfjs does`, async () => {
      const graph = trace(shapes, ({ x, y }) => ({ result: program(x, y) }));
      const model = await openModel(library!, { variables: {}, functions: { run: { graph } } });
      const found = await model.call(
        'run',
        () => ({ x: tf.tensor2d(x, [3, 4]), y: tf.tensor2d(y, [3, 4]) }),
        ({ result }) => ({ data: Array.from(result!.dataSync()), shape: result!.shape }),
      );
      await model.release();
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
});
