/** Small tfjs programs that between them use every operation of a recorded graph that tfjs itself has; each compiler is held to tfjs on them. */
import * as tf from '@tensorflow/tfjs';

export type Program = (x: tf.Tensor, y: tf.Tensor) => tf.Tensor;

export const shapes = { x: [3, 4], y: [3, 4] };

/** Programs of two matrices [3, 4]; y is positive. */
export const programs: Readonly<Record<string, Program>> = {
  'elementwise functions': (x, y) =>
    tf.addN([
      tf.exp(x),
      tf.log(y),
      tf.neg(x),
      tf.abs(x),
      tf.sqrt(y),
      tf.rsqrt(y),
      tf.reciprocal(y),
      tf.relu(x),
      tf.sigmoid(x),
      tf.tanh(x),
      tf.softplus(x),
      tf.square(x),
      tf.log1p(y),
    ]),
  'elementwise operations': (x, y) => tf.add(tf.sub(tf.mul(x, y), tf.div(x, y)), tf.add(tf.maximum(x, y), tf.minimum(x, y))),
  'broadcasting of rows, columns and scalars': (x, y) =>
    tf.mul(tf.add(tf.mean(x, 0), tf.mul(tf.sum(y, 1, true), 0.5)), tf.sub(tf.scalar(2), tf.squaredDifference(x, tf.mean(y)))),
  powers: (x, y) => tf.add(tf.pow(y, tf.abs(x)), tf.pow(y, 3)),
  'steps and choices': (x, y) => tf.add(tf.step(x), tf.add(tf.step(x, -0.5), tf.where(tf.greater(x, y), x, y))),
  casts: (x) => tf.mul(tf.cast(tf.greater(x, 0), 'float32'), tf.cast(tf.cast(tf.mul(x, 10), 'int32'), 'float32')),
  'reductions over any axes': (x, y) =>
    tf.add(tf.sum(x), tf.add(tf.mean(y, [0, 1]), tf.add(tf.sum(tf.sum(x, -1)), tf.mean(tf.mean(y, 0, true), [1])))),
  'transposes, reshapes and tiles': (x) => tf.tile(tf.expandDims(tf.reshape(tf.transpose(x), [2, -1]), 0), [2, 1, 3]),
  'split, concat, stack and slice': (x, y) => {
    const [a, b] = tf.split(x, [1, 3], 1) as [tf.Tensor, tf.Tensor];
    return tf.add(tf.sum(tf.concat([b, y, a], -1), 1), tf.sum(tf.slice(tf.stack([x, y], 1), [0, 1, 1], [3, 1, 2]), [1, 2]));
  },
  'products of matrices, either transposed': (x, y) =>
    tf.addN([tf.matMul(x, y, true), tf.matMul(tf.transpose(x), y), tf.matMul(tf.transpose(x), tf.transpose(y), false, true)]),
  'batched products': (x, y) => {
    const [a, b] = [tf.reshape(x, [2, 3, 2]), tf.reshape(y, [2, 3, 2])];
    return tf.add(tf.matMul(a, b, false, true), tf.matMul(a, tf.transpose(b, [0, 2, 1])));
  },
  'a product with bias and activation': (x, y) =>
    tf.fused.matMul({
      a: x,
      b: y,
      transposeB: true,
      bias: tf.tensor1d([1, -2, 3]),
      activation: 'relu',
    }),
  softmax: (x) => tf.softmax(x),
  'constants as results': () => tf.mul(tf.ones([2, 3]), 4),
  'an operand as a result': (x) => tf.clone(x),
  'gradients of means, sums and broadcasts': (x, y) => {
    const f = (...[a, b]: tf.Tensor[]): tf.Scalar =>
      tf.add<tf.Scalar>(tf.mean(tf.mul(tf.abs(a!), tf.sum(b!, 1, true))), tf.mean(tf.square(tf.mean(b!, 0))));
    const { grads } = tf.valueAndGrads(f)([x, y]);
    return tf.concat(grads);
  },
};
