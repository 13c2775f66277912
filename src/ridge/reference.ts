/**
 * LinearAlgebra in plain loops: the oracle for the compiled one, and fast enough (2-3 GFLOP/s) for tests and small tables.
 */
import { NoisefoldError } from '../base/errors.ts';
import type { LinearAlgebra } from './types.ts';

/**
 * The smallest pivot that Cholesky may accept, as a share of the matrix's own diagonal element. A pivot is what is left of that element after
 * up to n products were taken off, and their rounding walks randomly to about sqrt(n) units in the last place: below it, nothing is left but noise.
 */
export const pivotTolerance = (n: number): number => 4 * Math.sqrt(n) * Number.EPSILON;

/** The error of a factorisation that met a pivot lost in rounding. */
export const singular = (pivot: number, n: number): NoisefoldError =>
  new NoisefoldError('RIDGE_SINGULAR', `The penalised Gram matrix of ${n} features is not positive definite (pivot ${pivot}).`, {
    hint: 'Features depend on each other and alpha is too small beside their scale: use a larger alpha, or scale the features.',
  });

export const referenceLinearAlgebra: LinearAlgebra = {
  addGram(total, a, rows, cols, shift) {
    const four = new Float64Array(4 * cols);
    for (let top = 0; top < rows; top += 4) {
      // Four rows an update, so that each element of total is loaded and stored once for eight operations. Rows past the end are zero.
      for (let r = 0; r < 4; r++)
        for (let j = 0; j < cols; j++) four[r * cols + j] = top + r < rows ? a[(top + r) * cols + j]! - shift[j]! : 0;
      for (let i = 0; i < cols; i++) {
        const r0 = four[i]!;
        const r1 = four[cols + i]!;
        const r2 = four[2 * cols + i]!;
        const r3 = four[3 * cols + i]!;
        for (let j = 0, at = i * cols; j <= i; j++)
          total[at + j]! += r0 * four[j]! + r1 * four[cols + j]! + r2 * four[2 * cols + j]! + r3 * four[3 * cols + j]!;
      }
    }
    return Promise.resolve();
  },

  // eslint-disable-next-line @typescript-eslint/require-await -- a thrown RIDGE_SINGULAR must reject
  async cholesky(a, n) {
    const tolerance = pivotTolerance(n);
    for (let top = 0; top < n; top += 4) {
      const end = Math.min(top + 4, n);
      // Columns left of the diagonal block: four rows share each load of row j.
      for (let j = 0; j < top; j++) {
        const rowJ = j * n;
        const pivot = a[rowJ + j]!;
        const r0 = top * n;
        const r1 = Math.min(top + 1, end - 1) * n;
        const r2 = Math.min(top + 2, end - 1) * n;
        const r3 = Math.min(top + 3, end - 1) * n;
        let s0 = 0;
        let s1 = 0;
        let s2 = 0;
        let s3 = 0;
        for (let k = 0; k < j; k++) {
          const x = a[rowJ + k]!;
          s0 += x * a[r0 + k]!;
          s1 += x * a[r1 + k]!;
          s2 += x * a[r2 + k]!;
          s3 += x * a[r3 + k]!;
        }
        const sums = [s0, s1, s2, s3];
        for (let i = top; i < end; i++) a[i * n + j] = (a[i * n + j]! - sums[i - top]!) / pivot;
      }
      factorDiagonal(a, n, top, end, 0, tolerance);
    }
    return a;
  },

  product(a, b, m, n, k) {
    const out = new Float64Array(m * n);
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) out[i * n + j] = dot(a, i * k, b, j * k, k);
    return Promise.resolve(out);
  },

  subtractProduct(c, a, b, m, n, k) {
    for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) c[i * n + j]! -= dot(a, i * k, b, j * k, k);
    return Promise.resolve();
  },
};

/** Four partial sums, because one chain of additions would wait for itself. */
function dot(a: Float32Array | Float64Array, atA: number, b: Float64Array, atB: number, k: number): number {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  let i = 0;
  for (; i + 3 < k; i += 4) {
    s0 += a[atA + i]! * b[atB + i]!;
    s1 += a[atA + i + 1]! * b[atB + i + 1]!;
    s2 += a[atA + i + 2]! * b[atB + i + 2]!;
    s3 += a[atA + i + 3]! * b[atB + i + 3]!;
  }
  for (; i < k; i++) s0 += a[atA + i]! * b[atB + i]!;
  return s0 + s1 + (s2 + s3);
}

/**
 * Cholesky of the diagonal block of rows and columns [top, end) of a row-major matrix with `n` columns, in place.
 * @param from the first column whose products are still to be taken off (`top` where earlier columns already were)
 * @param diagonal the original diagonal [end - top] that pivots are held against; the block's present one by default
 */
export function factorDiagonal(
  a: Float64Array,
  n: number,
  top: number,
  end: number,
  from: number,
  tolerance: number,
  diagonal?: Float64Array,
): void {
  for (let i = top; i < end; i++) {
    const whole = diagonal === undefined ? a[i * n + i]! : diagonal[i - top]!;
    for (let j = top; j <= i; j++) {
      const sum = a[i * n + j]! - dot(a, i * n + from, a, j * n + from, j - from);
      if (j < i) a[i * n + j] = sum / a[j * n + j]!;
      else if (sum > tolerance * whole) a[i * n + i] = Math.sqrt(sum);
      else throw singular(sum, n);
    }
  }
}
