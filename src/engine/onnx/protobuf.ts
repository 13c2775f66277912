/** ONNX models as bytes: the only file that sees the generated protobuf code. */
import { bytesOf } from '../../base/matrix.ts';
import { onnx } from './generated/onnx.js';

const DataType = onnx.TensorProto.DataType;
const AttributeType = onnx.AttributeProto.AttributeType;

const elementTypes = {
  float32: DataType.FLOAT,
  float64: DataType.DOUBLE,
  int32: DataType.INT32,
  int64: DataType.INT64,
  bool: DataType.BOOL,
} as const;

export type OnnxType = keyof typeof elementTypes;

/** The number that stands for an element type in attributes such as Cast's `to`. */
export const elementType = (type: OnnxType): number => elementTypes[type];

export type OnnxAttribute =
  { readonly int: number } | { readonly float: number } | { readonly ints: readonly number[] } | { readonly string: string };

export interface OnnxNode {
  /** Operator, such as `Gemm`. */
  readonly op: string;
  /** Names of the operands; '' leaves an optional one out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, OnnxAttribute>>;
  /** '' (ONNX's own operators, the default) or `com.microsoft` (ONNX Runtime's). */
  readonly domain?: string;
}

/** A graph input or output. A dimension given by name may differ a run. */
export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly (number | string)[];
}

/** A constant. `data` holds the elements row-major, in the machine's (little-endian) byte order. */
export interface OnnxTensor {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array;
}

export interface ModelOptions {
  /** Version of ONNX's own operators; LayerNormalization needs 17. */
  readonly opset?: number;
  /** Texts that runtimes hand out beside the model. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/**
 * The bytes of an ONNX model.
 * @param nodes in topological order
 */
export function buildModel(
  nodes: readonly OnnxNode[],
  inputs: readonly OnnxValue[],
  outputs: readonly OnnxValue[],
  initializers: readonly OnnxTensor[] = [],
  { opset = 18, metadata = {} }: ModelOptions = {},
): Uint8Array {
  return onnx.ModelProto.encode({
    irVersion: 9,
    producerName: 'noisefold',
    opsetImport: [
      { domain: '', version: opset },
      ...(nodes.some(({ domain }) => domain === 'com.microsoft') ? [{ domain: 'com.microsoft', version: 1 }] : []),
    ],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
    graph: {
      name: 'noisefold',
      node: nodes.map((node, i) => ({
        name: `${node.op}_${i}`,
        opType: node.op,
        input: [...node.inputs],
        output: [...node.outputs],
        domain: node.domain ?? '',
        attribute: Object.entries(node.attributes ?? {}).map(([name, value]) => attribute(name, value)),
      })),
      initializer: initializers.map(({ name, type, shape, data }) => ({
        name,
        dims: [...shape],
        dataType: elementTypes[type],
        rawData: bytesOf(data),
      })),
      input: inputs.map(valueInfo),
      output: outputs.map(valueInfo),
    },
  }).finish();
}

function attribute(name: string, value: OnnxAttribute): onnx.AttributeProto.$Properties {
  if ('int' in value) return { name, type: AttributeType.INT, i: value.int };
  if ('float' in value) return { name, type: AttributeType.FLOAT, f: value.float };
  if ('ints' in value) return { name, type: AttributeType.INTS, ints: [...value.ints] };
  return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value.string) };
}

function valueInfo({ name, type, shape }: OnnxValue): onnx.ValueInfoProto.$Properties {
  const dim = shape.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: elementTypes[type], shape: { dim } } } };
}
