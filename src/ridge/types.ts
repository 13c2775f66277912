/** Ridge regression by Gram matrices: what is accumulated, what is solved, what comes out. */
import type { Matrix64 } from '../base/matrix.ts';

/** The dense float64 kernels that ridge needs. reference.ts has plain loops; engine/onnx/linear-algebra.ts uses ONNX Runtime's double Gemm. */
export interface LinearAlgebra {
  /**
   * total += (A - 1 shift')'(A - 1 shift') for A [rows, cols] in row-major float32, widened to float64 before `shift` [cols] is taken off.
   * Only the lower triangle of `total` [cols, cols] is kept. `a` may be reused once the promise resolves.
   */
  addGram(total: Float64Array, a: Float32Array, rows: number, cols: number, shift: Float64Array): Promise<void>;
  /**
   * Factors a symmetric positive definite [n, n] matrix in place: its lower triangle is read and becomes L with A = L L'; what lies above
   * the diagonal is unspecified. Resolves to `a`. Throws RIDGE_SINGULAR where a pivot is lost in rounding (see `pivotTolerance`).
   */
  cholesky(a: Float64Array, n: number): Promise<Float64Array>;
  /** A B' for A [m, k], widened where it is float32, and B [n, k]: a new [m, n]. Arrays may be longer than that. */
  product(a: Float32Array | Float64Array, b: Float64Array, m: number, n: number, k: number): Promise<Float64Array>;
  /** C -= A B' in place, for C [m, n], A [m, k] and B [n, k] with k <= 128. Arrays may be longer than that. */
  subtractProduct(c: Float64Array, a: Float64Array, b: Float64Array, m: number, n: number, k: number): Promise<void>;
}

/** Sums over the rows of one fold of z z', with z = [features - shift, 1]: enough for every ridge fit and its squared error. */
export interface GramBlock {
  readonly rows: number;
  /** [p, p] with p = features + 1; the last row and column are the sums, the corner is the number of rows. */
  readonly gram: Matrix64;
  /** [p]: z'y, with y the target less its shift. */
  readonly cross: Float64Array;
  /** y'y. */
  readonly squares: number;
}

/** The folds' sums of one feature set. They are taken about a provisional mean, because sums about zero lose digits where a mean is large. */
export interface GramBlocks {
  /** Number of features, without the constant. */
  readonly features: number;
  /** [p]: what was taken off each feature; 0 for the constant. */
  readonly shift: Float64Array;
  readonly targetShift: number;
  /** One block a fold. */
  readonly folds: readonly GramBlock[];
}

/** Held-out errors. `auc` and `accuracy` (threshold 0.5 on the ridge score) for binary targets only. */
export interface Metrics {
  readonly rmse: number;
  readonly mae: number;
  readonly r2: number;
  readonly auc?: number | undefined;
  readonly accuracy?: number | undefined;
}

/** A fold's held-out errors for every alpha, in the order of the alphas. */
export interface FoldPath {
  readonly fold: number;
  readonly rows: number;
  readonly metrics: readonly Metrics[];
}

/** The cross-validated path of one feature set. */
export interface RidgeScore {
  readonly alphas: readonly number[];
  readonly folds: readonly FoldPath[];
  /** Index into alphas: the smallest mean RMSE over folds (for binary targets the largest mean AUC); the larger alpha on a tie. */
  readonly best: number;
  /** Number of features, without the constant. */
  readonly features: number;
}

/** One point of a learning curve: the error on held-out rows of ridge fitted on `labels` rows, over repeated draws; alpha chosen by CV inside the labels. */
export interface LearningCurvePoint {
  readonly labels: number;
  readonly draws: number;
  readonly mean: number;
  readonly standardError: number;
}
