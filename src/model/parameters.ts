/**
 * The flat parameter vector: names, layouts ([out, in] for weights) and initial distributions are those of the reference PyTorch code,
 * so that a state_dict and a checkpoint are the same tensors. PyTorch's defaults, written out:
 *
 * - Linear: weight and bias uniform in +-1/sqrt(in) (kaiming_uniform with a = sqrt 5);
 * - MultiheadAttention: in_proj_weight xavier_uniform, +-sqrt(6 / (in + out)) with out = 3 in; both biases 0; out_proj.weight as Linear;
 * - LayerNorm: weight 1, bias 0.
 */
import { NoisefoldError } from '../base/errors.ts';
import { sequence, stream } from '../base/rng.ts';
import type { TrainingState } from '../engine/engine.ts';
import type { Initialiser, NetworkSpec, ParameterSpec } from './types.ts';

/** Encoded inputs a row: the binary ones, then the numerical ones. */
export const inputWidth = (network: NetworkSpec): number => network.binary + network.numerical;

/** Units of a hidden layer; for the transformer, all tokens of a row side by side. */
export const hiddenWidth = ({ model }: NetworkSpec): number =>
  model.kind === 'transformer' ? model.tokens * model.tokenSize : model.units;

/** How many hidden layers can be features: encoder layers of the transformer, every layer of the mlp. */
export const hiddenLayers = (network: NetworkSpec): number => network.model.layers;

/** Width of the concatenated activations of the given hidden layers. */
export const featureWidth = (network: NetworkSpec, layers: readonly number[]): number => layers.length * hiddenWidth(network);

/** The learnable tensors in the order of the flat vector. Throws MODEL_SHAPE. */
export function parameterSpecs(network: NetworkSpec): ParameterSpec[] {
  checkNetwork(network);
  const { model } = network;
  const inputs = inputWidth(network);
  const hidden = hiddenWidth(network);
  const body =
    model.kind === 'transformer'
      ? [
          ...linear('excite', inputs, hidden),
          ...numbered(model.layers).flatMap((i) => encoderLayer(`encoder_${i}`, model.tokenSize, model.feedForward)),
        ]
      : numbered(model.layers).flatMap((i) => linear(`linear_${i}`, i === 1 ? inputs : hidden, hidden));
  return [...body, ...linear('mask_predictor', hidden, inputs), ...linear('reconstructor', hidden + inputs, inputs)];
}

/** A tensor's place in the flat vector: elements offset .. offset + size - 1. */
export interface ParameterSlice extends ParameterSpec {
  readonly offset: number;
  readonly size: number;
}

/** Where each tensor lies in the flat vector. */
export function offsets(specs: readonly ParameterSpec[]): ParameterSlice[] {
  let offset = 0;
  return specs.map((spec) => {
    const size = spec.shape.reduce((product, length) => product * length, 1);
    const slice = { ...spec, offset, size };
    offset += size;
    return slice;
  });
}

/** Length of the flat vector. */
export const parameterCount = (network: NetworkSpec): number =>
  offsets(parameterSpecs(network)).reduce((total, { size }) => total + size, 0);

/**
 * Step 0: freshly drawn weights and zero moments. The draws of a tensor depend on the seed and its name only (element i is the i-th draw),
 * so networks that share a tensor start from the same one.
 */
export function initialState(network: NetworkSpec, seed: number): TrainingState {
  const slices = offsets(parameterSpecs(network));
  const count = slices.reduce((total, { size }) => total + size, 0);
  const weights = new Float32Array(count);
  for (const { name, offset, size, initialiser } of slices) {
    const target = weights.subarray(offset, offset + size);
    if (initialiser.kind === 'constant') {
      target.fill(initialiser.value);
      continue;
    }
    const draw = sequence(stream(seed, 'init', name));
    for (let i = 0; i < size; i++) target[i] = (2 * draw() - 1) * initialiser.bound;
  }
  return { step: 0, weights, firstMoment: new Float32Array(count), secondMoment: new Float32Array(count) };
}

/** Throws MODEL_SHAPE when sizes are not positive integers, do not fit each other, or leave nothing to train on. */
export function checkNetwork(network: NetworkSpec): void {
  const { model, loss } = network;
  const fail = (message: string, where: string, hint: string): never => {
    throw new NoisefoldError('MODEL_SHAPE', message, { where, hint });
  };
  for (const [name, value] of Object.entries(model))
    if (typeof value === 'number' && !(Number.isInteger(value) && value >= 1))
      fail(`${name} is ${value}`, `model.${name}`, 'Sizes are whole numbers of at least 1.');
  if (model.kind === 'transformer' && model.tokenSize % model.heads !== 0)
    fail(
      `a token of size ${model.tokenSize} cannot be split into ${model.heads} heads`,
      'model.heads',
      'tokenSize must be a multiple of heads.',
    );
  for (const name of ['binary', 'numerical', 'categoricalSources', 'numericalSources'] as const)
    if (!(Number.isInteger(network[name]) && network[name] >= 0))
      fail(`${name} is ${network[name]}`, name, 'Counts are whole numbers of at least 0.');
  if (inputWidth(network) === 0 || network.categoricalSources + network.numericalSources === 0)
    fail('there are no inputs', 'data', 'Keep at least one categorical or numerical column.');
  if (!(loss.emphasis >= 0 && loss.emphasis <= 1))
    fail(`emphasis is ${loss.emphasis}`, 'training.loss.emphasis', 'It lies in [0, 1].');
  if (!(loss.maskWeight >= 0)) fail(`maskWeight is ${loss.maskWeight}`, 'training.loss.maskWeight', 'It is at least 0.');
}

const uniform = (bound: number): Initialiser => ({ kind: 'uniform', bound });
const constant = (value: number): Initialiser => ({ kind: 'constant', value });
const numbered = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

function linear(name: string, inputs: number, outputs: number): ParameterSpec[] {
  const initialiser = uniform(1 / Math.sqrt(inputs));
  return [
    { name: `${name}.weight`, shape: [outputs, inputs], initialiser },
    { name: `${name}.bias`, shape: [outputs], initialiser },
  ];
}

function layerNorm(name: string, width: number): ParameterSpec[] {
  return [
    { name: `${name}.weight`, shape: [width], initialiser: constant(1) },
    { name: `${name}.bias`, shape: [width], initialiser: constant(0) },
  ];
}

function encoderLayer(name: string, size: number, feedForward: number): ParameterSpec[] {
  return [
    { name: `${name}.attn.in_proj_weight`, shape: [3 * size, size], initialiser: uniform(Math.sqrt(6 / (4 * size))) },
    { name: `${name}.attn.in_proj_bias`, shape: [3 * size], initialiser: constant(0) },
    { name: `${name}.attn.out_proj.weight`, shape: [size, size], initialiser: uniform(1 / Math.sqrt(size)) },
    { name: `${name}.attn.out_proj.bias`, shape: [size], initialiser: constant(0) },
    ...linear(`${name}.linear_1`, size, feedForward),
    ...linear(`${name}.linear_2`, feedForward, size),
    ...layerNorm(`${name}.layernorm_1`, size),
    ...layerNorm(`${name}.layernorm_2`, size),
  ];
}
