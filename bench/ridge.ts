/**
 * Gram and ridge path at the widths of a small and of the reference model's features: plain loops beside ONNX Runtime, scikit-learn beside both.
 *
 * tsx bench/ridge.ts [--sklearn PYTHON]    PYTHON: an interpreter with scikit-learn, for GridSearchCV on data of the same size
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

const foldCount = 5;
const alphas = Array.from({ length: 10 }, (_, i) => 10 ** ((i * 4) / 9));

interface BenchTable {
  readonly features: Float32Array;
  readonly target: Float64Array;
}

function table(rows: number, width: number): BenchTable {
  const draw = sequence(stream(1, 'bench-ridge'));
  const features = Float32Array.from({ length: rows * width }, () => draw() - 0.5);
  const target = Float64Array.from({ length: rows }, (_, row) => features[row * width]! + draw() - 0.5);
  return { features, target };
}

/** Seconds for the Grams of all rows and for every fold and alpha. */
async function path(
  { features, target }: BenchTable,
  width: number,
  linearAlgebra: LinearAlgebra,
): Promise<readonly [number, number]> {
  const started = performance.now();
  const grams = createGramBlocks(foldCount, width, linearAlgebra);
  const folds = Int32Array.from(target, (_, row) => row % foldCount);
  await grams.accumulate(features, target, folds);
  const blocks = await grams.finish();
  const accumulated = performance.now();
  await fitPath(blocks, linearAlgebra, alphas);
  return [(accumulated - started) / 1e3, (performance.now() - accumulated) / 1e3];
}

async function curve(
  { features, target }: BenchTable,
  width: number,
  labels: number,
  linearAlgebra: LinearAlgebra,
): Promise<number> {
  const started = performance.now();
  const read = (rows: Uint32Array): Promise<Float32Array> => {
    const picked = new Float32Array(rows.length * width);
    rows.forEach((row, i) => picked.set(features.subarray(row * width, (row + 1) * width), i * width));
    return Promise.resolve(picked);
  };
  await learningCurve({
    features: { width, read },
    target,
    labels: [labels],
    draws: 1,
    seed: 1,
    alphas,
    task: 'regression',
    linearAlgebra,
  });
  return (performance.now() - started) / 1e3;
}

/** Prints one line a case. */
export async function main(args: readonly string[] = process.argv.slice(2)): Promise<void> {
  const python = args.includes('--sklearn') ? args[args.indexOf('--sklearn') + 1] : undefined;
  const threads = availableParallelism();
  const onnx = onnxLinearAlgebra({ threads });
  const cases = [
    { width: 768, rows: 20_000, plain: true },
    { width: 3072, rows: 20_000, plain: false },
  ];
  for (const { width, rows, plain } of cases) {
    const data = table(rows, width);
    const implementations = [
      [`onnx, ${threads} threads`, onnx] as const,
      ...(plain ? [['reference', referenceLinearAlgebra] as const] : []),
    ];
    for (const [name, linearAlgebra] of implementations) {
      const [gram, solve] = await path(data, width, linearAlgebra);
      // As a full product, 2 rows width^2, so that the figure compares with a Gemm's; only one triangle is computed.
      const rate = (2 * rows * width * width) / gram / 1e9;
      console.log(
        `width ${width}, ${rows} rows, ${name}: Gram ${gram.toFixed(2)} s (${rate.toFixed(0)} GFLOP/s), ` +
          `${foldCount} folds x ${alphas.length} alphas ${solve.toFixed(2)} s, path ${(gram + solve).toFixed(2)} s`,
      );
    }
    // Only where it ends in about a minute.
    if (plain && python !== undefined) {
      const script = fileURLToPath(new URL('ridge.py', import.meta.url));
      const said = execFileSync(python, [script, 'time', String(rows), String(width), String(alphas.length)], {
        encoding: 'utf8',
      });
      console.log(
        `width ${width}, ${rows} rows, scikit-learn GridSearchCV: ${(JSON.parse(said) as { seconds: number }).seconds.toFixed(2)} s`,
      );
    }
    for (const labels of [200, 1000, 4000])
      console.log(
        `width ${width}, learning curve, one draw of ${labels} labels: ${(await curve(data, width, labels, onnx)).toFixed(2)} s`,
      );
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
