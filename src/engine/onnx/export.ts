/**
 * A trained encoder, or those of all folds, as one ONNX model for other runtimes, with the arithmetic of the preprocessor in front and the ridge regression behind.
 *
 * Texts stay outside: a categorical column comes in as the index of its level (LevelMap in encoding.ts), -1 for one that fitting did not see. The
 * standardisation is done in float64, as in dataset/encode.ts, so features agree with `noisefold features` to float32 rounding.
 */
import * as tf from '@tensorflow/tfjs';
import type { FoldFeatures } from '../../config/types.ts';
import type { Preprocessor } from '../../dataset/encode.ts';
import { encode } from '../../model/network.ts';
import { inputWidth, offsets, parameterSpecs } from '../../model/parameters.ts';
import type { NetworkSpec } from '../../model/types.ts';
import type { Graph } from '../trace/graph.ts';
import { trace } from '../trace/trace.ts';
import { lowerForAnyBatch } from './dynamic.ts';
import { encodingNodes, inputNodes, type Part, sharedNames, vector } from './encoding.ts';
import { buildModel, elementType, type OnnxNode, type OnnxTensor } from './protobuf.ts';

export interface ExportedMember {
  readonly preprocessor: Preprocessor;
  readonly network: NetworkSpec;
  /** The flat vector of model/parameters.ts. */
  readonly weights: Float32Array;
}

export interface ExportedModel {
  /** One, or one a fold. */
  readonly members: readonly ExportedMember[];
  /** How the features of several become a row's. */
  readonly combine: FoldFeatures;
  /** Hidden layers whose activations are features, ascending. */
  readonly layers: readonly number[];
  /** Whether the encoded inputs follow them. */
  readonly withInputs: boolean;
  /** [features + 1], the intercept last. */
  readonly ridgeWeights: Float64Array;
  /** What the target went through before the regression. */
  readonly transform: 'none' | 'log';
}

/**
 * The model's bytes. Inputs, [batch, columns] each, left out where there are no such columns: `levels` (int32) and `numbers` (float64, NaN where
 * missing). Outputs: `features` (float32, [batch, width]) and `prediction` (float64, [batch]), in the target's own unit.
 */
export function exportModel(model: ExportedModel, metadata: Readonly<Record<string, string>>): Uint8Array {
  const { members } = model;
  const inputs = inputNodes(members.map(({ preprocessor }) => preprocessor));
  const networks = members.map((_, i) => networkPart(model, i));
  const prediction = predictionNodes(model);
  const parts = [inputs, ...networks, combination(model), prediction];
  return buildModel(
    parts.flatMap(({ nodes }) => nodes),
    inputs.inputs,
    [
      { name: 'features', type: 'float32', shape: ['batch', model.ridgeWeights.length - 1] },
      { name: 'prediction', type: 'float64', shape: ['batch'] },
    ],
    parts.flatMap(({ initializers }) => initializers),
    { metadata },
  );
}

/** What the names of a network's own begin with, where there are several. */
const prefixOf = (member: number, { members }: ExportedModel): string => (members.length === 1 ? '' : `fold-${member}/`);

/** From the inputs to a network's own `features`. */
function networkPart(model: ExportedModel, i: number): Part {
  const { network, weights } = model.members[i] as ExportedMember;
  const preprocessors = model.members.map(({ preprocessor }) => preprocessor);
  const encoding = encodingNodes(preprocessors, i);
  const encoder = lowerForAnyBatch((batchSize) => featureGraph(model, network, batchSize));
  // What the features do not need, such as the heads, stays out.
  const used = new Set(encoder.nodes.flatMap(({ inputs }) => inputs));
  const parameters = offsets(parameterSpecs(network)).flatMap(({ name, shape, offset, size }): OnnxTensor[] =>
    used.has(name) ? [{ name, type: 'float32', shape, data: weights.subarray(offset, offset + size) }] : [],
  );
  return renamed(prefixOf(i, model), {
    nodes: [...encoding.nodes, ...encoder.nodes],
    initializers: [...encoding.initializers, ...parameters, ...encoder.initializers],
  });
}

function renamed(prefix: string, { nodes, initializers }: Part): Part {
  const shared: readonly string[] = ['', ...sharedNames];
  const named = (name: string): string => (shared.includes(name) ? name : prefix + name);
  return {
    nodes: nodes.map((node) => ({ ...node, inputs: node.inputs.map(named), outputs: node.outputs.map(named) })),
    initializers: initializers.map((tensor) => ({ ...tensor, name: named(tensor.name) })),
  };
}

/** From the features of several networks to those of a row. */
function combination(model: ExportedModel): Part {
  const { members, combine } = model;
  if (members.length === 1) return { nodes: [], initializers: [] };
  const inputs = members.map((_, i) => `${prefixOf(i, model)}features`);
  const node: OnnxNode =
    combine === 'concatenate'
      ? { op: 'Concat', inputs, outputs: ['features'], attributes: { axis: { int: 1 } } }
      : { op: 'Mean', inputs, outputs: ['features'] };
  return { nodes: [node], initializers: [] };
}

/** From `encoded` to `features`; the weights are operands by their names. */
function featureGraph({ layers, withInputs }: ExportedModel, network: NetworkSpec, batchSize: number): Graph {
  const shapes = Object.fromEntries(parameterSpecs(network).map(({ name, shape }) => [name, shape]));
  return trace({ ...shapes, encoded: [batchSize, inputWidth(network)] }, (tensors) => {
    const encoded = tensors['encoded'];
    const hidden = encode(network, new Map(Object.entries(tensors)), encoded);
    const chosen = layers.map((layer) => hidden[layer] as tf.Tensor);
    return { features: tf.concat(withInputs ? [...chosen, encoded] : chosen, 1) };
  });
}

/** From `features` to `prediction`: the ridge regression, in float64. */
function predictionNodes({ ridgeWeights, transform }: ExportedModel): Part {
  const score = transform === 'log' ? '/score' : 'prediction';
  return {
    nodes: [
      { op: 'Cast', inputs: ['features'], outputs: ['/features64'], attributes: { to: { int: elementType('float64') } } },
      { op: 'MatMul', inputs: ['/features64', '/ridge_weights'], outputs: ['/product'] },
      { op: 'Add', inputs: ['/product', '/ridge_intercept'], outputs: [score] },
      ...(transform === 'log' ? [{ op: 'Exp', inputs: ['/score'], outputs: ['prediction'] }] : []),
    ],
    initializers: [
      vector('/ridge_weights', ridgeWeights.subarray(0, -1), 'float64'),
      vector('/ridge_intercept', ridgeWeights.subarray(-1), 'float64'),
    ],
  };
}
