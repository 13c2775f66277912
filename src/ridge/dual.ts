/**
 * Ridge where rows are fewer than features: the same weights from an n x n system.
 *
 * With Xc the centred training rows, w = Xc'(Xc Xc' + alpha I)^-1 yc (Saunders, Gammerman, Vovk 1998). The kernel of all rows, K = X X', is made
 * once; for a training set T it is centred by its own means, Kc(a, b) = K(a, b) - r(a) - r(b) + g with r the mean over T of a row and g
 * the mean of r over T. Before that, columns that lie far from zero are moved near it where float32 can do so exactly (`exactShift`).
 */
import { mirror } from './gram.ts';
import { type RidgeWeights, solveByCholesky } from './solve.ts';
import type { LinearAlgebra } from './types.ts';

export interface DualRidge {
  /** The weights fitted on the rows listed (ascending or not, none twice) for each alpha. */
  fit(rows: Uint32Array, alphas: readonly number[]): Promise<RidgeWeights[]>;
}

/**
 * @param features [rows, width], row-major
 * @param target [rows]
 */
export async function dualRidge(
  features: Float32Array,
  target: Float64Array,
  width: number,
  linearAlgebra: LinearAlgebra,
): Promise<DualRidge> {
  const n = target.length;
  const transposed = new Float32Array(n * width);
  for (let j = 0; j < width; j++) {
    const column = transposed.subarray(j * n, (j + 1) * n);
    for (let row = 0; row < n; row++) column[row] = features[row * width + j]!;
    const shift = exactShift(column);
    if (shift !== 0) for (let row = 0; row < n; row++) column[row]! -= shift;
  }
  const kernel = new Float64Array(n * n);
  await linearAlgebra.addGram(kernel, transposed, width, n, new Float64Array(n));
  mirror({ data: kernel, rows: n, cols: n });

  return {
    async fit(rows, alphas) {
      const m = rows.length;
      const centred = new Float64Array(m * m);
      const means = new Float64Array(m);
      let grand = 0;
      let targetMean = 0;
      for (let a = 0; a < m; a++) {
        const from = kernel.subarray(rows[a]! * n, (rows[a]! + 1) * n);
        let sum = 0;
        for (let b = 0, at = a * m; b < m; b++) sum += centred[at + b] = from[rows[b]!]!;
        means[a] = sum / m;
        grand += means[a]! / m;
        targetMean += target[rows[a]!]! / m;
      }
      for (let a = 0; a < m; a++)
        for (let b = 0, at = a * m, own = means[a]! - grand; b <= a; b++) centred[at + b]! -= own + means[b]!;

      const centredTarget = Float64Array.from(rows, (row) => target[row]! - targetMean);
      const room = new Float64Array(m * m);
      const mean = meanOf(features, rows, width);
      const fits: RidgeWeights[] = [];
      for (const alpha of alphas) {
        const dual = await solveByCholesky(centred, centredTarget, alpha, linearAlgebra, room);
        fits.push(primalWeights(dual, rows, features, mean, targetMean));
      }
      return fits;
    },
  };
}

/**
 * The column's mean as float32 if every value is within a factor of two of it, else 0. Such differences are exact (Sterbenz's lemma); and
 * where a value lies outside, the spread is at least half the mean, so that there is little to lose by not moving.
 */
function exactShift(column: Float32Array): number {
  const mean = Math.fround(column.reduce((sum, value) => sum + value, 0) / column.length);
  return column.every((value) => value / mean >= 0.5 && value / mean <= 2) ? mean : 0;
}

/** w = Xc' dual. Since dual sums to zero, X' dual is the same; the mean is taken off all the same, so that rounding does not see it. */
function primalWeights(
  dual: Float64Array,
  rows: Uint32Array,
  features: Float32Array,
  mean: Float64Array,
  targetMean: number,
): RidgeWeights {
  const width = mean.length;
  const weights = new Float64Array(width + 1);
  for (let a = 0; a < rows.length; a++)
    for (let j = 0, from = rows[a]! * width, factor = dual[a]!; j < width; j++)
      weights[j]! += factor * (features[from + j]! - mean[j]!);
  let intercept = targetMean;
  for (let j = 0; j < width; j++) intercept -= mean[j]! * weights[j]!;
  weights[width] = intercept;
  return weights;
}

/** Of the rows listed, [width]. */
function meanOf(features: Float32Array, rows: Uint32Array, width: number): Float64Array {
  const mean = new Float64Array(width);
  for (const row of rows) for (let j = 0, from = row * width; j < width; j++) mean[j]! += features[from + j]!;
  return mean.map((sum) => sum / rows.length);
}
