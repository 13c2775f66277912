/**
 * From Gram blocks to ridge weights and squared errors, without the rows.
 *
 * Training set of fold f: the sum of the other blocks (a sum, not total - own: the subtraction would carry the rounding of a fold full of
 * outliers into the model that never saw it). With n rows, sums s and sum of targets t, centring takes the intercept out of the problem:
 *     Gc = G - s s'/n,  cc = c - s t/n,  (Gc + alpha I) w = cc,  intercept = (t - s'w)/n,
 * which is scikit-learn's Ridge(alpha): the penalty is alpha |w|^2 beside the sum of squares, on unscaled features, the intercept free.
 * Few alphas are one Cholesky factorisation each, many share one reduction to band form (band.ts). Cholesky needs no prior scaling: its rounding errors do not depend on the scale of rows and columns
 * (Demmel 1989, "On floating point errors in Cholesky").
 *
 * Held out: with b = [w, intercept], SSE = y'y - 2 b'c + b'G b = y'y - b'(c + (c - G b)) over the fold's own block.
 *
 * Accuracy: weights solve a system whose Gram is wrong by a few float64 roundings, so relative errors of predictions stay below about
 * 1e-15 * lambdaMax(Gc)/alpha; SSE adds about 1e-15 of the target's own sum of squares (so an R2 of 1 - 1e-6 still has nine digits).
 */
import { NoisefoldError } from '../base/errors.ts';
import { reductionPays, solveByBand } from './band.ts';
import type { GramBlock, GramBlocks, LinearAlgebra } from './types.ts';

/** Ridge weights in the units of the raw features: [features + 1], the intercept last. */
export type RidgeWeights = Float64Array;

/** What one fold's training rows give, for every alpha in the order of the alphas. */
export interface FoldFit {
  readonly fold: number;
  /** Held-out rows. */
  readonly rows: number;
  readonly weights: readonly RidgeWeights[];
  /** Held-out errors by the fold's own Gram. */
  readonly rmse: readonly number[];
  readonly r2: readonly number[];
}

export interface RidgePath {
  readonly alphas: readonly number[];
  readonly folds: readonly FoldFit[];
}

/** The centred normal equations of a set of rows, in shifted coordinates. */
interface NormalEquations {
  readonly features: number;
  /** [features, features], full. */
  readonly gram: Float64Array;
  readonly cross: Float64Array;
  readonly mean: Float64Array;
  readonly targetMean: number;
}

/** Told how much of a long computation is done, from 0 to 1; its promise is waited for, and a rejection ends the computation. */
export type Working = (share: number) => Promise<void>;

/**
 * Fits every fold's training rows for every alpha.
 * @throws NoisefoldError DATA_FOLDS where a fold or its training set is empty; RIDGE_SINGULAR where an alpha is too small for the features
 */
export async function fitPath(
  blocks: GramBlocks,
  linearAlgebra: LinearAlgebra,
  alphas: readonly number[],
  working: Working = idle,
): Promise<RidgePath> {
  const folds: FoldFit[] = [];
  const p = blocks.features + 1;
  const room = roomFor(blocks.features);
  for (const [fold, own] of blocks.folds.entries()) {
    const others = blocks.folds.filter((_, index) => index !== fold);
    if (own.rows === 0 || others.every((block) => block.rows === 0))
      throw new NoisefoldError(
        'DATA_FOLDS',
        `Fold ${fold} leaves no labelled row ${own.rows === 0 ? 'to test on' : 'to train on'}.`,
        {
          hint: 'Use fewer folds, or label more rows.',
        },
      );
    const solutions = await solvePath(centre(others, room), room, linearAlgebra, alphas, (share) =>
      working((fold + share) / blocks.folds.length),
    );
    const products = await linearAlgebra.product(own.gram.data, stack(solutions), p, solutions.length, p);
    const squares = solutions.map((solution, index) => heldOutSquares(own, solution, products, index, solutions.length));
    const variation = spread(own);
    folds.push({
      fold,
      rows: own.rows,
      weights: solutions.map((solution) => unshift(solution, blocks)),
      rmse: squares.map((sum) => Math.sqrt(sum / own.rows)),
      r2: squares.map((sum) => determination(sum, variation)),
    });
  }
  return { alphas, folds };
}

/** Ridge on all labelled rows for every alpha: the weights that predict new rows. Throws as fitPath does. */
export async function fitAllPath(
  blocks: GramBlocks,
  linearAlgebra: LinearAlgebra,
  alphas: readonly number[],
  working: Working = idle,
): Promise<RidgeWeights[]> {
  if (blocks.folds.every((block) => block.rows === 0))
    throw new NoisefoldError('DATA_FOLDS', 'There is no labelled row to train on.');
  const room = roomFor(blocks.features);
  const solutions = await solvePath(centre(blocks.folds, room), room, linearAlgebra, alphas, working);
  return solutions.map((solution) => unshift(solution, blocks));
}

/** Ridge on all labelled rows for one alpha. */
export async function fitAll(blocks: GramBlocks, linearAlgebra: LinearAlgebra, alpha: number): Promise<RidgeWeights> {
  const [weights] = await fitAllPath(blocks, linearAlgebra, [alpha]);
  return weights as RidgeWeights;
}

/** The work of one training set's path, in rows of its Gram (features^2 multiplications each): what progress is reckoned by. */
export const pathRows = (features: number, alphas: number): number =>
  Math.ceil(reductionPays(features, alphas) ? 2 * features : (alphas * features) / 3);

export const idle: Working = () => Promise.resolve();

/** Predictions for `rows` rows of [rows, features]: x'w + intercept, summed in float64. */
export function predict(weights: RidgeWeights, features: Float32Array, rows: number): Float64Array {
  const width = weights.length - 1;
  const out = new Float64Array(rows);
  for (let row = 0; row < rows; row++) out[row] = dotRow(weights, features, row * width, width);
  return out;
}

/** One row's prediction; four partial sums, because one chain of additions would wait for itself. */
export function dotRow(weights: RidgeWeights, features: Float32Array, at: number, width: number): number {
  let s0 = weights[width]!;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let j = 0;
  for (; j + 3 < width; j += 4) {
    s0 += weights[j]! * features[at + j]!;
    s1 += weights[j + 1]! * features[at + j + 1]!;
    s2 += weights[j + 2]! * features[at + j + 2]!;
    s3 += weights[j + 3]! * features[at + j + 3]!;
  }
  for (; j < width; j++) s0 += weights[j]! * features[at + j]!;
  return s0 + s1 + (s2 + s3);
}

/** R2 as scikit-learn has it: where the target does not vary, 1 for a perfect fit and 0 for any other. */
export const determination = (squares: number, variation: number): number =>
  variation > 0 ? 1 - squares / variation : squares === 0 ? 1 : 0;

/** Memory that is used again, one training set after the other: fresh one would have to be cleared, and collected. */
interface Room {
  readonly features: number;
  /** [features, features] each: the training set's Gram, and its factors. */
  readonly gram: Float64Array;
  readonly factor: Float64Array;
}

const roomFor = (features: number): Room => ({
  features,
  gram: new Float64Array(features * features),
  factor: new Float64Array(features * features),
});

/** Sums blocks and centres the sums, in the room given. */
function centre(blocks: readonly GramBlock[], { features, gram }: Room): NormalEquations {
  const p = features + 1;
  const used = blocks.filter((block) => block.rows > 0);
  const cross = new Float64Array(p);
  const sums = new Float64Array(p);
  for (const block of used)
    for (let j = 0; j < p; j++) {
      cross[j]! += block.cross[j]!;
      sums[j]! += block.gram.data[features * p + j]!;
    }
  const rows = sums[features]!;
  const targetMean = cross[features]! / rows;
  for (let i = 0; i < features; i++) {
    const at = i * features;
    const factor = sums[i]! / rows;
    gram.fill(0, at, at + features);
    for (const block of used) {
      const source = block.gram.data;
      for (let j = 0, from = i * p; j < features; j++) gram[at + j]! += source[from + j]!;
    }
    for (let j = 0; j < features; j++) gram[at + j]! -= factor * sums[j]!;
  }
  return {
    features,
    gram,
    cross: cross.subarray(0, features).map((value, j) => value - sums[j]! * targetMean),
    mean: sums.subarray(0, features).map((value) => value / rows),
    targetMean,
  };
}

/** [w, intercept] in shifted coordinates, for every alpha: by one reduction to band form where that pays, and one Cholesky factor each where not. */
async function solvePath(
  equations: NormalEquations,
  room: Room,
  linearAlgebra: LinearAlgebra,
  alphas: readonly number[],
  working: Working,
): Promise<Float64Array[]> {
  const { features: n, gram, cross, mean, targetMean } = equations;
  const known: readonly (Float64Array | undefined)[] = reductionPays(n, alphas.length)
    ? await solveByBand(gram, cross, alphas, linearAlgebra, working)
    : [];
  const solutions: Float64Array[] = [];
  for (const [index, alpha] of alphas.entries()) {
    const solution = new Float64Array(n + 1);
    solution.set(known[index] ?? (await solveByCholesky(gram, cross, alpha, linearAlgebra, room.factor)));
    let intercept = targetMean;
    for (let j = 0; j < n; j++) intercept -= mean[j]! * solution[j]!;
    solution[n] = intercept;
    solutions.push(solution);
    if (known.length === 0) await working((index + 1) / alphas.length);
  }
  return solutions;
}

/** @param room [n, n], for the factor */
export async function solveByCholesky(
  gram: Float64Array,
  cross: Float64Array,
  alpha: number,
  linearAlgebra: LinearAlgebra,
  room: Float64Array,
): Promise<Float64Array> {
  const n = cross.length;
  room.set(gram);
  for (let j = 0; j < n; j++) room[j * n + j]! += alpha;
  const factor = await linearAlgebra.cholesky(room, n);
  const solution = cross.slice();
  substitute(factor, n, solution);
  return solution;
}

/** Solves L L' x = b in place, given the lower factor; both sweeps read L by rows. */
function substitute(factor: Float64Array, n: number, b: Float64Array): void {
  for (let i = 0; i < n; i++) {
    let sum = b[i]!;
    for (let j = 0, at = i * n; j < i; j++) sum -= factor[at + j]! * b[j]!;
    b[i] = sum / factor[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    const x = b[i]! / factor[i * n + i]!;
    b[i] = x;
    for (let j = 0, at = i * n; j < i; j++) b[j]! -= factor[at + j]! * x;
  }
}

/** Rows of weights, one after the other. */
export function stack(rows: readonly Float64Array[]): Float64Array {
  const width = rows[0]?.length ?? 0;
  const stacked = new Float64Array(rows.length * width);
  for (const [index, row] of rows.entries()) stacked.set(row, index * width);
  return stacked;
}

/** @param products [p, count]: G b of all solutions, this one's in column `index` */
function heldOutSquares(own: GramBlock, solution: Float64Array, products: Float64Array, index: number, count: number): number {
  let squares = own.squares;
  for (const [i, value] of solution.entries())
    squares -= value * (own.cross[i]! + (own.cross[i]! - products[i * count + index]!));
  return Math.max(0, squares);
}

/** The fold's sum of squares about its own mean. */
const spread = (own: GramBlock): number => Math.max(0, own.squares - own.cross[own.cross.length - 1]! ** 2 / own.rows);

/** From shifted coordinates to raw ones: only the intercept changes. */
function unshift(solution: Float64Array, { shift, targetShift }: GramBlocks): RidgeWeights {
  const width = solution.length - 1;
  let intercept = solution[width]! + targetShift;
  for (let j = 0; j < width; j++) intercept -= shift[j]! * solution[j]!;
  solution[width] = intercept;
  return solution;
}
