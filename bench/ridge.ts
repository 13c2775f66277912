/**
 * Gram and ridge path at the widths of a small and of the reference model's features: ONNX Runtime's double products beside plain loops, and
 * scikit-learn's GridSearchCV on a table of the same size where there is a Python that has it.
 *
 * npm run bench -- ridge [--rounds 3] [--python PYTHON]
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { sequence, stream } from '../src/base/rng.ts';
import { onnxLinearAlgebra } from '../src/engine/onnx/linear-algebra.ts';
import { learningCurve } from '../src/ridge/curve.ts';
import { createGramBlocks } from '../src/ridge/gram.ts';
import { referenceLinearAlgebra } from '../src/ridge/reference.ts';
import { fitPath } from '../src/ridge/solve.ts';
import type { LinearAlgebra } from '../src/ridge/types.ts';
import { type BenchOptions, figure, median, printHeading, printTable, ratio } from './measure.ts';

const foldCount = 5;
const alphas = Array.from({ length: 10 }, (_, i) => 10 ** ((i * 4) / 9));
const rows = 20_000;

interface Seconds {
  readonly gram: number;
  readonly solve: number;
}

interface Contender {
  readonly name: string;
  readonly run: () => Promise<Seconds>;
}

interface BenchTable {
  readonly width: number;
  readonly features: Float32Array;
  readonly target: Float64Array;
}

function tableOf(width: number): BenchTable {
  const draw = sequence(stream(1, 'bench-ridge'));
  const features = Float32Array.from({ length: rows * width }, () => draw() - 0.5);
  const target = Float64Array.from({ length: rows }, (_, row) => (features[row * width] ?? 0) + draw() - 0.5);
  return { width, features, target };
}

/** The Grams of all rows, then every fold and alpha. */
async function path({ width, features, target }: BenchTable, linearAlgebra: LinearAlgebra): Promise<Seconds> {
  const started = performance.now();
  const grams = createGramBlocks(foldCount, width, linearAlgebra);
  await grams.accumulate(
    features,
    target,
    Int32Array.from(target, (_, row) => row % foldCount),
  );
  const blocks = await grams.finish();
  const accumulated = performance.now();
  await fitPath(blocks, linearAlgebra, alphas);
  return { gram: (accumulated - started) / 1e3, solve: (performance.now() - accumulated) / 1e3 };
}

async function curveSeconds(
  { width, features, target }: BenchTable,
  labels: number,
  linearAlgebra: LinearAlgebra,
): Promise<number> {
  const started = performance.now();
  const read = (picks: Uint32Array): Promise<Float32Array> => {
    const picked = new Float32Array(picks.length * width);
    picks.forEach((row, i) => picked.set(features.subarray(row * width, (row + 1) * width), i * width));
    return Promise.resolve(picked);
  };
  const request = { labels: [labels], draws: 1, seed: 1, alphas, task: 'regression', linearAlgebra } as const;
  await learningCurve({ ...request, features: { width, read }, target });
  return (performance.now() - started) / 1e3;
}

/** Fits every fold and alpha anew, with LAPACK on all cores. Its data are numpy's own, of the same shape. */
function sklearn(python: string, width: number): Promise<Seconds> {
  const script = fileURLToPath(new URL('ridge.py', import.meta.url));
  const args = [script, 'time', String(rows), String(width), String(alphas.length)];
  const { seconds } = JSON.parse(execFileSync(python, args, { encoding: 'utf8' })) as { seconds: number };
  return Promise.resolve({ gram: 0, solve: seconds });
}

export async function main({ rounds = 3, python }: BenchOptions = {}): Promise<void> {
  const threads = availableParallelism();
  const onnx = onnxLinearAlgebra({ threads });
  printHeading(`Ridge on ${rows.toLocaleString('en')} rows, ${foldCount} folds x ${alphas.length} alphas, in float64.`, [
    'onnxruntime-node',
  ]);
  const results: string[][] = [];
  const curves: string[][] = [];
  for (const width of [768, 3072]) {
    const table = tableOf(width);
    const contenders: Contender[] = [{ name: `onnx, ${threads} threads`, run: () => path(table, onnx) }];
    // Only where they end in about half a minute.
    if (width < 1000) {
      contenders.push({ name: 'plain loops', run: () => path(table, referenceLinearAlgebra) });
      if (python !== undefined) contenders.push({ name: 'GridSearchCV', run: () => sklearn(python, width) });
    }
    const times = contenders.map((): Seconds[] => []);
    for (let round = 0; round < (width < 1000 ? rounds : 1); round++)
      for (const [i, { run }] of contenders.entries()) times[i]?.push(await run());
    const seconds = times.map((own) => ({
      gram: median(own.map(({ gram }) => gram)),
      solve: median(own.map(({ solve }) => solve)),
      all: median(own.map(({ gram, solve }) => gram + solve)),
    }));
    const ours = seconds[0]?.all ?? NaN;
    for (const [i, { name }] of contenders.entries()) {
      const { gram = NaN, solve = NaN, all = NaN } = seconds[i] ?? {};
      // As a full product, 2 rows width^2, so that the figure compares with a Gemm's; only one triangle is computed.
      const parts = gram > 0 ? [figure(gram), figure((2 * rows * width * width) / gram / 1e9), figure(solve)] : ['-', '-', '-'];
      results.push([i === 0 ? String(width) : '', name, ...parts, figure(all), ratio(all / ours)]);
    }
    for (const labels of [200, 1000, 4000]) {
      const own: number[] = [];
      for (let round = 0; round < (width < 1000 ? rounds : 1); round++) own.push(await curveSeconds(table, labels, onnx));
      curves.push([String(width), labels.toLocaleString('en'), figure(median(own))]);
    }
  }
  printTable(['features', 'by', 'Gram s', 'Gram GFLOP/s', 'folds x alphas s', 'all s', 'time, ours = 1'], results);
  console.log('One draw of the learning curve, alpha chosen by cross-validation within the labels:');
  printTable(['features', 'labels', 'seconds'], curves);
}
