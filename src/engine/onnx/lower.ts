/**
 * The recorded graph as an ONNX model. Most operations are one ONNX node; the choices below are the ones that measured fastest in ONNX
 * Runtime on CPUs: the step function as a HardSigmoid of enormous slope (one vectorised pass), products with a transposed operand as
 * FusedMatMul (no Transpose node).
 */
import { sizeOf, type Graph, type Node, type Value } from '../trace/graph.ts';
import { buildModel, elementType, type OnnxAttribute, type OnnxNode, type OnnxTensor, type OnnxValue } from './protobuf.ts';

/** Bytes of an ONNX model with the graph's inputs and outputs, by their names. */
export function lower(graph: Graph): Uint8Array {
  const { nodes, initializers } = lowerNodes(graph);
  const described = (values: Graph['inputs']): OnnxValue[] =>
    Object.entries(values).map(([name, { type, shape }]) => ({ name, type, shape }));
  return buildModel(nodes, described(graph.inputs), described(graph.outputs), initializers);
}

export interface LoweredNodes {
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly OnnxTensor[];
}

/**
 * The nodes and constants alone; inputs and outputs have the graph's names for them.
 * @param targetOf what a reshape is told to make: -1 for a dimension that is not known before the run
 */
export function lowerNodes(graph: Graph, targetOf: (value: Value) => readonly number[] = ({ shape }) => shape): LoweredNodes {
  const names = new Map<Value, string>();
  const nodes: OnnxNode[] = [];
  const initializers: OnnxTensor[] = [];
  const integers = new Map<string, string>();

  for (const [name, value] of Object.entries(graph.inputs)) names.set(value, name);
  const produced = new Set(graph.nodes.flatMap((node) => node.outputs));
  const outputs = Object.entries(graph.outputs);
  for (const [name, value] of outputs) if (produced.has(value) && !names.has(value)) names.set(value, name);

  /** Generated names start with %, so that they cannot be those of an input or output. */
  const nameOf = (value: Value): string => {
    const known = names.get(value);
    if (known !== undefined) return known;
    const name = `%${names.size}`;
    names.set(value, name);
    if (value.constant !== undefined)
      initializers.push({ name, type: value.type, shape: value.shape, data: elementsOf(value, value.constant) });
    return name;
  };
  /** A vector of integers as an operand: axes, shapes, sizes. */
  const vector = (values: readonly number[]): string => {
    const key = values.join();
    const name = integers.get(key) ?? `%i${integers.size}`;
    if (!integers.has(key))
      initializers.push({ name, type: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) });
    integers.set(key, name);
    return name;
  };

  const used = new Set([...graph.nodes.flatMap((node) => node.inputs), ...Object.values(graph.outputs)]);
  for (const node of graph.nodes) {
    // Mean and deviation are for the gradient; where there is none, they are optional and left out.
    const needed =
      node.operation === 'layerNorm'
        ? node.outputs.slice(0, 1 + node.outputs.findLastIndex((output) => used.has(output)))
        : node.outputs;
    nodes.push(lowerNode(node, { inputs: node.inputs.map(nameOf), outputs: needed.map(nameOf) }, vector, targetOf));
  }
  // What is a constant, an input or another output already needs a copy under its own name.
  for (const [name, value] of outputs)
    if (nameOf(value) !== name) nodes.push({ op: 'Identity', inputs: [nameOf(value)], outputs: [name] });
  return { nodes, initializers };
}

/** All elements of a constant. */
function elementsOf({ shape, type }: Value, constant: NonNullable<Value['constant']>): NonNullable<Value['constant']> {
  const size = sizeOf(shape);
  if (constant.length === size) return constant;
  const Elements = { float32: Float32Array, int32: Int32Array, bool: Uint8Array }[type];
  return new Elements(size).fill(constant[0] ?? 0);
}

interface Wiring {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
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
  add: 'Add',
  sub: 'Sub',
  mul: 'Mul',
  div: 'Div',
  max: 'Max',
  min: 'Min',
  pow: 'Pow',
  greater: 'Greater',
  where: 'Where',
} as const;

const flag = (value: boolean): OnnxAttribute => ({ int: value ? 1 : 0 });

function lowerNode(
  node: Node,
  { inputs, outputs }: Wiring,
  vector: (values: readonly number[]) => string,
  targetOf: (value: Value) => readonly number[],
): OnnxNode {
  const [x] = inputs as [string];
  const shape = node.outputs[0]?.shape ?? [];
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
    case 'where':
      return { op: sameName[node.operation], inputs, outputs };
    case 'step':
      // max(0, min(1, 1e30 x)): exactly 0 or 1 but for 0 < x < 1e-30.
      return { op: 'HardSigmoid', inputs, outputs, attributes: { alpha: { float: 1e30 }, beta: { float: 0 } } };
    case 'cast':
      return { op: 'Cast', inputs, outputs, attributes: { to: { int: elementType(node.outputs[0]?.type ?? 'float32') } } };
    case 'reshape':
      return { op: 'Reshape', inputs: [x, vector(node.outputs[0] === undefined ? shape : targetOf(node.outputs[0]))], outputs };
    case 'broadcast':
      return { op: 'Expand', inputs: [x, vector(shape)], outputs };
    case 'transpose':
      return { op: 'Transpose', inputs, outputs, attributes: { perm: { ints: node.attributes.permutation } } };
    case 'tile':
      return { op: 'Tile', inputs: [x, vector(node.attributes.repeats)], outputs };
    case 'concat':
      return { op: 'Concat', inputs, outputs, attributes: { axis: { int: node.attributes.axis } } };
    case 'split':
      return {
        op: 'Split',
        inputs: [x, vector(node.attributes.sizes)],
        outputs,
        attributes: { axis: { int: node.attributes.axis } },
      };
    case 'slice': {
      const { begin } = node.attributes;
      return { op: 'Slice', inputs: [x, vector(begin), vector(begin.map((start, i) => start + (shape[i] ?? 0)))], outputs };
    }
    case 'sum':
    case 'mean':
      return {
        op: node.operation === 'sum' ? 'ReduceSum' : 'ReduceMean',
        inputs: [x, vector(node.attributes.axes)],
        outputs,
        attributes: { keepdims: flag(node.attributes.keepDimensions) },
      };
    case 'softmax':
      return { op: 'Softmax', inputs, outputs, attributes: { axis: { int: node.attributes.axis } } };
    case 'gemm': {
      const { transposeA, transposeB } = node.attributes;
      return { op: 'Gemm', inputs, outputs, attributes: { transA: flag(transposeA), transB: flag(transposeB) } };
    }
    case 'product': {
      const { transposeA, transposeB, batchMiddleA, batchMiddleB, scale } = node.attributes;
      if (!transposeA && !transposeB && !batchMiddleA && !batchMiddleB && scale === 1) return { op: 'MatMul', inputs, outputs };
      return {
        op: 'FusedMatMul',
        domain: 'com.microsoft',
        inputs,
        outputs,
        attributes: {
          transA: flag(transposeA),
          transB: flag(transposeB),
          transBatchA: flag(batchMiddleA),
          transBatchB: flag(batchMiddleB),
          alpha: { float: scale },
        },
      };
    }
    case 'layerNorm': {
      const attributes = { axis: { int: -1 }, epsilon: { float: node.attributes.epsilon }, stash_type: { int: 1 } };
      return { op: 'LayerNormalization', inputs, outputs, attributes };
    }
    default:
      return node satisfies never;
  }
}
