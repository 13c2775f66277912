/**
 * A trained encoder as one ONNX model for other runtimes, with the arithmetic of its preprocessor in front and its ridge regression behind.
 *
 * Texts stay outside: a categorical column comes in as the index of its level (see `LevelMap`), -1 for one that fitting did not see. The
 * standardisation is done in float64, as in dataset/encode.ts, so features agree with `noisefold features` to float32 rounding.
 */
import * as tf from '@tensorflow/tfjs';
import { type FittedCategorical, layoutOf, type Preprocessor } from '../../dataset/encode.ts';
import { encode } from '../../model/network.ts';
import { inputWidth, offsets, parameterSpecs } from '../../model/parameters.ts';
import type { NetworkSpec } from '../../model/types.ts';
import type { Graph } from '../trace/graph.ts';
import { trace } from '../trace/trace.ts';
import { lowerForAnyBatch } from './dynamic.ts';
import { buildModel, elementType, type OnnxNode, type OnnxTensor, type OnnxValue } from './protobuf.ts';

export interface ExportedModel {
  readonly preprocessor: Preprocessor;
  readonly network: NetworkSpec;
  /** The flat vector of model/parameters.ts. */
  readonly weights: Float32Array;
  /** Hidden layers whose activations are features, ascending. */
  readonly layers: readonly number[];
  /** Whether the encoded inputs follow them. */
  readonly withInputs: boolean;
  /** [features + 1], the intercept last. */
  readonly ridgeWeights: Float64Array;
  /** What the target went through before the regression. */
  readonly transform: 'none' | 'log';
}

/** What a categorical column's values are called in the model. */
export interface LevelMap {
  readonly column: string;
  /** From a level's text to its index. */
  readonly levels: Readonly<Record<string, number>>;
  /** For an empty field: its index, or -1 where fitting saw none. */
  readonly missing: number;
  /** Whether the levels are numbers: then a value is looked up as JavaScript's String(Number(text)) writes it, `1` for `1.0`. */
  readonly numbers: boolean;
}

/** Columns of the input `levels`, in order. */
export const levelMaps = ({ columns }: Preprocessor): LevelMap[] =>
  columns.flatMap((column) => (column.kind === 'categorical' ? [levelMap(column)] : []));

/** Columns of the input `numbers`, in order. */
export const numberColumns = ({ columns }: Preprocessor): string[] =>
  columns.flatMap(({ kind, name }) => (kind === 'numerical' ? [name] : []));

function levelMap({ name, levels, rare, missing, numbers }: FittedCategorical): LevelMap {
  const last = levels.length + (missing ? 1 : 0);
  const entries = [...levels.map((level, i) => [level, i] as const), ...rare.map((level) => [level, last] as const)];
  return { column: name, levels: Object.fromEntries(entries), missing: missing ? levels.length : -1, numbers };
}

/**
 * The model's bytes. Inputs, [batch, columns] each, left out where there are no such columns: `levels` (int32) and `numbers` (float64, NaN where
 * missing). Outputs: `features` (float32, [batch, width]) and `prediction` (float64, [batch]), in the target's own unit.
 */
export function exportModel(model: ExportedModel, metadata: Readonly<Record<string, string>>): Uint8Array {
  const encoding = encodingNodes(model.preprocessor);
  const network = lowerForAnyBatch((batchSize) => featureGraph(model, batchSize));
  const weights = offsets(parameterSpecs(model.network)).map(({ name, shape, offset, size }): OnnxTensor => {
    return { name, type: 'float32', shape, data: model.weights.subarray(offset, offset + size) };
  });
  // What the features do not need, such as the heads, stays out.
  const used = new Set(network.nodes.flatMap(({ inputs }) => inputs));
  const width = model.ridgeWeights.length - 1;
  const prediction = predictionNodes(model);
  return buildModel(
    [...encoding.nodes, ...network.nodes, ...prediction.nodes],
    encoding.inputs,
    [
      { name: 'features', type: 'float32', shape: ['batch', width] },
      { name: 'prediction', type: 'float64', shape: ['batch'] },
    ],
    [
      ...encoding.initializers,
      ...weights.filter(({ name }) => used.has(name)),
      ...network.initializers,
      ...prediction.initializers,
    ],
    { metadata },
  );
}

/** From `encoded` to `features`; the weights are operands by their names. */
function featureGraph({ network, layers, withInputs }: ExportedModel, batchSize: number): Graph {
  const shapes = Object.fromEntries(parameterSpecs(network).map(({ name, shape }) => [name, shape]));
  return trace({ ...shapes, encoded: [batchSize, inputWidth(network)] }, (tensors) => {
    const encoded = tensors['encoded'];
    const hidden = encode(network, new Map(Object.entries(tensors)), encoded);
    const chosen = layers.map((layer) => hidden[layer] as tf.Tensor);
    return { features: tf.concat(withInputs ? [...chosen, encoded] : chosen, 1) };
  });
}

interface Part {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
}

const vector = (name: string, data: OnnxTensor['data'], type: OnnxTensor['type']): OnnxTensor => ({
  name,
  type,
  shape: [data.length],
  data,
});

const toFloat = (input: string, output: string): OnnxNode => ({
  op: 'Cast',
  inputs: [input],
  outputs: [output],
  attributes: { to: { int: elementType('float32') } },
});

/** From the inputs to `encoded`: one-hot columns, missing indicators, numbers. Names begin with `/`, so that they are nobody else's. */
function encodingNodes(preprocessor: Preprocessor): Part & { readonly inputs: readonly OnnxValue[] } {
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const inputs: OnnxValue[] = [];
  const parts: string[] = [];

  // Encoded column k is 1 where the level of its source is its position there.
  const { sources } = layoutOf(preprocessor);
  const widths = sources.flatMap(({ kind, levels }) => (kind === 'categorical' ? [levels] : []));
  if (widths.length > 0) {
    inputs.push({ name: 'levels', type: 'int32', shape: ['batch', widths.length] });
    const source = BigInt64Array.from(widths.flatMap((width, i) => Array.from({ length: width }, () => BigInt(i))));
    const position = Int32Array.from(widths.flatMap((width) => Array.from({ length: width }, (_, k) => k)));
    initializers.push(vector('/source', source, 'int64'), vector('/position', position, 'int32'));
    nodes.push(
      { op: 'Gather', inputs: ['levels', '/source'], outputs: ['/level'], attributes: { axis: { int: 1 } } },
      { op: 'Equal', inputs: ['/level', '/position'], outputs: ['/is_level'] },
      toFloat('/is_level', '/one_hot'),
    );
    parts.push('/one_hot');
  }

  const numerical = preprocessor.columns.flatMap((column) => (column.kind === 'numerical' ? [column] : []));
  if (numerical.length > 0) {
    inputs.push({ name: 'numbers', type: 'float64', shape: ['batch', numerical.length] });
    const statistic = (key: 'median' | 'mean' | 'deviation'): OnnxTensor =>
      vector(
        `/${key}`,
        Float64Array.from(numerical, (column) => column[key]),
        'float64',
      );
    initializers.push(statistic('median'), statistic('mean'), statistic('deviation'));
    nodes.push({ op: 'IsNaN', inputs: ['numbers'], outputs: ['/is_missing'] });
    const marked = numerical.flatMap(({ missing }, i) => (missing ? [BigInt(i)] : []));
    if (marked.length > 0) {
      initializers.push(vector('/marked', BigInt64Array.from(marked), 'int64'));
      nodes.push(toFloat('/is_missing', '/missing'), {
        op: 'Gather',
        inputs: ['/missing', '/marked'],
        outputs: ['/indicators'],
        attributes: { axis: { int: 1 } },
      });
      parts.push('/indicators');
    }
    nodes.push(
      { op: 'Where', inputs: ['/is_missing', '/median', 'numbers'], outputs: ['/filled'] },
      { op: 'Sub', inputs: ['/filled', '/mean'], outputs: ['/centred'] },
      { op: 'Div', inputs: ['/centred', '/deviation'], outputs: ['/standardised'] },
      toFloat('/standardised', '/numbers'),
    );
    parts.push('/numbers');
  }
  nodes.push({ op: 'Concat', inputs: parts, outputs: ['encoded'], attributes: { axis: { int: 1 } } });
  return { nodes, initializers, inputs };
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
