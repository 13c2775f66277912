/** The cross-validated path of one feature set: a first pass for the Grams, a second for the held-out predictions of every alpha. */
import { createGramBlocks } from './gram.ts';
import { lossOf, metricsOf } from './metrics.ts';
import { fitPath, stack, type RidgePath, type Working } from './solve.ts';
import type { GramBlocks, LinearAlgebra, Metrics, RidgeScore } from './types.ts';

/** Features of consecutive rows. */
export interface FeatureBatch {
  /** Number of the first row in the data set. */
  readonly start: number;
  readonly rows: number;
  /** [rows, width] row-major; may be longer (a padded batch). */
  readonly features: Float32Array;
}

export interface ScoreInput {
  /** Features a row. */
  readonly width: number;
  readonly foldCount: number;
  /** [rows of the data set]: 0 or 1 for binary; NaN where unknown. */
  readonly target: Float64Array;
  /** [rows of the data set]: the fold that holds a row out, -1 for none. */
  readonly folds: Int32Array;
  readonly task: 'regression' | 'binary';
  /** Ascending, each > 0. */
  readonly alphas: readonly number[];
  readonly linearAlgebra: LinearAlgebra;
  /** Streams the features; called twice, and must give the same rows in the same order. */
  readonly batches: () => AsyncIterable<FeatureBatch> | Iterable<FeatureBatch>;
  /** Told the share of the path that is done, between the two passes. */
  readonly working?: Working;
}

export interface ScoredPath {
  readonly score: RidgeScore;
  /** For fitAll at the chosen alpha. */
  readonly blocks: GramBlocks;
  readonly path: RidgePath;
}

/**
 * Scores a feature set by cross-validated ridge. Errors come from the residuals of the second pass; the Grams only make the weights.
 * @throws NoisefoldError DATA_FOLDS, RIDGE_SINGULAR
 */
export async function scorePath(input: ScoreInput): Promise<ScoredPath> {
  const { width, foldCount, target, folds, task, alphas, linearAlgebra } = input;
  const grams = createGramBlocks(foldCount, width, linearAlgebra);
  for await (const { start, rows, features } of input.batches())
    await grams.accumulate(features, target.subarray(start, start + rows), folds.subarray(start, start + rows));
  const blocks = await grams.finish();
  const path = await fitPath(blocks, linearAlgebra, alphas, input.working);

  const heldOut = createHeldOut(path, task, linearAlgebra);
  for await (const { start, rows, features } of input.batches())
    await heldOut.accumulate(features, target.subarray(start, start + rows), folds.subarray(start, start + rows));
  const metrics = heldOut.finish();
  const score: RidgeScore = {
    alphas,
    folds: path.folds.map(({ fold, rows }, index) => ({ fold, rows, metrics: metrics[index] ?? [] })),
    best: bestAlpha(metrics, alphas.length, task),
    features: width,
  };
  return { score, blocks, path };
}

export interface HeldOutAccumulator {
  /** Adds rows; arguments as GramAccumulator.accumulate. */
  accumulate(features: Float32Array, target: Float64Array, folds: Int32Array): Promise<void>;
  /** Metrics a fold and alpha: [fold][alpha]. */
  finish(): readonly (readonly Metrics[])[];
}

/**
 * The second pass: predicts every labelled row with its own fold's weights, for every alpha of the path, and keeps target and predictions
 * (8 bytes a row and alpha), since AUC needs all of them at once. One product predicts a batch by the weights of all folds: sorting rows by
 * fold first would cost more than the predictions that nobody asks for.
 */
export function createHeldOut(path: RidgePath, task: 'regression' | 'binary', linearAlgebra: LinearAlgebra): HeldOutAccumulator {
  const alphas = path.alphas.length;
  const kept = path.folds.map(({ rows, weights }) => ({
    used: 0,
    target: new Float64Array(rows),
    scores: weights.map(() => new Float64Array(rows)),
  }));
  const all = path.folds.flatMap(({ weights }) => weights);
  const width = (all[0]?.length ?? 1) - 1;
  const stacked = stack(all.map((weights) => weights.subarray(0, width)));
  const intercepts = all.map((weights) => weights[width]!);
  return {
    async accumulate(features, target, folds) {
      const products = await linearAlgebra.product(features, stacked, target.length, all.length, width);
      for (let row = 0; row < target.length; row++) {
        const fold = folds[row] ?? -1;
        const y = target[row]!;
        const own = kept[fold];
        if (own === undefined || Number.isNaN(y)) continue;
        own.target[own.used] = y;
        for (let index = 0, first = fold * alphas; index < alphas; index++)
          own.scores[index]![own.used] = products[row * all.length + first + index]! + intercepts[first + index]!;
        own.used++;
      }
    },
    finish: () => kept.map(({ target, scores }) => scores.map((score) => metricsOf(target, score, task))),
  };
}

const lossAt = (metrics: Metrics | undefined, task: 'regression' | 'binary'): number =>
  metrics === undefined ? 0 : lossOf(metrics, task);

/** Index of the alpha with the smallest mean loss over folds; the larger alpha on a tie. */
export function bestAlpha(folds: readonly (readonly Metrics[])[], alphas: number, task: 'regression' | 'binary'): number {
  let best = 0;
  let least = Infinity;
  for (let index = 0; index < alphas; index++) {
    const loss = folds.reduce((sum, metrics) => sum + lossAt(metrics[index], task), 0);
    if (loss <= least) {
      least = loss;
      best = index;
    }
  }
  return best;
}
