/** The ridge path as a worker runs it at the end of a trial: features stream out of the reference network, twice, and are never stored. */
import { availableParallelism } from 'node:os';
import type { Matrix32 } from '../src/base/matrix.ts';
import { sequence, stream } from '../src/base/rng.ts';
import { onnxEngine } from '../src/engine/onnx/engine.ts';
import { featureWidth, initialState, inputWidth } from '../src/model/parameters.ts';
import { pathRows } from '../src/ridge/solve.ts';
import type { LinearAlgebra } from '../src/ridge/types.ts';
import { streamFeatures } from '../src/train/features.ts';
import { scoreFeatures } from '../src/train/score.ts';
import { allLayers, networks } from './networks.ts';

export interface StreamedPath {
  readonly rows: number;
  readonly foldCount: number;
  readonly alphas: readonly number[];
  readonly linearAlgebra: LinearAlgebra;
}

/**
 * Random inputs through the untrained reference network.
 * @param lap told what has just ended, and whether it is a part of scoring
 * @returns megabytes of the process, at most and before
 */
export async function streamedPath(
  { rows, foldCount, alphas, linearAlgebra }: StreamedPath,
  lap: (name: string, counts: boolean) => void,
): Promise<{ peakMb: number; idleMb: number }> {
  const network = networks[2]?.[1];
  if (network === undefined) throw new Error('no reference network');
  const draw = sequence(stream(1, 'bench-ridge-stream'));
  const cols = inputWidth(network);
  const inputs = { rows, cols, data: Float32Array.from({ length: rows * cols }, () => 2 * draw() - 1) };
  const target = Float64Array.from({ length: rows }, (_, row) => Math.sin(3 * (inputs.data[row * cols] ?? 0)) + draw());
  const folds = Int32Array.from({ length: rows }, () => Math.floor(draw() * foldCount));
  const { weights } = initialState(network, 1);
  const engine = onnxEngine({ threads: availableParallelism() });
  const layers = allLayers(network);
  const features = (own: Matrix32): ReturnType<typeof streamFeatures> =>
    streamFeatures({ engine, network, weights, layers, inputs: own, withInputs: false });
  const megabytes = (): number => process.resourceUsage().maxRSS / 1024;
  const idleMb = megabytes();
  const width = featureWidth(network, layers);
  lap('inputs', false);
  const some = Math.min(rows, 20_000);
  for await (const block of features({ rows: some, cols, data: inputs.data.subarray(0, some * cols) }))
    if (block.rows === 0) throw new Error('empty block');
  lap(`features of ${some.toLocaleString('en')} rows, and nothing else`, false);

  const ends = new Map([
    [rows, 'first pass: features and Grams'],
    [rows + foldCount * pathRows(width, alphas.length), `path: ${foldCount} folds x ${alphas.length} alphas`],
  ]);
  await scoreFeatures({
    stream: features,
    width,
    data: { inputs, target, folds, foldCount, task: 'regression' },
    alphas,
    linearAlgebra,
    between(done) {
      const name = ends.get(done);
      if (name !== undefined) lap(name, true);
      return Promise.resolve();
    },
  });
  lap('second pass: features and held-out errors', true);
  return { peakMb: megabytes(), idleMb };
}
