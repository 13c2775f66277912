import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { filled, type Graph, type Node, type Operation, type Operations, type Value } from '../../src/engine/trace/graph.ts';
import { removeUnused, shareEqual, simplify } from '../../src/engine/trace/passes.ts';

const value = (...shape: number[]): Value => ({ shape, type: 'float32' });

function node<O extends Operation>(operation: O, inputs: Value[], outputs: Value[], attributes: Operations[O]): Node {
  return { operation, inputs, outputs, attributes } as unknown as Node;
}

const graph = (inputs: Record<string, Value>, nodes: Node[], outputs: Record<string, Value>): Graph => ({
  inputs,
  nodes,
  outputs,
});
const operations = ({ nodes }: Graph): string[] => nodes.map(({ operation }) => operation);

describe('simplify', () => {
  const x = value(3, 4);

  it('drops operations that leave their operand as it is', () => {
    for (const [operation, operands] of [
      ['mul', [x, filled(1, [3, 4])]],
      ['mul', [filled(1, []), x]],
      ['add', [x, filled(0, [4])]],
      ['add', [filled(0, []), x]],
      ['sub', [x, filled(0, [])]],
      ['div', [x, filled(1, [3, 1])]],
      ['reshape', [x]],
    ] as const) {
      const y = value(3, 4);
      const simple = simplify(graph({ x }, [node(operation, [...operands], [y], {})], { y }));
      assert.deepEqual(simple.nodes, [], operation);
      assert.equal(simple.outputs['y'], x, operation);
    }
  });

  it('keeps 0 - x and 1 / x, which do not', () => {
    for (const [operation, constant] of [
      ['sub', 0],
      ['div', 1],
    ] as const) {
      const y = value(3, 4);
      assert.deepEqual(operations(simplify(graph({ x }, [node(operation, [filled(constant, []), x], [y], {})], { y }))), [
        operation,
      ]);
    }
  });

  it('turns a multiplication by ones that only broadcasts into a broadcast, and lets the next operation do it', () => {
    const [row, spread, y] = [value(1, 4), value(3, 4), value(3, 4)];
    const multiplied = node('mul', [row, filled(1, [3, 4])], [spread], {});
    assert.deepEqual(operations(simplify(graph({ row }, [multiplied], { spread }))), ['broadcast']);
    const product = simplify(graph({ row, x }, [multiplied, node('mul', [spread, x], [y], {})], { y }));
    assert.deepEqual(operations(removeUnused(product)), ['mul']);
    assert.deepEqual(product.nodes.at(-1)?.inputs, [row, x]);
  });

  it('never narrows both operands of one operation', () => {
    const [row, spread, y] = [value(1, 4), value(3, 4), value(3, 4)];
    const broadcast = node('mul', [row, filled(1, [3, 4])], [spread], {});
    const square = simplify(graph({ row }, [broadcast, node('mul', [spread, spread], [y], {})], { y }));
    const inputs = square.nodes.at(-1)?.inputs ?? [];
    assert.ok(inputs.some(({ shape }) => shape.join() === '3,4'));
  });

  it('folds operations on filled constants in float32, through the gradient of a mean', () => {
    const [ones, spread, scaled] = [value(5, 7), value(5, 7), value(5, 7)];
    const folded = simplify(
      graph(
        { x },
        [
          node('broadcast', [filled(1, [])], [ones], {}),
          node('mul', [ones, filled(0.1, [])], [spread], {}),
          node('div', [spread, filled(35, [])], [scaled], {}),
        ],
        { scaled },
      ),
    );
    assert.deepEqual(folded.nodes, []);
    assert.deepEqual(folded.outputs['scaled']?.constant, Float32Array.of(Math.fround(Math.fround(0.1) / 35)));
    assert.deepEqual(folded.outputs['scaled'].shape, [5, 7]);
  });

  it('makes one reshape of two, and none of a way there and back', () => {
    const [flat, other, back] = [value(12), value(2, 6), value(3, 4)];
    const nodes = [node('reshape', [x], [flat], {}), node('reshape', [flat], [other], {}), node('reshape', [flat], [back], {})];
    const simple = removeUnused(simplify(graph({ x }, nodes, { other, back })));
    assert.deepEqual(operations(simple), ['reshape']);
    assert.equal(simple.nodes[0]?.inputs[0], x);
    assert.equal(simple.outputs['back'], x);
  });
});

describe('shareEqual', () => {
  const x = value(2, 2);

  it('computes equal nodes once, whatever they are built from', () => {
    const [a, b, c, d] = [value(2, 2), value(2, 2), value(2, 2), value(2, 2)];
    const shared = shareEqual(
      graph(
        { x },
        [
          node('mul', [x, filled(3, [])], [a], {}),
          node('mul', [x, filled(3, [])], [b], {}),
          node('exp', [a], [c], {}),
          node('exp', [b], [d], {}),
        ],
        { c, d },
      ),
    );
    assert.deepEqual(operations(shared), ['mul', 'exp']);
    assert.equal(shared.outputs['c'], shared.outputs['d']);
  });

  it('tells nodes apart by attributes, result shapes, operand order and constants', () => {
    const y = value(2, 2);
    const pairs: [Node, Node][] = [
      [
        node('sum', [x], [value(2)], { axes: [0], keepDimensions: false }),
        node('sum', [x], [value(2)], { axes: [1], keepDimensions: false }),
      ],
      [node('reshape', [x], [value(4)], {}), node('reshape', [x], [value(1, 4)], {})],
      [node('sub', [x, y], [value(2, 2)], {}), node('sub', [y, x], [value(2, 2)], {})],
      [node('mul', [x, filled(3, [])], [value(2, 2)], {}), node('mul', [x, filled(4, [])], [value(2, 2)], {})],
    ];
    for (const [a, b] of pairs)
      assert.equal(shareEqual(graph({ x, y }, [a, b], { a: a.outputs[0]!, b: b.outputs[0]! })).nodes.length, 2, a.operation);
  });
});

describe('removeUnused', () => {
  it('keeps what an output needs, in order, and all inputs', () => {
    const [x, unused, a, b, c] = [value(2), value(2), value(2), value(2), value(2)];
    const nodes = [node('exp', [x], [a], {}), node('log', [unused], [c], {}), node('neg', [a], [b], {})];
    const live = removeUnused(graph({ x, unused }, nodes, { b }));
    assert.deepEqual(operations(live), ['exp', 'neg']);
    assert.deepEqual(Object.keys(live.inputs), ['x', 'unused']);
  });

  it('keeps a node of which one output of several is used', () => {
    const [x, left, right] = [value(4), value(1), value(3)];
    const split = node('split', [x], [left, right], { axis: 0, sizes: [1, 3] });
    assert.deepEqual(operations(removeUnused(graph({ x }, [split], { right }))), ['split']);
  });
});
