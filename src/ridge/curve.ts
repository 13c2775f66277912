/**
 * What features are worth where labels are few: ridge fitted on n labelled rows, for several n, tested on rows that no fit has seen.
 *
 * Rows are drawn from streams keyed by (seed, size, draw) alone: feature sets of one study see the same draws, so that their curves differ by
 * the features and not by luck. A fixed set of rows is held out from every draw. Alpha is chosen inside the n rows by 5-fold
 * cross-validation. That loss is smooth in log alpha and nearly always has one valley, so instead of walking the whole grid (five factorisations a
 * step) the search descends from the alpha that the draw before had chosen; an isolated second valley can be missed. It asks for that alpha and its
 * neighbours at once, which mostly is all, so that a training set is centred once for the three.
 */
import { permutation, sequence, stream } from '../base/rng.ts';
import { dualRidge } from './dual.ts';
import { createGramBlocks } from './gram.ts';
import { lossOf, metricsOf } from './metrics.ts';
import { dotRow, fitAll, fitPath, idle, predict, type RidgeWeights, type Working } from './solve.ts';
import type { LearningCurvePoint, LinearAlgebra } from './types.ts';

/** Features by row number. */
export interface FeatureRows {
  /** Features a row. */
  readonly width: number;
  /** Resolves to [rows.length, width], row-major, in the order asked for. */
  read(rows: Uint32Array): Promise<Float32Array>;
}

export interface LearningCurveInput {
  readonly features: FeatureRows;
  /** [rows of the data set], NaN where there is no label. */
  readonly target: Float64Array;
  /** Numbers of labels; those that the pool of draws does not have are left out. */
  readonly labels: readonly number[];
  /** Random draws a size, >= 1. */
  readonly draws: number;
  /** The study's seed. */
  readonly seed: number;
  /** Ascending, each > 0. */
  readonly alphas: readonly number[];
  readonly task: 'regression' | 'binary';
  readonly linearAlgebra: LinearAlgebra;
  /** Told the share that is done after each draw. */
  readonly working?: Working;
}

const innerFolds = 5;
const heldOutOf = (labelled: number): number => Math.min(8000, Math.floor(labelled / 2));

/**
 * One point a size, ascending: RMSE (binary: AUC) on the held-out rows, mean and standard error over draws.
 * Held out are half of the labelled rows, at most 8,000. Memory: the held-out rows' features and one draw's.
 * @throws NoisefoldError RIDGE_SINGULAR
 */
export async function learningCurve(input: LearningCurveInput): Promise<LearningCurvePoint[]> {
  const { features, target, task, seed, working = idle } = input;
  const { heldOut, pool } = divide(target, seed);
  const sizes = sizesOf(input.labels, pool.length);
  if (sizes.length === 0) return [];
  const toDo = drawsRows(features.width, sizes, input.draws);
  let done = 0;
  const test = { features: await features.read(heldOut), target: pick(target, heldOut) };
  const points: LearningCurvePoint[] = [];
  let start = Math.floor(input.alphas.length / 2);
  for (const size of sizes) {
    const errors: number[] = [];
    for (let draw = 0; draw < input.draws; draw++) {
      const rows = labelDraw(pool, seed, size, draw);
      const fitted = await fitDraw(await features.read(rows), pick(target, rows), input, start);
      start = fitted.alpha;
      const metrics = metricsOf(test.target, predict(fitted.weights, test.features, heldOut.length), task);
      errors.push(Math.abs(lossOf(metrics, task)));
      done += drawRows(features.width, size);
      await working(done / toDo);
    }
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    const variance = errors.reduce((sum, error) => sum + (error - mean) ** 2, 0) / Math.max(1, errors.length - 1);
    points.push({ labels: size, draws: errors.length, mean, standardError: Math.sqrt(variance / errors.length) });
  }
  return points;
}

/** The sizes that a pool of draws has rows for, ascending. */
const sizesOf = (labels: readonly number[], pool: number): readonly number[] =>
  [...new Set(labels)].filter((size) => size >= 2 * innerFolds && size <= pool).sort((a, b) => a - b);

/**
 * The work of a learning curve, in rows of its features' Gram (width^2 multiplications each): what progress is reckoned by.
 * @param labelled the number of labelled rows
 */
export const curveRows = (width: number, labelled: number, labels: readonly number[], draws: number): number =>
  drawsRows(width, sizesOf(labels, labelled - heldOutOf(labelled)), draws);

const drawsRows = (width: number, sizes: readonly number[], draws: number): number =>
  sizes.reduce((sum, size) => sum + draws * drawRows(width, size), 0);

/** Of one draw: its kernel or Gram, and the factors of three alphas in five folds and of all rows once. */
function drawRows(width: number, size: number): number {
  const order = Math.min(width, size);
  return (size * order * width + ((3 * innerFolds + 1) * order ** 3) / 3) / width ** 2;
}

/** The labelled rows, divided once a study into those held out and those that draws are made from; both in random order. */
export function divide(target: Float64Array, seed: number): { heldOut: Uint32Array; pool: Uint32Array } {
  const labelled = Uint32Array.from(target.keys()).filter((row) => !Number.isNaN(target[row]!));
  const order = permutation(labelled.length, sequence(stream(seed, 'learning-curve', 'held-out'))).map(
    (index) => labelled[index]!,
  );
  const count = heldOutOf(labelled.length);
  return { heldOut: order.slice(0, count), pool: order.slice(count) };
}

/** The rows of one draw: `size` of the pool, in random order, without repetition. */
export const labelDraw = (pool: Uint32Array, seed: number, size: number, draw: number): Uint32Array =>
  permutation(pool.length, sequence(stream(seed, 'learning-curve', size, draw)))
    .subarray(0, size)
    .map((index) => pool[index]!);

const pick = (values: Float64Array, rows: Uint32Array): Float64Array => Float64Array.from(rows, (row) => values[row]!);

/** The two ways to fit subsets of a draw; rows are already in random order, so row i is held out in fold i mod 5. */
interface DrawFit {
  /** The weights of each fold's training rows, for each alpha. */
  folds(alphas: readonly number[]): Promise<readonly (readonly RidgeWeights[])[]>;
  all(alpha: number): Promise<RidgeWeights>;
}

/** Chooses alpha by cross-validation inside the rows, then fits them all with it. */
async function fitDraw(
  features: Float32Array,
  target: Float64Array,
  { features: { width }, alphas, task, linearAlgebra }: LearningCurveInput,
  start: number,
): Promise<{ alpha: number; weights: RidgeWeights }> {
  const n = target.length;
  const folds = Int32Array.from({ length: n }, (_, row) => row % innerFolds);
  const fit = await (n <= width ? dualDraw : primalDraw)(features, target, folds, width, linearAlgebra);
  const rowsIn = Array.from({ length: innerFolds }, (_, fold) =>
    Uint32Array.from(folds.keys()).filter((row) => folds[row] === fold),
  );
  const losses = async (indices: readonly number[]): Promise<number[]> => {
    const weights = await fit.folds(indices.map((index) => alphas[index]!));
    return indices.map((_, at) =>
      rowsIn.reduce((sum, rows, fold) => {
        const scores = Float64Array.from(rows, (row) => dotRow(weights[fold]![at]!, features, row * width, width));
        return sum + lossOf(metricsOf(pick(target, rows), scores, task), task);
      }, 0),
    );
  };
  const alpha = await descend(losses, alphas.length, start);
  return { alpha, weights: await fit.all(alphas[alpha]!) };
}

async function primalDraw(
  features: Float32Array,
  target: Float64Array,
  folds: Int32Array,
  width: number,
  linearAlgebra: LinearAlgebra,
): Promise<DrawFit> {
  const grams = createGramBlocks(innerFolds, width, linearAlgebra);
  await grams.accumulate(features, target, folds);
  const blocks = await grams.finish();
  return {
    folds: async (alphas) => (await fitPath(blocks, linearAlgebra, alphas)).folds.map(({ weights }) => weights),
    all: (alpha) => fitAll(blocks, linearAlgebra, alpha),
  };
}

async function dualDraw(
  features: Float32Array,
  target: Float64Array,
  folds: Int32Array,
  width: number,
  linearAlgebra: LinearAlgebra,
): Promise<DrawFit> {
  const dual = await dualRidge(features, target, width, linearAlgebra);
  const every = Uint32Array.from(target.keys());
  return {
    async folds(alphas) {
      const fits: RidgeWeights[][] = [];
      for (let fold = 0; fold < innerFolds; fold++)
        fits.push(
          await dual.fit(
            every.filter((row) => folds[row] !== fold),
            alphas,
          ),
        );
      return fits;
    },
    all: async (alpha) => (await dual.fit(every, [alpha]))[0]!,
  };
}

/**
 * Descends from `start` to the bottom of its valley; on a plateau, towards larger indices (larger alphas).
 * @param losses those at the indices listed, each of which is asked for once
 */
export async function descend(
  losses: (indices: readonly number[]) => Promise<readonly number[]>,
  count: number,
  start: number,
): Promise<number> {
  const known = new Map<number, number>();
  const at = (index: number): number => known.get(index) ?? Infinity;
  let best = start;
  for (;;) {
    const unknown = [best - 1, best, best + 1].filter((index) => index >= 0 && index < count && !known.has(index));
    if (unknown.length > 0) for (const [i, loss] of (await losses(unknown)).entries()) known.set(unknown[i]!, loss);
    if (best + 1 < count && at(best + 1) <= at(best)) best++;
    else if (at(best - 1) < at(best)) best--;
    else return best;
  }
}
