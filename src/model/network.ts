/**
 * The networks, the loss and the optimiser's step, written once in tfjs operations. An engine runs them op by op or records them and
 * compiles what was recorded; nothing here may depend on a tensor's values.
 *
 * transformer: Linear + ReLU; the hidden vector cut into tokens; post-norm encoder layers (self-attention over one row's tokens, then a
 * feed-forward net), whose outputs are the hidden layers. mlp: (Linear + ReLU) a layer. Both end in the same two heads: mask logits from
 * the last hidden layer, and the reconstruction from that layer beside the mask logits. No dropout.
 */
import * as tf from '@tensorflow/tfjs';
import { attention, binaryCrossEntropy, layerNorm, linear, relu } from './operations.ts';
import { offsets, parameterSpecs } from './parameters.ts';
import type { NetworkSpec } from './types.ts';

/** Parameters by their state_dict name. */
export type Parameters = ReadonlyMap<string, tf.Tensor>;

/** The tensors of a flat parameter vector. */
export function parametersOf(network: NetworkSpec, flat: tf.Tensor): Parameters {
  const slices = offsets(parameterSpecs(network));
  const parts = tf.split(
    flat,
    slices.map(({ size }) => size),
  );
  return new Map(slices.map(({ name, shape }, i) => [name, tf.reshape(parts[i]!, [...shape])]));
}

/** The hidden layers' activations, first to last, each [batch, hidden]. @param inputs [batch, inputs] */
export function encode(network: NetworkSpec, parameters: Parameters, inputs: tf.Tensor): tf.Tensor[] {
  const { model } = network;
  const dense = (name: string, x: tf.Tensor): tf.Tensor =>
    linear(x, parameter(parameters, `${name}.weight`), parameter(parameters, `${name}.bias`));
  switch (model.kind) {
    case 'mlp': {
      const layers: tf.Tensor[] = [];
      for (let i = 1; i <= model.layers; i++) layers.push(relu(dense(`linear_${i}`, layers.at(-1) ?? inputs)));
      return layers;
    }
    case 'transformer': {
      const batch = inputs.shape[0];
      const { tokens, tokenSize, heads } = model;
      // Token first: a row of h is one token of one table row, and all first tokens come before all second ones.
      const swap = (x: tf.Tensor, first: number, second: number): tf.Tensor =>
        tf.transpose(tf.reshape(x, [first, second, tokenSize]), [1, 0, 2]);
      const normalised = (name: string, x: tf.Tensor): tf.Tensor =>
        layerNorm(x, parameter(parameters, `${name}.weight`), parameter(parameters, `${name}.bias`));
      const selfAttention = (name: string, h: tf.Tensor): tf.Tensor => {
        const weights = tf.split(parameter(parameters, `${name}.in_proj_weight`), 3);
        const biases = tf.split(parameter(parameters, `${name}.in_proj_bias`), 3);
        const [q, k, v] = weights.map((weight, i) =>
          tf.reshape(linear(h, weight, biases[i]!), [tokens, batch * heads, tokenSize / heads]),
        ) as [tf.Tensor, tf.Tensor, tf.Tensor];
        return dense(`${name}.out_proj`, tf.reshape(attention(q, k, v), [tokens * batch, tokenSize]));
      };
      const layers: tf.Tensor[] = [];
      let h = tf.reshape(swap(relu(dense('excite', inputs)), batch, tokens), [tokens * batch, tokenSize]);
      for (let i = 1; i <= model.layers; i++) {
        const name = `encoder_${i}`;
        const attended = normalised(`${name}.layernorm_1`, tf.add(h, selfAttention(`${name}.attn`, h)));
        const fed = dense(`${name}.linear_2`, relu(dense(`${name}.linear_1`, attended)));
        h = normalised(`${name}.layernorm_2`, tf.add(attended, fed));
        layers.push(tf.reshape(swap(h, tokens, batch), [batch, tokens * tokenSize]));
      }
      return layers;
    }
    default:
      return model satisfies never;
  }
}

/** The chosen hidden layers side by side. @returns [batch, featureWidth(network, layers)] */
export function features(network: NetworkSpec, layers: readonly number[], flat: tf.Tensor, inputs: tf.Tensor): tf.Tensor {
  const hidden = encode(network, parametersOf(network, flat), inputs);
  return tf.concat(
    layers.map((layer) => {
      const activations = hidden[layer];
      if (activations === undefined) throw new RangeError(`features: no hidden layer ${layer}`);
      return activations;
    }),
    1,
  );
}

/**
 * maskWeight * BCE(mask logits, mask) + c/(c+n) * mean(w * BCE) over the binary outputs + n/(c+n) * mean(w * squared error) over the
 * numerical ones, where c and n count source columns and w is the emphasis on corrupted cells and its complement on clean ones.
 * @param noisy, clean, mask [batch, inputs]
 * @returns a scalar
 */
export function loss(
  network: NetworkSpec,
  parameters: Parameters,
  noisy: tf.Tensor,
  clean: tf.Tensor,
  mask: tf.Tensor,
): tf.Tensor {
  const { binary, numerical, categoricalSources, numericalSources } = network;
  const { emphasis, maskWeight } = network.loss;
  const head = (name: string, x: tf.Tensor): tf.Tensor =>
    linear(x, parameter(parameters, `${name}.weight`), parameter(parameters, `${name}.bias`));
  const hidden = encode(network, parameters, noisy).at(-1)!;
  const maskLogits = head('mask_predictor', hidden);
  const reconstruction = head('reconstructor', tf.concat([hidden, maskLogits], 1));
  const cellWeights = tf.add(tf.mul(mask, 2 * emphasis - 1), 1 - emphasis);
  /** The binary and the numerical columns. Called once a tensor: the gradient of a split is then one concat, without padding. */
  const parts = (x: tf.Tensor): [tf.Tensor, tf.Tensor] =>
    binary === 0 || numerical === 0 ? [x, x] : (tf.split(x, [binary, numerical], 1) as [tf.Tensor, tf.Tensor]);
  const [binaryLogits, numericalOutputs] = parts(reconstruction);
  const [binaryLabels, numericalTargets] = parts(clean);
  const [binaryWeights, numericalWeights] = parts(cellWeights);

  const sources = categoricalSources + numericalSources;
  let total: tf.Tensor = tf.mul(tf.mean(binaryCrossEntropy(maskLogits, mask)), maskWeight);
  if (binary > 0) {
    const errors = binaryCrossEntropy(binaryLogits, binaryLabels);
    total = tf.add(total, tf.mul(tf.mean(tf.mul(binaryWeights, errors)), categoricalSources / sources));
  }
  if (numerical > 0) {
    const errors = tf.squaredDifference(numericalOutputs, numericalTargets);
    total = tf.add(total, tf.mul(tf.mean(tf.mul(numericalWeights, errors)), numericalSources / sources));
  }
  return total;
}

function parameter(parameters: Parameters, name: string): tf.Tensor {
  const tensor = parameters.get(name);
  if (tensor === undefined) throw new RangeError(`no parameter ${name}`);
  return tensor;
}
