/** The cross-validated path of one feature set: a first pass for the Grams, a second for the held-out predictions of every alpha. */
import { createGramBlocks } from './gram.ts';
import { lossOf, metricsOf } from './metrics.ts';
import { dotRow, fitPath, type RidgePath } from './solve.ts';
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
  const path = await fitPath(blocks, linearAlgebra, alphas);

  const heldOut = createHeldOut(path, task);
  for await (const { start, rows, features } of input.batches())
    heldOut.accumulate(features, target.subarray(start, start + rows), folds.subarray(start, start + rows));
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
  accumulate(features: Float32Array, target: Float64Array, folds: Int32Array): void;
  /** Metrics a fold and alpha: [fold][alpha]. */
  finish(): readonly (readonly Metrics[])[];
}

/**
 * The second pass: predicts every labelled row with its own fold's weights, for every alpha of the path, and keeps target and predictions
 * (8 bytes a row and alpha), since AUC needs all of them at once.
 */
export function createHeldOut(path: RidgePath, task: 'regression' | 'binary'): HeldOutAccumulator {
  const kept = path.folds.map(({ rows, weights }) => ({
    used: 0,
    target: new Float64Array(rows),
    scores: weights.map(() => new Float64Array(rows)),
  }));
  return {
    accumulate(features, target, folds) {
      for (let row = 0; row < target.length; row++) {
        const fold = folds[row] ?? -1;
        const y = target[row]!;
        const fit = path.folds[fold];
        const own = kept[fold];
        if (fit === undefined || own === undefined || Number.isNaN(y)) continue;
        own.target[own.used] = y;
        for (const [index, weights] of fit.weights.entries()) {
          const width = weights.length - 1;
          own.scores[index]![own.used] = dotRow(weights, features, row * width, width);
        }
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
