/**
 * Ridge paths, in float64: ours beside scikit-learn's on the same machine, where there is a Python that has it.
 *
 * npm run bench -- ridge [--rounds 3] [--python PYTHON]      20,000 rows, both ways to solve, the learning curve
 * npm run bench -- ridge --rows 300000 [--python PYTHON]     so many rows of the reference network's 3,072 features, streamed
 */
import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { sequence, stream } from '../src/base/rng.ts';
import { onnxLinearAlgebra } from '../src/engine/onnx/linear-algebra.ts';
import { learningCurve } from '../src/ridge/curve.ts';
import { createGramBlocks } from '../src/ridge/gram.ts';
import { referenceLinearAlgebra } from '../src/ridge/reference.ts';
import { fitAllPath, fitPath } from '../src/ridge/solve.ts';
import type { LinearAlgebra } from '../src/ridge/types.ts';
import { testTable } from '../test/ridge/tables.ts';
import { type BenchOptions, figure, median, printHeading, printTable, ratio } from './measure.ts';
import { streamedPath } from './ridge-stream.ts';

const foldCount = 5;
const alphas = Array.from({ length: 20 }, (_, i) => 10 ** ((i * 4) / 19));
const rows = 20_000;

/** Wall clock, and the seconds of all cores together. */
interface Timing {
  readonly seconds: number;
  readonly coreSeconds: number;
}

async function timed(work: () => Promise<unknown>): Promise<Timing> {
  const [started, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { seconds: (performance.now() - started) / 1e3, coreSeconds: (user + system) / 1e6 };
}

const middle = (timings: readonly Timing[]): Timing => ({
  seconds: median(timings.map(({ seconds }) => seconds)),
  coreSeconds: median(timings.map(({ coreSeconds }) => coreSeconds)),
});

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
async function path(
  { width, features, target }: BenchTable,
  linearAlgebra: LinearAlgebra,
): Promise<{ gram: Timing; solve: Timing }> {
  const grams = createGramBlocks(foldCount, width, linearAlgebra);
  const folds = Int32Array.from(target, (_, row) => row % foldCount);
  const gram = await timed(() => grams.accumulate(features, target, folds));
  const blocks = await grams.finish();
  return { gram, solve: await timed(() => fitPath(blocks, linearAlgebra, alphas)) };
}

/** One training set, every alpha: by the reduction to band form, and one Cholesky factor after the other. They take turns. */
async function bothWays(table: BenchTable, linearAlgebra: LinearAlgebra, rounds: number): Promise<Timing[]> {
  const grams = createGramBlocks(1, table.width, linearAlgebra);
  await grams.accumulate(table.features, table.target, new Int32Array(rows));
  const blocks = await grams.finish();
  const ways = [
    () => fitAllPath(blocks, linearAlgebra, alphas),
    async () => {
      for (const alpha of alphas) await fitAllPath(blocks, linearAlgebra, [alpha]);
    },
  ];
  const times = ways.map((): Timing[] => []);
  for (let round = 0; round < rounds; round++) for (const [i, way] of ways.entries()) times[i]?.push(await timed(way));
  return times.map(middle);
}

async function curveSeconds(
  { width, features, target }: BenchTable,
  labels: number,
  linearAlgebra: LinearAlgebra,
): Promise<number> {
  const read = (picks: Uint32Array): Promise<Float32Array> => {
    const picked = new Float32Array(picks.length * width);
    picks.forEach((row, i) => picked.set(features.subarray(row * width, (row + 1) * width), i * width));
    return Promise.resolve(picked);
  };
  const request = { labels: [labels], draws: 1, seed: 1, alphas, task: 'regression', linearAlgebra } as const;
  const { seconds } = await timed(() => learningCurve({ ...request, features: { width, read }, target }));
  return seconds;
}

/** scikit-learn, with LAPACK on all cores. Its data are numpy's own, of the same shape. */
function sklearn(python: string, mode: string, ...numbers: readonly number[]): unknown {
  const script = fileURLToPath(new URL('ridge.py', import.meta.url));
  return JSON.parse(execFileSync(python, [script, mode, ...numbers.map(String)], { encoding: 'utf8' }));
}

/** What GridSearchCV would take at `allRows` rows: a fit costs a + b rows, seen at two sizes; predictions are left out, in its favour. */
function extrapolated(python: string, allRows: number, width: number): Timing {
  const sizes = [8000, 24_000] as const;
  // The first fit also loads the libraries.
  const [, small, large] = sklearn(python, 'fit', width, sizes[0], ...sizes) as readonly Timing[];
  const at = (of: (timing: Timing) => number): number => {
    const [a, b] = [of(small as Timing), of(large as Timing)];
    const training = (allRows * (foldCount - 1)) / foldCount;
    return foldCount * alphas.length * (a + ((b - a) / (sizes[1] - sizes[0])) * (training - sizes[0]));
  };
  return { seconds: at(({ seconds }) => seconds), coreSeconds: at(({ coreSeconds }) => coreSeconds) };
}

/** The largest relative difference of held-out RMSE to scikit-learn's, over folds and alphas. */
async function disagreement(python: string, linearAlgebra: LinearAlgebra): Promise<number> {
  const table = testTable('plain', 3000, 400, 1);
  const folds = Int32Array.from({ length: table.rows }, (_, row) => row % foldCount);
  const grams = createGramBlocks(foldCount, table.width, linearAlgebra);
  await grams.accumulate(table.features, table.target, folds);
  const { folds: own } = await fitPath(await grams.finish(), linearAlgebra, alphas);
  const theirs = sklearn(python, 'errors', table.rows, table.width, ...alphas) as readonly number[][];
  return Math.max(...theirs.flatMap((errors, f) => errors.map((rmse, a) => Math.abs((own[f]?.rmse[a] ?? NaN) / rmse - 1))));
}

export async function main({ rounds = 3, rows: allRows, python }: BenchOptions = {}): Promise<void> {
  const onnx = onnxLinearAlgebra({ threads: availableParallelism() });
  if (allRows !== undefined) await atScale(allRows, onnx, python);
  else await sideBySide(rounds, onnx, python);
}

async function atScale(allRows: number, onnx: LinearAlgebra, python: string | undefined): Promise<void> {
  const width = 3072;
  printHeading(
    `${allRows.toLocaleString('en')} rows of ${width} features, ${foldCount} folds x ${alphas.length} alphas, no feature file.`,
    ['onnxruntime-node'],
  );
  const all = { seconds: 0, coreSeconds: 0 };
  let [started, before] = [performance.now(), process.cpuUsage()];
  const lap = (name: string, counts: boolean): void => {
    const { user, system } = process.cpuUsage(before);
    const own = { seconds: (performance.now() - started) / 1e3, coreSeconds: (user + system) / 1e6 };
    console.log(`${name}: ${figure(own.seconds)} s, ${figure(own.coreSeconds)} core seconds`);
    if (counts) {
      all.seconds += own.seconds;
      all.coreSeconds += own.coreSeconds;
    }
    [started, before] = [performance.now(), process.cpuUsage()];
  };
  const { peakMb, idleMb } = await streamedPath({ rows: allRows, foldCount, alphas, linearAlgebra: onnx }, lap);
  console.log(`all: ${figure(all.seconds)} s, ${figure(all.coreSeconds)} core seconds, ${figure(allRows / all.seconds)} rows/s`);
  console.log(`${figure(peakMb)} MB at the peak, ${figure(idleMb)} MB before`);
  if (python === undefined) return;
  const theirs = extrapolated(python, allRows, width);
  console.log(
    `GridSearchCV(Ridge), extrapolated: ${figure(theirs.seconds)} s, ${figure(theirs.coreSeconds)} core seconds; ` +
      `${ratio(theirs.seconds / all.seconds)} ours, ${ratio(theirs.coreSeconds / all.coreSeconds)} in core seconds`,
  );
}

async function sideBySide(rounds: number, onnx: LinearAlgebra, python: string | undefined): Promise<void> {
  printHeading(`Ridge on ${rows.toLocaleString('en')} rows, ${foldCount} folds x ${alphas.length} alphas, in float64.`, [
    'onnxruntime-node',
  ]);
  const results: string[][] = [];
  const ways: string[][] = [];
  const curves: string[][] = [];
  for (const width of [768, 3072]) {
    const table = tableOf(width);
    const times: { gram: Timing; solve: Timing }[] = [];
    for (let round = 0; round < rounds; round++) times.push(await path(table, onnx));
    const [gram, solve] = [middle(times.map((each) => each.gram)), middle(times.map((each) => each.solve))];
    const ours = gram.seconds + solve.seconds;
    // As a full product, 2 rows width^2, so that the figure compares with a Gemm's; only one triangle is computed.
    const rate = (2 * rows * width * width) / gram.seconds / 1e9;
    results.push([String(width), 'ours', ...[gram.seconds, rate, solve.seconds, ours].map(figure), ratio(1)]);
    const other = (name: string, { seconds }: Timing): void =>
      void results.push(['', name, '-', '-', '-', figure(seconds), ratio(seconds / ours)]);
    // Only where they end in about half a minute.
    if (width < 1000) {
      const { gram: slowGram, solve: slowSolve } = await path(table, referenceLinearAlgebra);
      other('plain loops', { seconds: slowGram.seconds + slowSolve.seconds, coreSeconds: 0 });
    }
    if (python !== undefined) {
      if (width < 1000) other('GridSearchCV', sklearn(python, 'time', rows, width, alphas.length) as Timing);
      other('GridSearchCV, extrapolated', extrapolated(python, rows, width));
      if (width < 1000) other('RidgeCV (leave one out)', sklearn(python, 'gcv', rows, width, alphas.length) as Timing);
    }
    const [band, cholesky] = await bothWays(table, onnx, rounds);
    for (const [name, timing] of [
      ['one reduction to band form', band] as const,
      ['a Cholesky factor an alpha', cholesky] as const,
    ])
      if (timing && band)
        ways.push([
          String(width),
          name,
          figure(timing.seconds),
          figure(timing.coreSeconds),
          ratio(timing.seconds / band.seconds),
        ]);
    for (const labels of [200, 1000, 4000])
      curves.push([String(width), labels.toLocaleString('en'), figure(await curveSeconds(table, labels, onnx))]);
  }
  printTable(['features', 'by', 'Gram s', 'Gram GFLOP/s', 'folds x alphas s', 'all s', 'time, ours = 1'], results);
  if (python !== undefined)
    console.log(
      `Held-out RMSE, 3,000 x 400: at most ${(await disagreement(python, onnx)).toExponential(1)} from scikit-learn's.\n`,
    );
  console.log(`One training set, ${alphas.length} alphas:`);
  printTable(['features', 'by', 'seconds', 'core seconds', 'time, band = 1'], ways);
  console.log('One draw of the learning curve, alpha chosen by cross-validation within the labels:');
  printTable(['features', 'labels', 'seconds'], curves);
}
