/**
 * The layers' operations, with gradients written by hand (tf.customGrad): tfjs's own gradients are right, but pass over memory more often,
 * and two fifths of a compiled step are memory traffic. A gradient check against tfjs holds each of them to its definition.
 *
 * Composite kernels are operations that a compiling backend may know whole. Where the current tfjs backend has a kernel of that name it
 * runs; anywhere else the definition beside it does, in plain tfjs operations.
 */
import * as tf from '@tensorflow/tfjs';

/** Inputs x [rows, width], scale [width], shift [width]; attribute epsilon. Outputs: normalised, mean [rows, 1], 1/sd [rows, 1]. */
export const layerNormKernel = 'NoisefoldLayerNorm';

/**
 * A product a batch element, for operands whose batch is the middle dimension. Inputs a and b; attributes transposeA, transposeB,
 * batchMiddleA, batchMiddleB, scale. With the batch in the middle a is [m, batch, k], else [batch, m, k]. Output [batch, m, n].
 */
export const batchedProductKernel = 'NoisefoldBatchedProduct';

const epsilon = 1e-5;

function composite(
  kernel: string,
  inputs: tf.NamedTensorMap,
  attributes: tf.NamedAttrMap,
  definition: () => tf.Tensor[],
): tf.Tensor[] {
  const known = tf.getKernel(kernel, tf.getBackend()) as tf.KernelConfig | undefined;
  if (known === undefined) return definition();
  const result = tf.engine().runKernel<tf.Tensor | tf.Tensor[]>(kernel, inputs, attributes);
  return Array.isArray(result) ? result : [result];
}

/** The operands that a customGrad saved, in order. */
const saved = (tensors: tf.Tensor[] | tf.Tensor): tf.Tensor[] => (Array.isArray(tensors) ? tensors : [tensors]);

/**
 * x W' + b.
 * @param x [rows, in]
 * @param weight [out, in], PyTorch's layout
 * @param bias [out]
 * @returns [rows, out]
 */
export const linear = custom((save, x: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor) => {
  save([x, weight]);
  const value = tf.fused.matMul({ a: x, b: weight, transposeB: true, bias });
  return { value, gradients: (dy, [x, weight]) => [tf.matMul(dy, weight!), tf.matMul(dy, x!, true, false), tf.sum(dy, 0)] };
});

/** max(x, 0). Its gradient needs only the result, so the result alone is kept. */
export const relu = custom((save, x: tf.Tensor) => {
  const value = tf.relu(x);
  save([value]);
  return { value, gradients: (dy, [y]) => [tf.mul(dy, tf.step(y!))] };
});

/**
 * Layer normalisation over the last dimension (Ba, Kiros, Hinton 2016), epsilon 1e-5. With n = (x - mean) / sd and g = dy * scale,
 * dx = (g - mean(g) - n * mean(g * n)) / sd.
 * @param x [rows, width]
 */
export const layerNorm = custom((save, x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) => {
  const [value, mean, inverseDeviation] = composite(layerNormKernel, { x, scale, shift }, { epsilon }, () => {
    const mean = tf.mean(x, -1, true);
    const centred = tf.sub(x, mean);
    const inverseDeviation = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon));
    return [tf.add(tf.mul(tf.mul(centred, inverseDeviation), scale), shift), mean, inverseDeviation];
  }) as [tf.Tensor, tf.Tensor, tf.Tensor];
  save([x, scale, mean, inverseDeviation]);
  return {
    value,
    gradients: (dy, kept) => {
      const [x, scale, mean, inverseDeviation] = kept as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      const normalised = tf.mul(tf.sub(x, mean), inverseDeviation);
      const g = tf.mul(dy, scale);
      const across = (of: tf.Tensor): tf.Tensor => tf.mean(of, -1, true);
      const centred = tf.sub(g, across(g));
      const dx = tf.mul(tf.sub(centred, tf.mul(normalised, across(tf.mul(g, normalised)))), inverseDeviation);
      return [dx, tf.sum(tf.mul(dy, normalised), 0), tf.sum(dy, 0)];
    },
  };
});

/**
 * Scaled dot-product attention, softmax(q k' / sqrt(size)) v, of sequences laid out token first: no operand is transposed.
 * @param q, k, v [tokens, sequences, size]
 * @returns [tokens, sequences, size]
 */
export const attention = custom((save, q: tf.Tensor, k: tf.Tensor, v: tf.Tensor) => {
  const scale = 1 / Math.sqrt(q.shape[2] ?? 1);
  const shares = tf.softmax(product(q, k, { transposeB: true, batchMiddleA: true, batchMiddleB: true, scale }));
  const value = tokensFirst(product(shares, v, { batchMiddleB: true }));
  save([q, k, v, shares]);
  return {
    value,
    gradients: (dy, kept) => {
      const [q, k, v, shares] = kept as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
      const dv = product(shares, dy, { transposeA: true, batchMiddleB: true });
      const weighted = tf.mul(product(dy, v, { transposeB: true, batchMiddleA: true, batchMiddleB: true }), shares);
      const dLogits = tf.sub(weighted, tf.mul(shares, tf.sum(weighted, -1, true)));
      const dq = product(dLogits, k, { batchMiddleB: true, scale });
      const dk = product(dLogits, q, { transposeA: true, batchMiddleB: true, scale });
      return [tokensFirst(dq), tokensFirst(dk), tokensFirst(dv)];
    },
  };
});

/** Cross-entropy of a logit with a label, elementwise: softplus(logit) - logit * label. The labels get no gradient. */
export const binaryCrossEntropy = custom((save, logits: tf.Tensor, labels: tf.Tensor) => {
  save([logits, labels]);
  return {
    value: tf.sub(tf.softplus(logits), tf.mul(logits, labels)),
    gradients: (dy, [logits, labels]) => [tf.mul(dy, tf.sub(tf.sigmoid(logits!), labels!)), tf.zerosLike(labels!)],
  };
});

interface ProductFlags {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly batchMiddleA?: boolean;
  readonly batchMiddleB?: boolean;
  readonly scale?: number;
}

const tokensFirst = (x: tf.Tensor): tf.Tensor => tf.transpose(x, [1, 0, 2]);

function product(a: tf.Tensor, b: tf.Tensor, flags: ProductFlags): tf.Tensor {
  const { transposeA = false, transposeB = false, batchMiddleA = false, batchMiddleB = false, scale = 1 } = flags;
  const attributes = { transposeA, transposeB, batchMiddleA, batchMiddleB, scale };
  const [y] = composite(batchedProductKernel, { a, b }, attributes, () => {
    const whole = tf.matMul(batchMiddleA ? tokensFirst(a) : a, batchMiddleB ? tokensFirst(b) : b, transposeA, transposeB);
    return [scale === 1 ? whole : tf.mul(whole, scale)];
  });
  return y!;
}

interface CustomResult {
  readonly value: tf.Tensor;
  /** The gradients of the operands, in order, from that of the value and from what was saved. */
  readonly gradients: (dy: tf.Tensor, kept: tf.Tensor[]) => tf.Tensor[];
}

/** tf.customGrad with typed operands. */
function custom<Operands extends tf.Tensor[]>(
  operation: (save: tf.GradSaveFunc, ...operands: Operands) => CustomResult,
): (...operands: Operands) => tf.Tensor {
  return tf.customGrad((...args: unknown[]) => {
    const save = args.at(-1) as tf.GradSaveFunc;
    const { value, gradients } = operation(save, ...(args.slice(0, -1) as Operands));
    return { value, gradFunc: (dy: tf.Tensor, kept: tf.Tensor | tf.Tensor[]) => gradients(dy, saved(kept)) };
  });
}
