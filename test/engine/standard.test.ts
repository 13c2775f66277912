import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as ort from 'onnxruntime-node';
import { lower } from '../../src/engine/onnx/lower.ts';
import { standardise } from '../../src/engine/onnx/standard.ts';
import type { Graph, Value } from '../../src/engine/trace/graph.ts';
import { trainingGraph } from '../../src/engine/trace/programs.ts';
import { initialState } from '../../src/model/parameters.ts';
import { stepRates } from '../../src/model/step.ts';
import type { NetworkSpec } from '../../src/model/types.ts';
import { batchOf } from '../model/batch.ts';

const loss = { emphasis: 0.75, maskWeight: 2 };
const columns = { binary: 5, numerical: 3, categoricalSources: 2, numericalSources: 3, loss };
const networks: readonly NetworkSpec[] = [
  { ...columns, model: { kind: 'transformer', tokens: 4, tokenSize: 8, heads: 2, feedForward: 16, layers: 3 } },
  { ...columns, model: { kind: 'mlp', units: 12, layers: 3 } },
];
const batchSize = 6;

async function run(graph: Graph, feeds: Readonly<Record<string, Float32Array>>): Promise<Record<string, Float32Array>> {
  const session = await ort.InferenceSession.create(lower(graph), { logSeverityLevel: 3, intraOpNumThreads: 1 });
  const tensors = Object.entries(feeds).map(([name, data]) => {
    const shape = graph.inputs[name]?.shape ?? [];
    return [name, new ort.Tensor('float32', data, [...shape])] as const;
  });
  const results = await session.run(Object.fromEntries(tensors));
  const found = Object.entries(results).map(
    ([name, value]) => [name, Float32Array.from((value as ort.TypedTensor<'float32'>).data)] as const,
  );
  await session.release();
  return Object.fromEntries(found);
}

function assertClose(found: Readonly<Record<string, Float32Array>>, expected: Readonly<Record<string, Float32Array>>): void {
  for (const [name, values] of Object.entries(expected)) {
    assert.equal(found[name]?.length, values.length, name);
    values.forEach((value, i) =>
      assert.ok(Math.abs(value - found[name]![i]!) < 1e-6, `${name}[${i}]: ${found[name]![i]}, not ${value}`),
    );
  }
}

describe('the standard form of a graph', () => {
  for (const network of networks)
    it(`computes the moments and the loss of a step of the ${network.model.kind}, by operators that every runtime has and few operands each`, async () => {
      const graph = trainingGraph(network, batchSize);
      const standard = standardise(graph);
      for (const { operation, attributes, inputs, outputs } of standard.nodes) {
        assert.ok(
          inputs.length <= 8 && outputs.length <= 8,
          `${operation}: ${inputs.length} operands, ${outputs.length} results`,
        );
        if (operation === 'product') assert.deepEqual(Object.values(attributes), [false, false, false, false, 1]);
      }
      const { weights, firstMoment, secondMoment } = initialState(network, 1);
      const feeds = { weights, firstMoment, secondMoment, ...batchOf(network, batchSize, 1), rates: stepRates(1e-3, 1) };
      const [found, expected] = [await run(standard, feeds), await run(graph, feeds)];
      // Not the weights: Adam's first step amplifies the rounding of a gradient near 0 to a whole step.
      for (const key of ['newFirstMoment', 'newSecondMoment', 'loss'])
        assertClose({ [key]: found[key]! }, { [key]: expected[key]! });
    });

  const value = (...shape: number[]): Value => ({ shape, type: 'float32' });
  const counting = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(i));

  it('multiplies in every layout of the operands', async () => {
    for (let flags = 0; flags < 16; flags++) {
      const [transposeA, transposeB, batchMiddleA, batchMiddleB] = [1, 2, 4, 8].map((bit) => (flags & bit) !== 0) as [
        boolean,
        boolean,
        boolean,
        boolean,
      ];
      const [batch, m, k, n] = [2, 3, 4, 5];
      const arranged = (middle: boolean, transposed: boolean, rows: number, cols: number): Value => {
        const [first, second] = transposed ? [cols, rows] : [rows, cols];
        return middle ? value(first, batch, second) : value(batch, first, second);
      };
      const a = arranged(batchMiddleA, transposeA, m, k);
      const b = arranged(batchMiddleB, transposeB, k, n);
      const y = value(batch, m, n);
      const attributes = { transposeA, transposeB, batchMiddleA, batchMiddleB, scale: 0.5 };
      const graph: Graph = {
        inputs: { a, b },
        outputs: { y },
        nodes: [{ operation: 'product', attributes, inputs: [a, b], outputs: [y] }],
      };
      const feeds = { a: counting(batch * m * k), b: counting(batch * k * n) };
      const [A, B] = [feeds.a, feeds.b];
      const element = (
        data: Float32Array,
        middle: boolean,
        transposed: boolean,
        rows: number,
        cols: number,
        i: number,
        r: number,
        c: number,
      ): number => {
        const [first, second, lastLength, firstLength] = transposed ? [c, r, rows, cols] : [r, c, cols, rows];
        return data[middle ? (first * batch + i) * lastLength + second : (i * firstLength + first) * lastLength + second]!;
      };
      const expected = Float32Array.from({ length: batch * m * n }, (_, at) => {
        const [i, r, c] = [Math.floor(at / (m * n)), Math.floor(at / n) % m, at % n];
        let sum = 0;
        for (let t = 0; t < k; t++)
          sum += element(A, batchMiddleA, transposeA, m, k, i, r, t) * element(B, batchMiddleB, transposeB, k, n, i, t, c);
        return 0.5 * sum;
      });
      assertClose(await run(standardise(graph), feeds), { y: expected });
    }
  });

  it('concatenates and splits any number of parts', async () => {
    for (const parts of [7, 8, 50, 64]) {
      const x = value(parts, 2);
      const y = value(parts, 2);
      const pieces = Array.from({ length: parts }, () => value(1, 2));
      const graph: Graph = {
        inputs: { x },
        outputs: { y },
        nodes: [
          { operation: 'split', attributes: { axis: 0, sizes: pieces.map(() => 1) }, inputs: [x], outputs: pieces },
          { operation: 'concat', attributes: { axis: 0 }, inputs: pieces.toReversed(), outputs: [y] },
        ],
      };
      const feeds = { x: counting(2 * parts) };
      const reversed = Float32Array.from(
        { length: 2 * parts },
        (_, i) => feeds.x[2 * (parts - 1 - Math.floor(i / 2)) + (i % 2)]!,
      );
      assertClose(await run(standardise(graph), feeds), { y: reversed });
    }
  });
});
