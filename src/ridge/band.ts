/**
 * One orthogonal reduction serves every alpha: with G = Q B Q' and B banded (reduce.ts), (G + alpha I) w = c is the banded system
 * (B + alpha I)(Q'w) = Q'c, whose Cholesky factor costs n b^2 / 2 multiplications instead of n^3 / 6.
 *
 * Orthogonal reductions keep errors small beside the largest eigenvalue, Cholesky keeps them small beside each feature's own scale. So each
 * solution is refined with residuals of G itself, until it is as good as Cholesky's would be (Skeel 1980, "Iterative refinement implies
 * numerical stability for Gaussian elimination"): |r_i| <= tol (sqrt(a_ii) sum_j sqrt(a_jj) |w_j| + |c_i|), with a = G + alpha I (Demmel 1989).
 * A solution that does not get there is left to Cholesky, which also knows when to refuse.
 */
import { type BandForm, panelWidth, reduceToBand, rotate, transposed } from './reduce.ts';
import { pivotTolerance } from './reference.ts';
import type { LinearAlgebra } from './types.ts';

/** Corrections at most; each takes off as many digits as the band form has right. */
const corrections = 5;
/** A first correction larger than this share of the solution says that the system is too close to singular for the band form. */
const trusted = 1e-3;

/** Of the time of a path of some twenty alphas. */
const reductionShare = 0.75;

/** Whether one reduction is less work than a Cholesky factor for each alpha. */
export const reductionPays = (n: number, alphas: number): boolean => n >= 4 * panelWidth && alphas > 6;

/**
 * Solves (G + alpha I) w = c for every alpha.
 * @param gram [n, n], full; kept
 * @param cross [n]
 * @param working told the share that is done, after each panel and at the end
 * @returns a solution [n] for each alpha; undefined where Cholesky should decide
 */
export async function solveByBand(
  gram: Float64Array,
  cross: Float64Array,
  alphas: readonly number[],
  linearAlgebra: LinearAlgebra,
  working: (share: number) => Promise<void>,
): Promise<(Float64Array | undefined)[]> {
  const n = cross.length;
  const form = await reduceToBand(gram.slice(), n, linearAlgebra, (share) => working(reductionShare * share));
  const factors = alphas.map((alpha) => factorBand(form, alpha));
  const solved = alphas.map((_, index) => factors[index] !== undefined);
  let open = [...alphas.keys()].filter((index) => solved[index]);
  const scales = alphas.map((alpha) => cross.map((_, j) => Math.sqrt(gram[j * n + j]! + alpha)));
  const solutions = alphas.map(() => new Float64Array(n));

  for (let round = 0; open.length > 0 && round <= corrections; round++) {
    const residuals = await residualsOf(gram, cross, alphas, solutions, open, linearAlgebra);
    const still = open.filter((index, at) => {
      const residual = residuals.subarray(at * n, (at + 1) * n);
      return round < 2 || !asGoodAsCholesky(residual, solutions[index]!, scales[index]!, cross);
    });
    if (round === corrections) {
      for (const index of still) solved[index] = false;
      break;
    }
    if (still.length === 0) break;
    const right = new Float64Array(still.length * n);
    for (const [to, index] of still.entries()) {
      const from = open.indexOf(index);
      right.set(residuals.subarray(from * n, (from + 1) * n), to * n);
    }
    const changes = await solveRotated(
      form,
      right,
      still.map((index) => factors[index]!),
      linearAlgebra,
    );
    for (const [at, index] of still.entries()) {
      const change = changes.subarray(at * n, (at + 1) * n);
      const solution = solutions[index]!;
      for (let j = 0; j < n; j++) solution[j]! += change[j]!;
      if (round > 0 && !(size(change, scales[index]!) <= trusted * size(solution, scales[index]!))) solved[index] = false;
    }
    open = still.filter((index) => solved[index]);
  }
  await working(1);
  return solutions.map((solution, index) => (solved[index] ? solution : undefined));
}

/** In units of each feature's own scale. */
const size = (w: Float64Array, scale: Float64Array): number => {
  let largest = 0;
  for (let j = 0; j < w.length; j++) largest = Math.max(largest, Math.abs(w[j]!) * scale[j]!);
  return largest;
};

function asGoodAsCholesky(residual: Float64Array, w: Float64Array, scale: Float64Array, cross: Float64Array): boolean {
  const n = w.length;
  let sum = 0;
  for (let j = 0; j < n; j++) sum += scale[j]! * Math.abs(w[j]!);
  const tolerance = pivotTolerance(n);
  for (let i = 0; i < n; i++) if (!(Math.abs(residual[i]!) <= tolerance * (scale[i]! * sum + Math.abs(cross[i]!)))) return false;
  return true;
}

/** c - (G + alpha I) w for the solutions listed: [which.length, n]. */
async function residualsOf(
  gram: Float64Array,
  cross: Float64Array,
  alphas: readonly number[],
  solutions: readonly Float64Array[],
  which: readonly number[],
  linearAlgebra: LinearAlgebra,
): Promise<Float64Array> {
  const n = cross.length;
  const stacked = new Float64Array(which.length * n);
  for (const [at, index] of which.entries()) stacked.set(solutions[index]!, at * n);
  const products = transposed(await linearAlgebra.product(gram, stacked, n, which.length, n), n, which.length);
  for (const [at, index] of which.entries())
    for (let j = 0, from = at * n; j < n; j++)
      products[from + j] = cross[j]! - products[from + j]! - alphas[index]! * stacked[from + j]!;
  return products;
}

/** The lower band factor of B + alpha I, laid out as the band; undefined where a pivot is not positive. */
function factorBand({ n, band }: BandForm, alpha: number): Float64Array | undefined {
  const b = panelWidth;
  const factor = band.slice();
  for (let i = 0; i < n; i++) {
    // Element (i, j) stands at own + j; both rows are read in order.
    const own = i * (b + 1) + b - i;
    const begin = Math.max(0, i - b);
    for (let j = begin; j < i; j++) {
      const other = j * (b + 1) + b - j;
      let s0 = factor[own + j]!;
      let s1 = 0;
      let k = begin;
      for (; k + 1 < j; k += 2) {
        s0 -= factor[own + k]! * factor[other + k]!;
        s1 -= factor[own + k + 1]! * factor[other + k + 1]!;
      }
      if (k < j) s0 -= factor[own + k]! * factor[other + k]!;
      factor[own + j] = (s0 + s1) / factor[other + j]!;
    }
    let pivot = factor[own + i]! + alpha;
    for (let k = begin; k < i; k++) pivot -= factor[own + k]! * factor[own + k]!;
    if (!(pivot > 0 && pivot < Infinity)) return undefined;
    factor[own + i] = Math.sqrt(pivot);
  }
  return factor;
}

/** Solves L L' x = x in place. */
function substituteBand(factor: Float64Array, n: number, x: Float64Array): void {
  const b = panelWidth;
  for (let i = 0; i < n; i++) {
    const own = i * (b + 1) + b - i;
    let sum = x[i]!;
    for (let k = Math.max(0, i - b); k < i; k++) sum -= factor[own + k]! * x[k]!;
    x[i] = sum / factor[own + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    const own = i * (b + 1) + b - i;
    const value = x[i]! / factor[own + i]!;
    x[i] = value;
    for (let k = Math.max(0, i - b); k < i; k++) x[k]! -= factor[own + k]! * value;
  }
}

/** Q (B + alpha I)^-1 Q' of each row of `right` [factors.length, n], in place. */
async function solveRotated(
  form: BandForm,
  right: Float64Array,
  factors: readonly Float64Array[],
  linearAlgebra: LinearAlgebra,
): Promise<Float64Array> {
  const { n, reflectors } = form;
  for (const reflector of reflectors) await rotate(right, n, factors.length, reflector, true, linearAlgebra);
  for (const [row, factor] of factors.entries()) substituteBand(factor, n, right.subarray(row * n, (row + 1) * n));
  for (const reflector of [...reflectors].reverse()) await rotate(right, n, factors.length, reflector, false, linearAlgebra);
  return right;
}
