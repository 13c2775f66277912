import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import * as tf from '@tensorflow/tfjs';
import { encode, features, loss, parametersOf, type Parameters } from '../../src/model/network.ts';
import { initialState } from '../../src/model/parameters.ts';
import { stepRates, trainStep } from '../../src/model/step.ts';
import type { NetworkSpec } from '../../src/model/types.ts';
import { batchOf } from './batch.ts';

const network: NetworkSpec = {
  model: { kind: 'transformer', tokens: 4, tokenSize: 8, heads: 2, feedForward: 16, layers: 2 },
  binary: 5,
  numerical: 3,
  categoricalSources: 2,
  numericalSources: 3,
  loss: { emphasis: 0.75, maskWeight: 2 },
};
const rows = 6;
const matrix = (data: Float32Array): tf.Tensor2D => tf.tensor2d(data, [data.length / 8, 8]);

/** PyTorch's post-norm encoder layer, written out row first and head by head, with tfjs's own gradients and none of the layout tricks. */
function encoderLayer(parameters: Parameters, name: string, x: tf.Tensor, heads: number): tf.Tensor {
  const get = (key: string): tf.Tensor => parameters.get(`${name}.${key}`)!;
  const [batch, tokens, size] = x.shape as [number, number, number];
  const dense = (h: tf.Tensor, weight: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
    tf.reshape(tf.add(tf.matMul(tf.reshape(h, [batch * tokens, -1]), weight, false, true), bias), [batch, tokens, -1]);
  const normalised = (h: tf.Tensor, key: string): tf.Tensor => {
    const { mean, variance } = tf.moments(h, -1, true);
    return tf.add(tf.mul(tf.div(tf.sub(h, mean), tf.sqrt(tf.add(variance, 1e-5))), get(`${key}.weight`)), get(`${key}.bias`));
  };
  const projected = dense(x, get('attn.in_proj_weight'), get('attn.in_proj_bias'));
  const [q, k, v] = tf.split(projected, 3, 2).map((h) => tf.split(h, heads, 2)) as [tf.Tensor[], tf.Tensor[], tf.Tensor[]];
  const attended = q.map((query, head) => {
    const logits = tf.div(tf.matMul(query, k[head]!, false, true), Math.sqrt(size / heads));
    return tf.matMul(tf.softmax(logits), v[head]!);
  });
  const afterAttention = normalised(
    tf.add(x, dense(tf.concat(attended, 2), get('attn.out_proj.weight'), get('attn.out_proj.bias'))),
    'layernorm_1',
  );
  const expanded = tf.relu(dense(afterAttention, get('linear_1.weight'), get('linear_1.bias')));
  return normalised(tf.add(afterAttention, dense(expanded, get('linear_2.weight'), get('linear_2.bias'))), 'layernorm_2');
}

/** The same loss for given logits, number by number in float64. */
function lossByHand(
  spec: NetworkSpec,
  maskLogits: number[][],
  reconstruction: number[][],
  clean: number[][],
  mask: number[][],
): number {
  const bce = (logit: number, label: number): number =>
    Math.log1p(Math.exp(-Math.abs(logit))) + Math.max(logit, 0) - logit * label;
  const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const cells = clean.flatMap((row, i) => row.map((value, j) => ({ i, j, value })));
  const weight = (i: number, j: number): number => (mask[i]![j] === 1 ? spec.loss.emphasis : 1 - spec.loss.emphasis);
  const binary = cells.filter(({ j }) => j < spec.binary);
  const numerical = cells.filter(({ j }) => j >= spec.binary);
  const sources = spec.categoricalSources + spec.numericalSources;
  return (
    spec.loss.maskWeight * mean(cells.map(({ i, j }) => bce(maskLogits[i]![j]!, mask[i]![j]!))) +
    (spec.categoricalSources / sources) *
      mean(binary.map(({ i, j, value }) => weight(i, j) * bce(reconstruction[i]![j]!, value))) +
    (spec.numericalSources / sources) *
      mean(numerical.map(({ i, j, value }) => weight(i, j) * (reconstruction[i]![j]! - value) ** 2))
  );
}

describe('the network', () => {
  before(async () => {
    tf.enableProdMode();
    await tf.setBackend('cpu');
  });

  it("has the reference's encoder: PyTorch's, over the tokens of a row", () => {
    tf.tidy(() => {
      const { model } = network;
      assert.ok(model.kind === 'transformer');
      // Weights far from their start, so that no term is too small to see.
      const weights = initialState(network, 1).weights.map((value, i) => value + 0.5 * Math.sin(i));
      const parameters = parametersOf(network, tf.tensor1d(weights));
      const inputs = matrix(batchOf(network, rows, 3).clean);
      const excited = tf.add(tf.matMul(inputs, parameters.get('excite.weight')!, false, true), parameters.get('excite.bias')!);
      let h: tf.Tensor = tf.reshape(tf.relu(excited), [rows, model.tokens, model.tokenSize]);
      encode(network, parameters, inputs).forEach((layer, i) => {
        h = encoderLayer(parameters, `encoder_${i + 1}`, h, model.heads);
        const difference = tf.max(tf.abs(tf.sub(layer, tf.reshape(h, [rows, -1])))).dataSync()[0]!;
        assert.ok(difference < 2e-5, `layer ${i}: ${difference}`);
      });
    });
  });

  it("has the reference's loss", () => {
    tf.tidy(() => {
      const { noisy, clean, mask } = batchOf(network, rows, 1);
      const parameters = parametersOf(network, tf.tensor1d(initialState(network, 1).weights));
      const hidden = encode(network, parameters, matrix(noisy)).at(-1)!;
      const head = (name: string, x: tf.Tensor): tf.Tensor =>
        tf.add(tf.matMul(x, parameters.get(`${name}.weight`)!, false, true), parameters.get(`${name}.bias`)!);
      const maskLogits = head('mask_predictor', hidden);
      const reconstruction = head('reconstructor', tf.concat([hidden, maskLogits], 1));
      const lists = [maskLogits, reconstruction, matrix(clean), matrix(mask)].map((x) => x.arraySync() as number[][]);
      const [a, b, c, d] = lists as [number[][], number[][], number[][], number[][]];
      const found = loss(network, parameters, matrix(noisy), matrix(clean), matrix(mask)).dataSync()[0]!;
      assert.ok(Math.abs(found - lossByHand(network, a, b, c, d)) < 1e-5);
    });
  });

  it('treats rows apart: a row has the same features alone, in any place and in any company', () => {
    tf.tidy(() => {
      const weights = tf.tensor1d(initialState(network, 1).weights);
      const inputs = matrix(batchOf(network, rows, 2).clean);
      const whole = features(network, [0, 1], weights, inputs);
      const backwards = tf.reverse(features(network, [0, 1], weights, tf.reverse(inputs, 0)), 0);
      const alone = tf.concat(tf.split(inputs, rows).map((row) => features(network, [0, 1], weights, row)));
      for (const other of [backwards, alone]) assert.ok(tf.max(tf.abs(tf.sub(whole, other))).dataSync()[0]! < 1e-5);
    });
  });

  it('puts the chosen layers side by side', () => {
    tf.tidy(() => {
      const weights = tf.tensor1d(initialState(network, 1).weights);
      const inputs = matrix(batchOf(network, rows, 2).clean);
      const [both, last] = [features(network, [0, 1], weights, inputs), features(network, [1], weights, inputs)];
      assert.deepEqual(tf.slice(both, [0, 32], [rows, 32]).dataSync(), last.dataSync());
      assert.throws(() => features(network, [2], weights, inputs), RangeError);
    });
  });
});

describe('the step', () => {
  it("is Adam's, with bias correction: the first one moves every weight by the learning rate against its gradient's sign", () => {
    tf.tidy(() => {
      const start = initialState(network, 1);
      const { noisy, clean, mask } = batchOf(network, rows, 1);
      const { weights, firstMoment, secondMoment } = trainStep(network, {
        weights: tf.tensor1d(start.weights),
        firstMoment: tf.tensor1d(start.firstMoment),
        secondMoment: tf.tensor1d(start.secondMoment),
        noisy: matrix(noisy),
        clean: matrix(clean),
        mask: matrix(mask),
        rates: tf.tensor1d(stepRates(1e-2, 1)),
      });
      const [moved, first, second] = [weights.dataSync(), firstMoment.dataSync(), secondMoment.dataSync()];
      let checked = 0;
      start.weights.forEach((weight, i) => {
        const gradient = first[i]! / 0.1;
        if (Math.abs(gradient) < 1e-4) return;
        checked++;
        assert.ok(Math.abs(weight - 1e-2 * Math.sign(gradient) - moved[i]!) < 1e-5);
        assert.ok(Math.abs(second[i]! / (0.001 * gradient ** 2) - 1) < 1e-3);
      });
      assert.ok(checked > start.weights.length / 2);
    });
  });
});
