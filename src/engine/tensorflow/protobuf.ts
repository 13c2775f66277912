/** SavedModels as bytes: the only file that sees the generated protobuf code. */
import { bytesOf } from '../../base/matrix.ts';
import type { ElementType } from '../trace/graph.ts';
import { tensorflow } from './generated/tensorflow.js';

const { DataType } = tensorflow;

const elementTypes = { float32: DataType.DT_FLOAT, int32: DataType.DT_INT32, bool: DataType.DT_BOOL } as const;

/** A constant. `data` holds all elements row-major, or one element that fills the shape. */
export interface Constant {
  readonly type: ElementType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}

export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly bool: boolean }
  | { readonly text: string }
  | { readonly type: ElementType }
  | { readonly shape: readonly number[] }
  | { readonly constant: Constant };

export interface TensorflowNode {
  readonly name: string;
  /** Operation, such as `MatMul`. */
  readonly op: string;
  /** `node`, `node:1` for the second output, `^node` to run after it. */
  readonly inputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** An operand or result of a signature. */
export interface Endpoint {
  /** The output of a node, such as `loss:0`. */
  readonly output: string;
  readonly shape: readonly number[];
}

/** What can be called by name: operands and results, all of them float32. */
export interface Signature {
  readonly inputs: Readonly<Record<string, Endpoint>>;
  readonly outputs: Readonly<Record<string, Endpoint>>;
}

/** The tag under which the one graph of a model is found. */
export const servingTag = 'serve';

/**
 * Version of the graph's format: TensorFlow 2.9's, which the package from npm brings. Newer ones read it; the second number is the oldest
 * TensorFlow that may.
 */
const versions = { producer: 1087, minConsumer: 12 };

/** The bytes of saved_model.pb. There are no variables' files beside it: variables have no value until one is assigned. */
export function buildSavedModel(nodes: readonly TensorflowNode[], signatures: Readonly<Record<string, Signature>>): Uint8Array {
  return tensorflow.SavedModel.encode({
    savedModelSchemaVersion: 1,
    metaGraphs: [
      {
        metaInfoDef: { tags: [servingTag] },
        graphDef: {
          node: nodes.map(({ name, op, inputs, attributes }) => ({
            name,
            op,
            input: [...inputs],
            attr: mapValues(attributes, attribute),
          })),
          versions,
        },
        signatureDef: mapValues(signatures, ({ inputs, outputs }, methodName) => ({
          inputs: mapValues(inputs, tensorInfo),
          outputs: mapValues(outputs, tensorInfo),
          methodName,
        })),
      },
    ],
  }).finish();
}

function attribute(value: Attribute): tensorflow.AttrValue.$Properties {
  if ('int' in value) return { i: value.int };
  if ('float' in value) return { f: value.float };
  if ('bool' in value) return { b: value.bool };
  if ('text' in value) return { s: new TextEncoder().encode(value.text) };
  if ('type' in value) return { type: elementTypes[value.type] };
  if ('shape' in value) return { shape: shapeOf(value.shape) };
  return { tensor: tensorOf(value.constant) };
}

function tensorOf({ type, shape, data }: Constant): tensorflow.TensorProto.$Properties {
  const head = { dtype: elementTypes[type], tensorShape: shapeOf(shape) };
  if (data.length !== 1) return { ...head, tensorContent: bytesOf(data) };
  switch (type) {
    case 'float32':
      return { ...head, floatVal: [...data] };
    case 'int32':
      return { ...head, intVal: [...data] };
    case 'bool':
      return { ...head, boolVal: [data[0] !== 0] };
    default:
      return type satisfies never;
  }
}

const shapeOf = (shape: readonly number[]): tensorflow.TensorShapeProto.$Properties => ({ dim: shape.map((size) => ({ size })) });

const tensorInfo = ({ output, shape }: Endpoint): tensorflow.TensorInfo.$Properties => ({
  name: output,
  dtype: elementTypes.float32,
  tensorShape: shapeOf(shape),
});

const mapValues = <A, B>(record: Readonly<Record<string, A>>, map: (value: A, key: string) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
