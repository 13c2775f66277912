/**
 * Symmetric matrix to band form by block reflectors: A = Q B Q' (Bischof, Lang, Sun 2000, "A framework for symmetric band reduction").
 *
 * The panel below a diagonal block is factored, E = (I - V T V') [R; 0] (compact WY, Schreiber and Van Loan 1989), and the block to its
 * right becomes
 *     A - V W' - W V',  with  Y = A V T,  W = Y - V (T' V' Y) / 2.
 * All but the panels' own factors are matrix products: n^3 multiplications and as many additions, six times a Cholesky factor's. A
 * reduction to tridiagonal form would make half of them products of a matrix and a vector, which wait for memory.
 */
import type { LinearAlgebra } from './types.ts';

/** Columns of a panel, and so the width of the band. Half of it doubles the passes over A, twice of it quadruples the work on each band. */
export const panelWidth = 64;

/** Reflector I - V T V' on rows [first, n). */
export interface Reflector {
  readonly first: number;
  readonly width: number;
  /** [width, n - first]: V', one vector a row; vector j is zero before j and 1 at j. */
  readonly vectors: Float64Array;
  /** [width, width], row-major, upper triangular. */
  readonly t: Float64Array;
}

export interface BandForm {
  readonly n: number;
  /** [n, panelWidth + 1]: row i holds B(i, i - panelWidth .. i). */
  readonly band: Float64Array;
  /** Q is their product, first to last. */
  readonly reflectors: readonly Reflector[];
}

/** Q B Q' = A, destroying A, which is full and symmetric. */
export async function reduceToBand(
  a: Float64Array,
  n: number,
  linearAlgebra: LinearAlgebra,
  working: (share: number) => Promise<void>,
): Promise<BandForm> {
  const b = panelWidth;
  const band = new Float64Array(n * (b + 1));
  const reflectors: Reflector[] = [];
  // What is left to reduce is the lower right part of a [stride, stride] matrix that begins at row and column `base` of the whole.
  let work = a;
  let stride = n;
  let base = 0;
  for (let top = 0; top < n; top += b) {
    const width = Math.min(b, n - top);
    const at = top - base;
    for (let i = 0; i < width; i++)
      for (let j = 0; j <= i; j++) band[(top + i) * (b + 1) + b - i + j] = work[(at + i) * stride + at + j]!;
    const first = top + width;
    const rows = n - first;
    if (rows === 0) break;
    // By symmetry the rows right of the diagonal block are the columns below it.
    const panel = new Float64Array(width * rows);
    for (let j = 0; j < width; j++) panel.set(work.subarray((at + j) * stride + at + width, (at + j + 1) * stride), j * rows);
    const taus = factorPanel(panel, width, rows);
    for (let j = 0; j < width; j++) {
      for (let i = 0; i <= Math.min(j, rows - 1); i++) band[(first + i) * (b + 1) + b - (width + i) + j] = panel[j * rows + i]!;
      panel.fill(0, j * rows, j * rows + Math.min(j, rows));
      if (j < rows) panel[j * rows + j] = 1;
    }
    const inner = await linearAlgebra.product(panel, panel, width, width, rows);
    const reflector = { first, width, vectors: panel, t: triangle(inner, taus, width) };
    reflectors.push(reflector);
    await reflect(work.subarray((at + width) * stride, stride * stride), rows, stride, reflector, linearAlgebra);
    await working(1 - (rows / n) ** 3);
    if (rows <= 0.9 * stride) {
      const skip = stride - rows;
      for (let i = 0; i < rows; i++) work.copyWithin(i * rows, (skip + i) * stride + skip, (skip + i + 1) * stride);
      work = work.subarray(0, rows * rows);
      stride = rows;
      base = first;
    }
  }
  return { n, band, reflectors };
}

/** (I - V T V')' A (I - V T V') for the last `rows` columns of A [rows, stride], in place; columns before them are dead. */
async function reflect(
  a: Float64Array,
  rows: number,
  stride: number,
  { width, vectors, t }: Reflector,
  linearAlgebra: LinearAlgebra,
): Promise<void> {
  const skip = stride - rows;
  const wide = new Float64Array(width * stride);
  for (let j = 0; j < width; j++) wide.set(vectors.subarray(j * rows, (j + 1) * rows), j * stride + skip);
  const v = transposed(vectors, width, rows);
  const av = await linearAlgebra.product(a, wide, rows, width, stride);
  const w = await linearAlgebra.product(av, transposed(t, width, width), rows, width, width);
  const vy = await linearAlgebra.product(vectors, transposed(w, rows, width), width, width, rows);
  const half = new Float64Array(width * width);
  for (let i = 0; i < width; i++)
    for (let k = 0; k <= i; k++)
      for (let j = 0, factor = t[k * width + i]! / 2; j < width; j++) half[j * width + i]! += factor * vy[k * width + j]!;
  await linearAlgebra.subtractProduct(w, v, half, rows, width, width);

  const left = new Float64Array(rows * 2 * width);
  const right = new Float64Array(stride * 2 * width);
  for (let i = 0; i < rows; i++) {
    const [vi, wi] = [v.subarray(i * width, (i + 1) * width), w.subarray(i * width, (i + 1) * width)];
    left.set(vi, i * 2 * width);
    left.set(wi, i * 2 * width + width);
    right.set(wi, (skip + i) * 2 * width);
    right.set(vi, (skip + i) * 2 * width + width);
  }
  await linearAlgebra.subtractProduct(a, left, right, rows, stride, 2 * width);
}

/**
 * Householder QR of a panel whose `width` columns of length `rows` stand one after the other. Column j keeps R above and on its place j,
 * and its reflector, whose 1 is implied, below. Returns the factors tau of I - tau v v'.
 */
function factorPanel(panel: Float64Array, width: number, rows: number): Float64Array {
  const taus = new Float64Array(width);
  for (let j = 0; j < Math.min(width, rows); j++) {
    const column = panel.subarray(j * rows, (j + 1) * rows);
    let largest = 0;
    for (let i = j + 1; i < rows; i++) largest = Math.max(largest, Math.abs(column[i]!));
    if (largest === 0) continue;
    const scale = Math.max(largest, Math.abs(column[j]!));
    let squares = 0;
    for (let i = j; i < rows; i++) squares += (column[i]! / scale) ** 2;
    const pivot = column[j]!;
    const beta = -Math.sign(pivot || 1) * Math.sqrt(squares) * scale;
    const tau = (beta - pivot) / beta;
    taus[j] = tau;
    for (let i = j + 1; i < rows; i++) column[i]! /= pivot - beta;
    column[j] = 1;
    let l = j + 1;
    for (; l + 3 < width; l += 4) reflectFour(panel, column, l * rows, rows, j, tau);
    for (; l < width; l++) {
      const at = l * rows;
      let dot = 0;
      for (let i = j; i < rows; i++) dot += column[i]! * panel[at + i]!;
      dot *= tau;
      for (let i = j; i < rows; i++) panel[at + i]! -= dot * column[i]!;
    }
    column[j] = beta;
  }
  return taus;
}

/** Four columns share each load of the reflector. */
function reflectFour(panel: Float64Array, v: Float64Array, at: number, rows: number, from: number, tau: number): void {
  const [a1, a2, a3] = [at + rows, at + 2 * rows, at + 3 * rows];
  let [d0, d1, d2, d3] = [0, 0, 0, 0];
  for (let i = from; i < rows; i++) {
    const x = v[i]!;
    d0 += x * panel[at + i]!;
    d1 += x * panel[a1 + i]!;
    d2 += x * panel[a2 + i]!;
    d3 += x * panel[a3 + i]!;
  }
  d0 *= tau;
  d1 *= tau;
  d2 *= tau;
  d3 *= tau;
  for (let i = from; i < rows; i++) {
    const x = v[i]!;
    panel[at + i]! -= d0 * x;
    panel[a1 + i]! -= d1 * x;
    panel[a2 + i]! -= d2 * x;
    panel[a3 + i]! -= d3 * x;
  }
}

/** T of I - V T V', from V'V and the factors of the single reflectors. */
function triangle(inner: Float64Array, taus: Float64Array, width: number): Float64Array {
  const t = new Float64Array(width * width);
  for (let j = 0; j < width; j++) {
    const tau = taus[j]!;
    for (let i = 0; i < j; i++) {
      let sum = 0;
      for (let k = i; k < j; k++) sum += t[i * width + k]! * inner[k * width + j]!;
      t[i * width + j] = -tau * sum;
    }
    t[j * width + j] = tau;
  }
  return t;
}

/** Applies a reflector, or its transpose, to each row of x [count, n], in place. */
export async function rotate(
  x: Float64Array,
  n: number,
  count: number,
  { first, width, vectors, t }: Reflector,
  transpose: boolean,
  linearAlgebra: LinearAlgebra,
): Promise<void> {
  const rows = n - first;
  const tail = new Float64Array(count * rows);
  for (let i = 0; i < count; i++) tail.set(x.subarray(i * n + first, (i + 1) * n), i * rows);
  const along = await linearAlgebra.product(tail, vectors, count, width, rows);
  const factors = await linearAlgebra.product(along, transpose ? transposed(t, width, width) : t, count, width, width);
  await linearAlgebra.subtractProduct(tail, factors, transposed(vectors, width, rows), count, rows, width);
  for (let i = 0; i < count; i++) x.set(tail.subarray(i * rows, (i + 1) * rows), i * n + first);
}

/** [rows, cols] to [cols, rows], in tiles that stay in the cache. */
export function transposed(a: Float64Array, rows: number, cols: number): Float64Array {
  const out = new Float64Array(a.length);
  const tile = 16;
  for (let top = 0; top < rows; top += tile)
    for (let left = 0; left < cols; left += tile)
      for (let i = top; i < Math.min(top + tile, rows); i++)
        for (let j = left; j < Math.min(left + tile, cols); j++) out[j * rows + i] = a[i * cols + j]!;
  return out;
}
