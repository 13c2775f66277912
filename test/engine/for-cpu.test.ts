import assert from 'node:assert/strict';
import { it } from 'node:test';
import { orderGradients, sumByOnes } from '../../src/engine/onnx/for-cpu.ts';
import { fillOf, type Graph, type Node, type Value } from '../../src/engine/trace/graph.ts';

const value = (...shape: number[]): Value => ({ shape, type: 'float32' });

it('what a long concatenation needs stands before it, what is ready first last', () => {
  const x = value(2);
  const parts = Array.from({ length: 8 }, () => value(2));
  const [first] = parts as [Value];
  const y = value(16);
  const makers = parts.map((part): Node => ({ operation: 'exp', attributes: {}, inputs: [x], outputs: [part] }));
  const concat: Node = { operation: 'concat', attributes: { axis: 0 }, inputs: parts, outputs: [y] };
  const graph: Graph = { inputs: { x }, nodes: [...makers, concat], outputs: { y } };
  assert.deepEqual(orderGradients(graph).nodes, [...makers.toReversed(), concat]);
  const shared: Graph = { ...graph, outputs: { y, first } };
  assert.deepEqual(
    orderGradients(shared).nodes,
    [makers[0], ...makers.slice(1).reverse(), concat],
    'what is used elsewhere stays where it is',
  );
});

it('a sum over the rows of a matrix is a product with a row of ones, any other sum stays', () => {
  const [x, y, columns, rows] = [value(5, 3), value(5, 3), value(3), value(5)];
  const sum = (input: Value, axis: number, output: Value): Node => ({
    operation: 'sum',
    attributes: { axes: [axis], keepDimensions: false },
    inputs: [input],
    outputs: [output],
  });
  const others = sum(y, 1, rows);
  const { nodes } = sumByOnes({ inputs: { x, y }, nodes: [sum(x, 0, columns), others], outputs: { columns, rows } });
  const [product, reshape, last] = nodes;
  assert.ok(product?.operation === 'gemm' && reshape?.operation === 'reshape' && nodes.length === 3);
  const [ones] = product.inputs as [Value];
  assert.deepEqual([ones.shape, fillOf(ones), product.inputs[1]], [[1, 5], 1, x]);
  assert.deepEqual([product.outputs[0]?.shape, reshape.outputs], [[1, 3], [columns]]);
  assert.equal(last, others);
});
