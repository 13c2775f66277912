/** Each operation of a recorded graph as TensorFlow's. Most are one node; layer normalisation and scaled products are several, which XLA fuses. */
import { NoisefoldError } from '../../base/errors.ts';
import { filled, type ElementType, type Node, type Value } from '../trace/graph.ts';
import type { Attribute, TensorflowNode } from './protobuf.ts';

/** The output of a node, as another one names it: `node`, or `node:1` for its second. */
export type Output = string;

export interface Builder {
  /** Adds a node; gives its first output. */
  readonly add: (op: string, inputs: readonly Output[], attributes: TensorflowNode['attributes']) => Output;
  readonly constant: (value: Value) => Output;
  /** Integers as an operand: a vector, or a scalar. */
  readonly integers: (values: readonly number[] | number) => Output;
}

const sameName = {
  exp: 'Exp',
  log: 'Log',
  neg: 'Neg',
  abs: 'Abs',
  sqrt: 'Sqrt',
  reciprocal: 'Reciprocal',
  relu: 'Relu',
  sigmoid: 'Sigmoid',
  tanh: 'Tanh',
  softplus: 'Softplus',
  add: 'AddV2',
  sub: 'Sub',
  mul: 'Mul',
  div: 'RealDiv',
  max: 'Maximum',
  min: 'Minimum',
  pow: 'Pow',
  greater: 'Greater',
  where: 'SelectV2',
} as const;

const typed = (type: ElementType): Readonly<Record<'T', Attribute>> => ({ T: { type } });
const int32: Attribute = { type: 'int32' };
const float = typed('float32');

/** @param inputs in the node's order. @returns the node's outputs, in order. Throws ENGINE_UNSUPPORTED_KERNEL. */
export function lowerNode(node: Node, inputs: readonly Output[], { add, constant, integers }: Builder): readonly Output[] {
  const [x, y, z] = inputs as readonly [Output, Output, Output];
  const [a] = node.inputs;
  const [result] = node.outputs;
  if (a === undefined || result === undefined) throw new RangeError(`${node.operation} without operand or result`);
  const { shape } = result;
  const T = typed(a.type);
  switch (node.operation) {
    case 'exp':
    case 'log':
    case 'neg':
    case 'abs':
    case 'sqrt':
    case 'reciprocal':
    case 'relu':
    case 'sigmoid':
    case 'tanh':
    case 'softplus':
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
    case 'max':
    case 'min':
    case 'pow':
    case 'greater':
      return [add(sameName[node.operation], inputs, T)];
    case 'where':
      return [add(sameName.where, inputs, typed(result.type))];
    case 'step':
      return [cast(add('Greater', [x, constant(filled(0, [], a.type))], T), 'bool', result.type)];
    case 'cast':
      return [cast(x, a.type, result.type)];
    case 'reshape':
      return [add('Reshape', [x, integers(shape)], { ...T, Tshape: int32 })];
    case 'broadcast':
      return [add('BroadcastTo', [x, integers(shape)], { ...T, Tidx: int32 })];
    case 'transpose':
      return [transpose(x, node.attributes.permutation, T)];
    case 'tile':
      return [add('Tile', [x, integers(node.attributes.repeats)], { ...T, Tmultiples: int32 })];
    case 'concat':
      return [add('ConcatV2', [...inputs, integers(node.attributes.axis)], { ...T, N: { int: inputs.length }, Tidx: int32 })];
    case 'split': {
      const { axis, sizes } = node.attributes;
      const attributes = { ...T, Tlen: int32, num_split: { int: sizes.length } };
      const first = add('SplitV', [x, integers(sizes), integers(axis)], attributes);
      return sizes.map((_, i) => (i === 0 ? first : `${first}:${i}`));
    }
    case 'slice':
      return [add('Slice', [x, integers(node.attributes.begin), integers(shape)], { ...T, Index: int32 })];
    case 'sum':
    case 'mean':
      return [reduce(node.operation === 'sum' ? 'Sum' : 'Mean', x, node.attributes.axes, node.attributes.keepDimensions, T)];
    case 'softmax':
      if (node.attributes.axis !== shape.length - 1) throw unsupported('softmax over an axis that is not the last');
      return [add('Softmax', [x], T)];
    case 'gemm': {
      const { transposeA, transposeB } = node.attributes;
      const product = add('MatMul', [x, y], { ...T, transpose_a: { bool: transposeA }, transpose_b: { bool: transposeB } });
      const bias = node.inputs[2];
      if (bias === undefined) return [product];
      return [add(bias.shape.length === 1 ? 'BiasAdd' : 'AddV2', [product, z], T)];
    }
    case 'product': {
      const { transposeA, transposeB, batchMiddleA, batchMiddleB, scale } = node.attributes;
      const batchFirst = (operand: Output, isMiddle: boolean): Output => (isMiddle ? transpose(operand, [1, 0, 2], T) : operand);
      const product = add('BatchMatMulV2', [batchFirst(x, batchMiddleA), batchFirst(y, batchMiddleB)], {
        ...T,
        adj_x: { bool: transposeA },
        adj_y: { bool: transposeB },
      });
      return [scale === 1 ? product : add('Mul', [product, constant(filled(scale, []))], T)];
    }
    case 'layerNorm': {
      const last = a.shape.length - 1;
      const mean = reduce('Mean', x, [last], true, float);
      const centred = add('Sub', [x, mean], float);
      const variance = reduce('Mean', add('Square', [centred], float), [last], true, float);
      const shifted = add('AddV2', [variance, constant(filled(node.attributes.epsilon, []))], float);
      const inverseDeviation = add('Rsqrt', [shifted], float);
      const normalised = add('Mul', [centred, inverseDeviation], float);
      return [add('AddV2', [add('Mul', [normalised, y], float), z], float), mean, inverseDeviation];
    }
    default:
      return node satisfies never;
  }

  function cast(operand: Output, from: ElementType, to: ElementType): Output {
    return add('Cast', [operand], { SrcT: { type: from }, DstT: { type: to } });
  }
  function transpose(operand: Output, permutation: readonly number[], type: typeof T): Output {
    return add('Transpose', [operand, integers(permutation)], { ...type, Tperm: int32 });
  }
  function reduce(op: 'Sum' | 'Mean', operand: Output, axes: readonly number[], keepDimensions: boolean, type: typeof T): Output {
    return add(op, [operand, integers(axes)], { ...type, Tidx: int32, keep_dims: { bool: keepDimensions } });
  }
}

const unsupported = (what: string): NoisefoldError =>
  new NoisefoldError('ENGINE_UNSUPPORTED_KERNEL', `${what} has no lowering to TensorFlow`, {
    hint: 'Write the step without it, or add it to src/engine/tensorflow/operations.ts.',
  });
