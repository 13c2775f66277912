import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { sequence, stream } from '../../src/base/rng.ts';
import { attention, binaryCrossEntropy, layerNorm, linear, relu } from '../../src/model/operations.ts';

/** An operation beside its definition, whose gradients are tfjs's own. */
interface Check {
  readonly name: string;
  readonly operands: readonly (readonly number[])[];
  readonly operation: (...operands: tf.Tensor[]) => tf.Tensor;
  readonly definition: (...operands: tf.Tensor[]) => tf.Tensor;
  /** How many of the operands, from the first, get a gradient. */
  readonly differentiable?: number;
}

type Operation = (...operands: tf.Tensor[]) => tf.Tensor;

const checks: readonly Check[] = [
  {
    name: 'linear',
    operands: [[5, 3], [4, 3], [4]],
    operation: linear,
    definition: (x, weight, bias) => tf.add(tf.matMul(x, weight, false, true), bias),
  },
  { name: 'relu', operands: [[7, 6]], operation: relu, definition: (x) => tf.relu(x) },
  {
    name: 'layerNorm',
    operands: [[6, 8], [8], [8]],
    operation: layerNorm,
    definition: (x, scale, shift) => {
      const { mean, variance } = tf.moments(x, -1, true);
      return tf.add(tf.mul(tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5))), scale), shift);
    },
  },
  {
    name: 'attention',
    operands: [
      [4, 6, 3],
      [4, 6, 3],
      [4, 6, 3],
    ],
    operation: attention,
    definition: (...operands) => {
      const [q, k, v] = operands.map((x) => tf.transpose(x, [1, 0, 2])) as [tf.Tensor, tf.Tensor, tf.Tensor];
      return tf.transpose(tf.matMul(tf.softmax(tf.div(tf.matMul(q, k, false, true), Math.sqrt(3))), v), [1, 0, 2]);
    },
  },
  {
    name: 'binaryCrossEntropy',
    operands: [
      [6, 5],
      [6, 5],
    ],
    operation: binaryCrossEntropy,
    definition: (logits, labels) =>
      tf.neg(tf.add(tf.mul(labels, tf.log(tf.sigmoid(logits))), tf.mul(tf.sub(1, labels), tf.log(tf.sigmoid(tf.neg(logits)))))),
    differentiable: 1,
  },
];

const draw = sequence(stream(3, 'operations'));
const random = (shape: readonly number[]): tf.Tensor =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 4 * draw() - 2),
    [...shape],
  );

const close = (found: tf.Tensor, expected: tf.Tensor, what: string): void => {
  assert.deepEqual(found.shape, expected.shape, what);
  const other = expected.dataSync();
  found
    .dataSync()
    .forEach((value, i) => assert.ok(Math.abs(value - other[i]!) < 2e-5, `${what}[${i}]: ${value}, not ${other[i]}`));
};

describe('operations with a gradient of their own', () => {
  before(async () => {
    tf.enableProdMode();
    await tf.setBackend('cpu');
  });

  for (const { name, operands, operation, definition, differentiable = operands.length } of checks)
    it(`${name} has the value and the gradients of its definition`, () => {
      tf.tidy(() => {
        const tensors = operands.map(random);
        const dy = random(definition(...tensors).shape);
        const fixed = tensors.slice(differentiable);
        const gradients = (f: Operation): { value: tf.Tensor; grads: tf.Tensor[] } => {
          const free = tensors.slice(0, differentiable);
          const weighted = (...varying: tf.Tensor[]): tf.Scalar => tf.sum(tf.mul(f(...varying, ...fixed), dy));
          return { value: f(...tensors), grads: tf.valueAndGrads(weighted)(free).grads };
        };
        const found = gradients(operation);
        const expected = gradients(definition);
        close(found.value, expected.value, 'value');
        found.grads.forEach((gradient, i) => close(gradient, expected.grads[i]!, `gradient ${i}`));
      });
    });

  it('binaryCrossEntropy stays finite where a sigmoid is 0 or 1 in float32', () => {
    const value = tf.tidy(() => binaryCrossEntropy(tf.tensor1d([200, -200, 200, -200]), tf.tensor1d([1, 0, 0, 1])).arraySync());
    assert.deepEqual(value, [0, 0, 200, 200]);
  });
});
