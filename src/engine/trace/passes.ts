/**
 * Rewrites of a recorded graph that do not change its results, except that constants are folded in float32 as the graph would.
 * Gradients leave much to fold: the mean's is a product with a tensor of ones, a sum's a multiplication that only broadcasts.
 */
import { filled, fillOf, sameShape, type Graph, type Node, type Operation, type Value } from './graph.ts';

/** All passes, in the order in which they help each other. */
export const optimise = (graph: Graph): Graph => removeUnused(shareEqual(simplify(graph)));

const foldable: Partial<Record<Operation, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  neg: (a) => -a,
  sqrt: (a) => Math.sqrt(a),
  reciprocal: (a) => 1 / a,
  abs: (a) => Math.abs(a),
  relu: (a) => Math.max(a, 0),
};

const movesOnly: ReadonlySet<Operation> = new Set<Operation>(['reshape', 'broadcast', 'transpose', 'tile']);
const elementwise: ReadonlySet<Operation> = new Set<Operation>(['add', 'sub', 'mul', 'div', 'max', 'min', 'pow']);

const neutral: Partial<Record<Operation, number>> = { add: 0, sub: 0, mul: 1, div: 1 };
const commutative: ReadonlySet<Operation> = new Set<Operation>(['add', 'mul']);

/** Folds filled constants, drops neutral operations (x * 1, x + 0, reshapes to the same shape) and broadcasts that the next operation does itself. */
export function simplify(graph: Graph): Graph {
  const madeBy = new Map<Value, Node>();
  return rewrite(graph, (node) => {
    const simpler = simplifyNode(node, madeBy);
    if (!Array.isArray(simpler)) for (const output of simpler.outputs) madeBy.set(output, simpler);
    return simpler;
  });
}

function simplifyNode(node: Node, madeBy: ReadonlyMap<Value, Node>): Node | Value[] {
  const [output] = node.outputs;
  const [a, b] = node.inputs;
  if (output === undefined || a === undefined) return node;

  const fills = node.inputs.map(fillOf);
  const [fillA, fillB] = fills;
  if (fillA !== undefined && fills.every((fill) => fill !== undefined)) {
    if (movesOnly.has(node.operation)) return [filled(fillA, output.shape, output.type)];
    const fold = foldable[node.operation];
    if (fold !== undefined && output.type === 'float32') return [filled(fold(fillA, fillB ?? 0), output.shape)];
  }

  if (node.operation === 'reshape') {
    if (a.constant !== undefined) return [{ ...output, constant: a.constant }];
    if (sameShape(a.shape, output.shape)) return [a];
    const before = madeBy.get(a);
    const source = before?.operation === 'reshape' ? before.inputs[0] : undefined;
    if (source !== undefined) return sameShape(source.shape, output.shape) ? [source] : { ...node, inputs: [source] };
    return node;
  }
  if (!elementwise.has(node.operation) || b === undefined) return node;

  const dropped = neutralOperand(node, fillA, fillB);
  if (dropped !== undefined) {
    const [kept] = node.inputs.filter((_, i) => i !== dropped);
    if (kept !== undefined && kept.type === output.type)
      return sameShape(kept.shape, output.shape)
        ? [kept]
        : { operation: 'broadcast', attributes: {}, inputs: [kept], outputs: node.outputs };
  }
  const narrow = (value: Value, other: Value): Value => {
    if (!sameShape(other.shape, output.shape)) return value;
    const fill = fillOf(value);
    if (fill !== undefined) return value.shape.length === 0 ? value : filled(fill, [], value.type);
    const before = madeBy.get(value);
    return (before?.operation === 'broadcast' ? before.inputs[0] : undefined) ?? value;
  };
  const narrowA = narrow(a, b);
  return { ...node, inputs: [narrowA, narrow(b, narrowA)] };
}

/** Which operand, if any, leaves the other one as it is. */
function neutralOperand({ operation }: Node, fillA: number | undefined, fillB: number | undefined): 0 | 1 | undefined {
  const element = neutral[operation];
  if (element === undefined) return undefined;
  if (fillB === element) return 1;
  return fillA === element && commutative.has(operation) ? 0 : undefined;
}

/** Common subexpressions: of two equal nodes the first one serves for both. Equal constants become one. */
export function shareEqual(graph: Graph): Graph {
  const numbers = new Map<Value, number>();
  const constants = new Map<string, Value>();
  const seen = new Map<string, readonly Value[]>();
  const numberOf = (value: Value): number => {
    const known = numbers.get(value);
    if (known !== undefined) return known;
    numbers.set(value, numbers.size);
    return numbers.size - 1;
  };
  const canonical = (value: Value): Value => {
    if (value.constant === undefined) return value;
    const key = `${value.type}[${value.shape.join()}]${value.constant.join()}`;
    const first = constants.get(key) ?? value;
    constants.set(key, first);
    return first;
  };
  return rewrite(graph, (node) => {
    const inputs = node.inputs.map(canonical);
    const shapes = node.outputs.map(({ shape, type }) => `${type}[${shape.join()}]`);
    const key = JSON.stringify([node.operation, node.attributes, inputs.map(numberOf), shapes]);
    const twin = seen.get(key);
    if (twin !== undefined) return [...twin];
    seen.set(key, node.outputs);
    return { ...node, inputs };
  });
}

/** Dead code: keeps the nodes that an output needs. Graph inputs stay, used or not. */
export function removeUnused(graph: Graph): Graph {
  const needed = new Set(Object.values(graph.outputs));
  const nodes: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    nodes.push(node);
    for (const input of node.inputs) needed.add(input);
  }
  return { ...graph, nodes: nodes.reverse() };
}

/** Visits the nodes in order, operands already replaced; a visit gives the node to keep, or the values that stand for its outputs. */
function rewrite(graph: Graph, visit: (node: Node) => Node | Value[]): Graph {
  const replaced = new Map<Value, Value>();
  const current = (value: Value): Value => replaced.get(value) ?? value;
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const result = visit({ ...node, inputs: node.inputs.map(current) });
    if (!Array.isArray(result)) nodes.push(result);
    else
      node.outputs.forEach((output, i) => {
        const stand = result[i];
        if (stand !== undefined) replaced.set(output, stand);
      });
  }
  const outputs = Object.fromEntries(Object.entries(graph.outputs).map(([name, value]) => [name, current(value)]));
  return { inputs: graph.inputs, outputs, nodes };
}
