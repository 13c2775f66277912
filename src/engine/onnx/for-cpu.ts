/**
 * A recorded training step as ONNX Runtime does it fastest on a CPU. Two things about it decide here:
 *
 * - It sums a matrix over its rows by columns, a few each, and reads the matrix in scattered pieces; as the product of a row of ones with the matrix, the sum is one
 *   pass over it. Of such sums gradients of biases are made.
 * - It walks back from the results, and of a node's operands makes that one first whose node stands last in the model. Of the gradients that end in one vector it
 *   would so make those of the first layer first, and leave the sums for the biases of all others to the end, when what they sum has left the cache.
 *
 * What both are worth: bench/README.md, "A training step".
 */
import { filled, type Graph, type Node, type Value } from '../trace/graph.ts';

/** A concatenation of fewer operands is no vector of gradients. */
const fewestOperands = 8;

export const forCpu = (graph: Graph): Graph => orderGradients(sumByOnes(graph));

/** Sums over the rows of a matrix as products. The same on any number of threads, which share a product by columns. */
export function sumByOnes(graph: Graph): Graph {
  const ones = new Map<number, Value>();
  const rewrite = (node: Node): readonly Node[] => {
    const [x] = node.inputs;
    const [sum] = node.outputs;
    if (node.operation !== 'sum' || x === undefined || sum === undefined || node.attributes.axes.join() !== '0') return [node];
    const [rows, columns, ...more] = x.shape;
    if (rows === undefined || columns === undefined || more.length > 0) return [node];
    const one = ones.get(rows) ?? filled(1, [1, rows]);
    ones.set(rows, one);
    const row: Value = { shape: [1, columns], type: x.type };
    return [
      { operation: 'gemm', attributes: { transposeA: false, transposeB: false }, inputs: [one, x], outputs: [row] },
      { operation: 'reshape', attributes: {}, inputs: [row], outputs: [sum] },
    ];
  };
  return { ...graph, nodes: graph.nodes.flatMap(rewrite) };
}

/** Puts what only a long concatenation needs right before it, what is ready first last. */
export function orderGradients(graph: Graph): Graph {
  const uses = new Map<Value, number>();
  for (const value of [...graph.nodes.flatMap(({ inputs }) => inputs), ...Object.values(graph.outputs)])
    uses.set(value, (uses.get(value) ?? 0) + 1);
  const madeBy = new Map<Value, Made>();
  graph.nodes.forEach((node, i) => {
    // A reshape waits for nothing but its operand, wherever it was recorded.
    const before = node.operation === 'reshape' && node.inputs[0] !== undefined ? madeBy.get(node.inputs[0]) : undefined;
    for (const output of node.outputs) madeBy.set(output, { node, readyAt: before?.readyAt ?? i });
  });
  const moved = new Map<Node, readonly Node[]>();
  for (const node of graph.nodes) {
    if (node.operation !== 'concat' || node.inputs.length < fewestOperands) continue;
    const makers = node.inputs.flatMap((value) => {
      const made = madeBy.get(value);
      return made?.node.outputs.length === 1 && uses.get(value) === 1 ? [made] : [];
    });
    moved.set(
      node,
      makers.sort((a, b) => b.readyAt - a.readyAt).map((made) => made.node),
    );
  }
  const gone = new Set([...moved.values()].flat());
  return { ...graph, nodes: graph.nodes.flatMap((node) => (gone.has(node) ? [] : [...(moved.get(node) ?? []), node])) };
}

interface Made {
  readonly node: Node;
  /** The place of the node, in the graph, after which it can be made. */
  readonly readyAt: number;
}
