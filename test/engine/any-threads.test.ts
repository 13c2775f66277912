/** Cases in which ONNX Runtime, left to itself, gives other bytes with other numbers of threads; more threads than cores are threads all the same. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { onnxEngine } from '../../src/engine/onnx/engine.ts';
import { forAnyThreads, mostThreads } from '../../src/engine/onnx/any-threads.ts';
import { cpuDevice } from '../../src/engine/onnx/device.ts';
import { type Graph, type Node, type Value } from '../../src/engine/trace/graph.ts';
import { initialState, inputWidth } from '../../src/model/parameters.ts';
import type { NetworkSpec } from '../../src/model/types.ts';
import { uniform } from '../ridge/tables.ts';
import { batchOf } from '../model/batch.ts';

const counts = [1, 2, 3, 5, 8, mostThreads, mostThreads + 4];

const value = (...shape: number[]): Value => ({ shape, type: 'float32' });

async function resultOf(graph: Graph, feeds: Readonly<Record<string, Float32Array>>, threads: number): Promise<Float32Array> {
  const session = await cpuDevice(threads).open(graph, []);
  const y = (await session.run(feeds)).numbers('y').slice();
  await session.release();
  return y;
}

async function sameOnAll(graph: Graph, feeds: Readonly<Record<string, Float32Array>>): Promise<Float32Array> {
  const [first, ...others] = await Promise.all(counts.map((threads) => resultOf(graph, feeds, threads)));
  assert.ok(first !== undefined);
  others.forEach((other, i) => assert.deepEqual(other, first, `${counts[i + 1]} threads`));
  return first;
}

function gemm(rows: number, columns: number, terms: number, transposeB: boolean, biased: boolean): Graph {
  const [a, b, bias] = [value(rows, terms), transposeB ? value(columns, terms) : value(terms, columns), value(columns)];
  const y = value(rows, columns);
  const inputs = biased ? [a, b, bias] : [a, b];
  const node: Node = { operation: 'gemm', attributes: { transposeA: false, transposeB }, inputs, outputs: [y] };
  return { inputs: biased ? { a, b, bias } : { a, b }, nodes: [node], outputs: { y } };
}

describe('a graph gives the same bytes with any number of threads:', () => {
  // Wider than high, so wide that it stays, one column, one row, both few, and too small to be shared.
  for (const [rows, columns, terms] of [
    [100, 384, 384],
    [13, 1300, 300],
    [17, 64, 1000],
    [1000, 1, 512],
    [1, 700, 1000],
    [5, 3, 20_000],
    [2, 3, 200],
  ] as const)
    for (const [transposeB, biased] of [
      [true, true],
      [false, false],
    ] as const)
      it(`a product of ${rows} x ${columns}, sums of ${terms}${biased ? ', with a bias' : ''}`, async () => {
        const [a, b, bias] = [rows * terms, columns * terms, columns].map((n, i) => Float32Array.from(uniform(n, i + 1)));
        assert.ok(a !== undefined && b !== undefined && bias !== undefined);
        const y = await sameOnAll(gemm(rows, columns, terms, transposeB, biased), biased ? { a, b, bias } : { a, b });
        for (const [i, j] of [
          [0, 0],
          [rows - 1, columns - 1],
          [rows >> 1, columns >> 1],
        ] as const) {
          let expected = biased ? (bias[j] ?? NaN) : 0;
          for (let k = 0; k < terms; k++) expected += a[i * terms + k]! * (transposeB ? b[j * terms + k]! : b[k * columns + j]!);
          assert.ok(
            Math.abs((y[i * columns + j] ?? NaN) - expected) < 1e-4 * Math.sqrt(terms),
            `${y[i * columns + j]} for ${expected}`,
          );
        }
      });

  it('softplus, to float32’s last bits, from where it is 0 to where it is its argument', async () => {
    const x = Float32Array.from({ length: 70_001 }, (_, i) => (i / 70_000 - 0.5) * 240);
    const [input, output] = [value(x.length), value(x.length)];
    const node: Node = { operation: 'softplus', attributes: {}, inputs: [input], outputs: [output] };
    const y = await sameOnAll({ inputs: { x: input }, nodes: [node], outputs: { y: output } }, { x });
    x.forEach((number, i) => {
      const expected = Math.max(number, 0) + Math.log1p(Math.exp(-Math.abs(number)));
      assert.ok(Math.abs((y[i] ?? NaN) - expected) <= 3e-7 * expected + 1e-38, `softplus(${number}) = ${y[i]}, not ${expected}`);
    });
  });

  const networkOf = (binary: number, numerical: number, model: NetworkSpec['model']): NetworkSpec => ({
    binary,
    numerical,
    categoricalSources: binary > 0 ? 2 : 0,
    numericalSources: numerical,
    loss: { emphasis: 0.75, maskWeight: 2 },
    model,
  });
  const networks: Readonly<Record<string, readonly [NetworkSpec, number]>> = {
    'a transformer': [
      networkOf(56, 14, { kind: 'transformer', tokens: 8, tokenSize: 32, heads: 4, feedForward: 128, layers: 1 }),
      1000,
    ],
    'layers of more units than a batch has rows': [networkOf(20, 6, { kind: 'mlp', units: 384, layers: 2 }), 100],
    'more inputs than units': [networkOf(300, 200, { kind: 'mlp', units: 150, layers: 1 }), 384],
    'one input': [networkOf(0, 1, { kind: 'mlp', units: 256, layers: 1 }), 384],
    'few units': [networkOf(5, 3, { kind: 'mlp', units: 5, layers: 2 }), 5000],
  };
  for (const [name, [network, rows]] of Object.entries(networks))
    it(`training and features of ${name}`, async () => {
      const results: unknown[] = [];
      for (const threads of counts) {
        const engine = onnxEngine({ threads });
        const session = await engine.training(network, rows, initialState(network, 1));
        const losses: number[] = [];
        for (let step = 0; step < 2; step++) losses.push(await session.step(batchOf(network, rows, step), 1e-3));
        const state = await session.state();
        await session.release();
        const features = await engine.features(network, [0], 128, state.weights);
        const inputs = Float32Array.from(uniform(128 * inputWidth(network), 9));
        results.push({ losses, state, features: (await features.run(inputs)).slice() });
        await features.release();
      }
      results.forEach((result, i) => assert.deepEqual(result, results[0], `${counts[i]} threads`));
    });
});

it('what is shared by rows anyway, or by no threads at all, stays as it is', () => {
  for (const graph of [gemm(384, 384, 384, true, true), gemm(300, 1024, 70, true, true), gemm(2, 3, 200, false, true)])
    assert.deepEqual(forAnyThreads(graph), graph);
});
