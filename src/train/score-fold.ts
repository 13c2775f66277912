/**
 * The score of one fold whose rows no part of the features has seen: ridge is fitted on the training rows for every alpha, its errors are
 * those on the held-out rows. Rows without a target are in neither.
 */
import { type Matrix32, rowsOf } from '../base/matrix.ts';
import { trainingRows } from '../dataset/split.ts';
import { createGramBlocks } from '../ridge/gram.ts';
import { metricsOf } from '../ridge/metrics.ts';
import { bestAlpha } from '../ridge/score.ts';
import { fitAllPath, pathRows, predict } from '../ridge/solve.ts';
import type { RidgeScore } from '../ridge/types.ts';
import type { FeatureBlock } from './features.ts';
import type { ScoreOptions } from './score.ts';

/**
 * Streams the training rows' features once, and then the held-out rows'.
 * @returns a score of one fold; `best` is the alpha that is best in this fold alone
 * @throws NoisefoldError DATA_FOLDS, RIDGE_SINGULAR, and what the stream throws
 */
export async function scoreFold(fold: number, options: ScoreOptions): Promise<RidgeScore> {
  const { stream, width, data, alphas, linearAlgebra, between = () => Promise.resolve() } = options;
  const training = trainingRows(data.folds, fold);
  const heldOut = Uint32Array.from(data.folds.keys()).filter((row) => data.folds[row] === fold);
  const path = pathRows(width, alphas.length);
  const toDo = training.length + heldOut.length + path;
  let done = 0;
  const blocks = async (rows: Uint32Array, take: (block: FeatureBlock, target: Float64Array) => Promise<void> | void) => {
    const inputs: Matrix32 = rowsOf(data.inputs, rows);
    const target = Float64Array.from(rows, (row) => data.target[row]!);
    for await (const block of stream(inputs)) {
      await take(block, target.subarray(block.start, block.start + block.rows));
      await between((done += block.rows), toDo);
    }
  };

  const grams = createGramBlocks(1, width, linearAlgebra);
  await blocks(training, ({ features, rows }, target) => grams.accumulate(features, target, new Int32Array(rows)));
  const sums = await grams.finish();
  const weights = await fitAllPath(sums, linearAlgebra, alphas, async (share) => {
    done = training.length + Math.round(share * path);
    await between(done, toDo);
  });

  const target = Float64Array.from(heldOut, (row) => data.target[row]!);
  const scores = weights.map(() => new Float64Array(heldOut.length));
  await blocks(heldOut, ({ start, features, rows }) => {
    for (const [index, own] of weights.entries()) scores[index]!.set(predict(own, features, rows), start);
  });
  const metrics = scores.map((score) => metricsOf(target, score, data.task));
  return {
    alphas,
    folds: [{ fold, rows: heldOut.length, metrics }],
    best: bestAlpha([metrics], alphas.length, data.task),
    features: width,
  };
}
