/**
 * Rewrites of a recorded graph for runtimes other than ONNX Runtime on a CPU: products without ONNX Runtime's own FusedMatMul, which WebGPU
 * and other runtimes do not have, and no node with more operands or results than a GPU binds buffers to. The results are the same.
 */
import type { Graph, Node, Value } from '../trace/graph.ts';

/** WebGPU guarantees 8 storage buffers a shader stage; devices that ONNX Runtime has been seen on give some more. One is the result. */
const mostOperands = 7;

/** The same graph in operations that every ONNX runtime has, each narrow enough for WebGPU. */
export function standardise(graph: Graph): Graph {
  return { ...graph, nodes: graph.nodes.flatMap(standardNodes) };
}

function standardNodes(node: Node): Node[] {
  if (node.operation === 'product') return plainProduct(node);
  if (node.operation === 'concat') return narrowConcat(node);
  if (node.operation === 'split' && node.outputs.length > mostOperands) return slices(node);
  return [node];
}

type NodeOf<O extends Node['operation']> = Extract<Node, { operation: O }>;

/** Transposes, a plain product, and a multiplication for the scale. */
function plainProduct(node: NodeOf<'product'>): Node[] {
  const { transposeA, transposeB, batchMiddleA, batchMiddleB, scale } = node.attributes;
  const [a, b] = node.inputs as [Value, Value];
  const [output] = node.outputs as [Value];
  const nodes: Node[] = [];
  const arranged = (x: Value, middle: boolean, transposed: boolean): Value => {
    const order = x.shape.map((_, i) => i);
    if (middle) order.splice(0, 2, 1, 0);
    if (transposed) order.push(...order.splice(-2).reverse());
    if (order.every((from, i) => from === i)) return x;
    const y: Value = { shape: order.map((from) => x.shape[from] ?? 1), type: x.type };
    nodes.push({ operation: 'transpose', attributes: { permutation: order }, inputs: [x], outputs: [y] });
    return y;
  };
  const inputs = [arranged(a, batchMiddleA, transposeA), arranged(b, batchMiddleB, transposeB)];
  const attributes = { transposeA: false, transposeB: false, batchMiddleA: false, batchMiddleB: false, scale: 1 };
  const product: Value = scale === 1 ? output : { shape: output.shape, type: output.type };
  nodes.push({ operation: 'product', attributes, inputs, outputs: [product] });
  if (scale !== 1) {
    const factor: Value = { shape: [], type: 'float32', constant: Float32Array.of(scale) };
    nodes.push({ operation: 'mul', attributes: {}, inputs: [product, factor], outputs: [output] });
  }
  return nodes;
}

/** A tree of concatenations. */
function narrowConcat(node: NodeOf<'concat'>): Node[] {
  if (node.inputs.length <= mostOperands) return [node];
  const { axis } = node.attributes;
  const nodes: Node[] = [];
  const groups: Value[] = [];
  for (let from = 0; from < node.inputs.length; from += mostOperands) {
    const inputs = node.inputs.slice(from, from + mostOperands);
    const [first] = inputs as [Value];
    if (inputs.length === 1) {
      groups.push(first);
      continue;
    }
    const length = inputs.reduce((sum, { shape }) => sum + (shape[axis] ?? 0), 0);
    const group: Value = { shape: first.shape.with(axis, length), type: first.type };
    nodes.push({ ...node, inputs, outputs: [group] });
    groups.push(group);
  }
  return [...nodes, ...narrowConcat({ ...node, inputs: groups })];
}

/** A slice a part. */
function slices({ attributes: { axis, sizes }, inputs, outputs }: NodeOf<'split'>): Node[] {
  let start = 0;
  return outputs.map((output, i): Node => {
    const begin = output.shape.map((_, dimension) => (dimension === axis ? start : 0));
    start += sizes[i] ?? 0;
    return { operation: 'slice', attributes: { begin }, inputs, outputs: [output] };
  });
}
