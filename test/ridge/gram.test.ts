import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createGramBlocks } from '../../src/ridge/gram.ts';
import { referenceLinearAlgebra } from '../../src/ridge/reference.ts';
import type { GramBlocks } from '../../src/ridge/types.ts';
import { batchesOf, testTable, uniform, type TestTable } from './tables.ts';

async function accumulate(table: TestTable, folds: Int32Array, foldCount: number, sizes: readonly number[]): Promise<GramBlocks> {
  const grams = createGramBlocks(foldCount, table.width, referenceLinearAlgebra);
  for (const { start, rows, features } of batchesOf(table, sizes))
    await grams.accumulate(features, table.target.subarray(start, start + rows), folds.subarray(start, start + rows));
  return grams.finish();
}

describe('Gram blocks', () => {
  it('hold the sums of z z`, z`y and y`y about the shift, for each fold', async () => {
    const table = testTable('shifted', 23, 5, 7);
    const folds = Int32Array.from({ length: 23 }, (_, i) => i % 3);
    const { shift, targetShift, folds: blocks } = await accumulate(table, folds, 3, [4]);
    for (const [fold, block] of blocks.entries()) {
      const rows = [...folds.keys()].filter((row) => folds[row] === fold);
      const z = (row: number, j: number): number => (j === 5 ? 1 : table.features[row * 5 + j]! - shift[j]!);
      const sum = (of: (row: number) => number): number => rows.reduce((total, row) => total + of(row), 0);
      const near = (actual: number, expected: number): void =>
        assert.ok(Math.abs(actual - expected) <= 1e-12 * Math.max(1, Math.abs(expected)), `${actual} ${expected}`);
      assert.equal(block.rows, rows.length);
      for (let i = 0; i < 6; i++) {
        for (let j = 0; j < 6; j++)
          near(
            block.gram.data[i * 6 + j]!,
            sum((row) => z(row, i) * z(row, j)),
          );
        near(
          block.cross[i]!,
          sum((row) => z(row, i) * (table.target[row]! - targetShift)),
        );
      }
      near(
        block.squares,
        sum((row) => (table.target[row]! - targetShift) ** 2),
      );
    }
  });

  it('have the same bytes however the rows are cut into batches', async () => {
    const table = testTable('plain', 700, 3, 11); // more rows a fold than a dense block of the accumulator would hold is tested below
    const folds = Int32Array.from(uniform(700, 12), (u) => Math.floor(u * 4) - 1);
    const whole = await accumulate(table, folds, 3, [700]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 5 }), async (sizes) => {
        assert.deepEqual(await accumulate(table, folds, 3, sizes), whole);
      }),
      { numRuns: 10 },
    );
  });

  it('hand over to addGram in dense blocks of one fold, and lose no row at their edges', async () => {
    const rows = 9000; // 4,096 rows a block at this width
    const table = testTable('plain', rows, 2, 13);
    const calls: number[] = [];
    const grams = createGramBlocks(2, 2, {
      ...referenceLinearAlgebra,
      addGram: (total, a, count, cols, shift) => {
        calls.push(count);
        return referenceLinearAlgebra.addGram(total, a, count, cols, shift);
      },
    });
    const folds = Int32Array.from({ length: rows }, (_, i) => (i % 9 === 0 ? 1 : 0));
    for (const { start, rows: count, features } of batchesOf(table, [64]))
      await grams.accumulate(features, table.target.subarray(start, start + count), folds.subarray(start, start + count));
    const { folds: blocks } = await grams.finish();
    assert.deepEqual(calls, [4096, 3904, 1000]);
    assert.deepEqual(
      blocks.map((block) => [block.rows, block.gram.data[8]]),
      [
        [8000, 8000],
        [1000, 1000],
      ],
    );
  });

  it('do not count rows without a target or a fold', async () => {
    const table = testTable('plain', 60, 4, 17);
    const folds = Int32Array.from({ length: 60 }, (_, i) => i % 2);
    const kept = [...folds.keys()].filter((row) => row % 5 !== 0 && row % 7 !== 0);
    const holed: TestTable = { ...table, target: table.target.map((y, row) => (row % 5 === 0 ? NaN : y)) };
    const holes = folds.map((fold, row) => (row % 7 === 0 ? -1 : fold));
    const small: TestTable = {
      rows: kept.length,
      width: 4,
      features: Float32Array.from(kept.flatMap((row) => [...table.features.subarray(row * 4, row * 4 + 4)])),
      target: Float64Array.from(kept, (row) => table.target[row]!),
    };
    const smallFolds = Int32Array.from(kept, (row) => folds[row]!);
    assert.deepEqual(await accumulate(holed, holes, 2, [8]), await accumulate(small, smallFolds, 2, [8]));
  });
});
