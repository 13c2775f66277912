/**
 * One pass over the rows gives everything that ridge needs.
 *
 * With z = [x - shift, 1] and y' = y - targetShift, each fold f keeps G_f = sum z z', c_f = sum z y' and sum y'y'. Any union of folds is a sum
 * of blocks, so that k training sets and every alpha come from one accumulation, and rows never have to be kept (solve.ts).
 *
 * The shift: centring afterwards, G - s s'/n, loses about 2 log10(mean/sd) digits. Ridge with a free intercept does not depend on where x and y
 * are measured from, so both are measured from the mean of the first block. Features are float32 and float64 holds x - shift exactly (but for
 * wildly different magnitudes); thereafter the Gram is as accurate as one of centred float64 columns, as long as the first block's mean is
 * within some thousand standard deviations of every fold's.
 *
 * Rows wait in a buffer of their own fold until a dense block of fixed size is there: the bytes of the result depend on the order of the
 * rows, but not on how callers cut them into batches.
 */
import { zeros64, type Matrix64 } from '../base/matrix.ts';
import type { GramBlock, GramBlocks, LinearAlgebra } from './types.ts';

export interface GramAccumulator {
  /**
   * Adds rows.
   * @param features [rows, width] row-major; may be longer than rows * width (a padded batch)
   * @param target [rows]; rows whose target is NaN are skipped
   * @param folds [rows]: the fold that holds the row out; rows with -1 are skipped
   */
  accumulate(features: Float32Array, target: Float64Array, folds: Int32Array): Promise<void>;
  /** Adds what still waits and gives the blocks; the accumulator is spent. */
  finish(): Promise<GramBlocks>;
}

interface PendingFold {
  rows: number;
  waiting: number;
  readonly features: Float32Array;
  readonly target: Float64Array;
  readonly gram: Matrix64;
  readonly cross: Float64Array;
  squares: number;
}

/** Rows of a dense block: large enough for a fast Gemm, small enough (16 MiB of float32) to hold one for every fold. */
const blockRows = (cols: number): number => Math.min(4096, Math.max(256, Math.floor(2 ** 22 / cols)));

/**
 * Starts an accumulation of `foldCount` folds of `width` features. Memory: 8 (width + 1)^2 bytes a fold and a block of rows.
 */
export function createGramBlocks(foldCount: number, width: number, linearAlgebra: LinearAlgebra): GramAccumulator {
  const cols = width + 1;
  const capacity = blockRows(cols);
  const shift = new Float64Array(cols);
  let targetShift = 0;
  let shifted = false;
  const pending = new Map<number, PendingFold>();

  const open = (fold: number): PendingFold => {
    const found = pending.get(fold);
    if (found !== undefined) return found;
    if (fold >= foldCount) throw new RangeError(`createGramBlocks: fold ${fold} of ${foldCount}`);
    const fresh: PendingFold = {
      rows: 0,
      waiting: 0,
      features: new Float32Array(capacity * cols),
      target: new Float64Array(capacity),
      gram: zeros64(cols, cols),
      cross: new Float64Array(cols),
      squares: 0,
    };
    pending.set(fold, fresh);
    return fresh;
  };

  const chooseShift = (block: PendingFold): void => {
    const { features, target, waiting } = block;
    for (let row = 0; row < waiting; row++) {
      for (let j = 0, at = row * cols; j < width; j++) shift[j]! += features[at + j]!;
      targetShift += target[row]!;
    }
    for (let j = 0; j < width; j++) shift[j]! /= waiting;
    targetShift /= waiting;
    shifted = true;
  };

  const flush = async (block: PendingFold): Promise<void> => {
    const { features, target, cross, waiting } = block;
    if (waiting === 0) return;
    if (!shifted) chooseShift(block);
    for (let row = 0; row < waiting; row++) {
      const y = target[row]! - targetShift;
      for (let j = 0, at = row * cols; j < cols; j++) cross[j]! += (features[at + j]! - shift[j]!) * y;
      block.squares += y * y;
    }
    block.rows += waiting;
    block.waiting = 0;
    await linearAlgebra.addGram(block.gram.data, features.subarray(0, waiting * cols), waiting, cols, shift);
  };

  return {
    async accumulate(features, target, folds) {
      for (let row = 0; row < target.length; row++) {
        const fold = folds[row] ?? -1;
        const y = target[row]!;
        if (fold < 0 || Number.isNaN(y)) continue;
        const block = open(fold);
        const at = block.waiting * cols;
        block.features.set(features.subarray(row * width, (row + 1) * width), at);
        block.features[at + width] = 1;
        block.target[block.waiting++] = y;
        if (block.waiting === capacity) await flush(block);
      }
    },
    async finish() {
      const folds: GramBlock[] = [];
      for (let fold = 0; fold < foldCount; fold++) {
        const block = pending.get(fold);
        if (block === undefined) {
          folds.push({ rows: 0, gram: zeros64(cols, cols), cross: new Float64Array(cols), squares: 0 });
          continue;
        }
        await flush(block);
        mirror(block.gram);
        folds.push({ rows: block.rows, gram: block.gram, cross: block.cross, squares: block.squares });
      }
      pending.clear();
      return { features: width, shift, targetShift, folds };
    },
  };
}

/** Copies the lower triangle over the upper, in tiles that stay in the cache. */
export function mirror({ data, rows: n }: Matrix64): void {
  const tile = 32;
  for (let top = 0; top < n; top += tile)
    for (let left = 0; left <= top; left += tile)
      for (let i = top; i < Math.min(top + tile, n); i++)
        for (let j = left; j < Math.min(left + tile, i); j++) data[j * n + i] = data[i * n + j]!;
}
