/**
 * A recorded graph whose batch is free. A trace has fixed shapes; two traces of one program at different batch sizes tell which dimensions follow
 * the batch. Only reshapes name such a dimension, and there ONNX has a word for it: -1.
 */
import { NoisefoldError } from '../../base/errors.ts';
import type { Graph, Node, Value } from '../trace/graph.ts';
import { lowerNodes, type LoweredNodes } from './lower.ts';
import { standardise } from './standard.ts';

/** Batch sizes that are no product of a network's sizes, so that no two dimensions are equal by chance. */
const [one, other] = [1009, 2003] as const;

/**
 * Nodes for any batch size, in ONNX's own operators.
 * @param record traces the program at a batch size
 * Throws INTERNAL when the program depends on the batch size in another way than by its shapes.
 */
export function lowerForAnyBatch(record: (batchSize: number) => Graph): LoweredNodes {
  const [graph, twin] = [standardise(record(one)), standardise(record(other))];
  const targets = new Map<Value, readonly number[]>();
  for (const [i, node] of graph.nodes.entries()) {
    const counterpart = twin.nodes[i];
    if (graph.nodes.length !== twin.nodes.length || counterpart === undefined || !sameKind(node, counterpart))
      throw dependent(node.operation);
    const follows = node.outputs.map(({ shape }, k) => shape.map((length, d) => length !== counterpart.outputs[k]?.shape[d]));
    if (node.operation === 'reshape') {
      const [output] = node.outputs;
      const [free = []] = follows;
      if (output === undefined || free.filter(Boolean).length > 1) throw dependent(node.operation);
      targets.set(
        output,
        output.shape.map((length, d) => (free[d] === true ? -1 : length)),
      );
    } else if ((node.operation === 'broadcast' || node.operation === 'slice') && follows.flat().some(Boolean))
      throw dependent(node.operation);
  }
  return lowerNodes(graph, (value) => targets.get(value) ?? value.shape);
}

function sameKind(node: Node, twin: Node): boolean {
  const constants = ({ inputs }: Node): string =>
    inputs.map(({ constant, shape }) => (constant === undefined ? '' : `[${shape.join()}] ${constant.join()}`)).join(';');
  return (
    node.operation === twin.operation &&
    JSON.stringify(node.attributes) === JSON.stringify(twin.attributes) &&
    node.outputs.every(({ shape }, i) => shape.length === twin.outputs[i]?.shape.length) &&
    constants(node) === constants(twin)
  );
}

const dependent = (operation: string): NoisefoldError =>
  new NoisefoldError('INTERNAL', `the graph depends on the batch size in a ${operation}: it cannot be exported`);
