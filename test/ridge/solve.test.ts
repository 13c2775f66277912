import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import { dualRidge } from '../../src/ridge/dual.ts';
import { createGramBlocks } from '../../src/ridge/gram.ts';
import { referenceLinearAlgebra } from '../../src/ridge/reference.ts';
import { fitAll, fitPath, predict } from '../../src/ridge/solve.ts';
import type { GramBlocks } from '../../src/ridge/types.ts';
import { testTable, uniform, type TestTable } from './tables.ts';

async function blocksOf(table: TestTable, foldCount = 2): Promise<GramBlocks> {
  const grams = createGramBlocks(foldCount, table.width, referenceLinearAlgebra);
  const folds = Int32Array.from({ length: table.rows }, (_, i) => i % foldCount);
  await grams.accumulate(table.features, table.target, folds);
  return grams.finish();
}

const fitted = async (table: TestTable, alpha: number): Promise<Float64Array> =>
  predict(await fitAll(await blocksOf(table), referenceLinearAlgebra, alpha), table.features, table.rows);

const largest = (a: Float64Array, b: Float64Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe('ridge from Gram blocks', () => {
  it('has residuals that are orthogonal to the constant, and to each centred feature up to alpha w', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 3, max: 40 }),
        fc.integer({ min: 1, max: 30 }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.nat(1e6),
        async (rows, width, alpha, seed) => {
          const table = testTable('plain', rows, width, seed);
          const weights = await fitAll(await blocksOf(table), referenceLinearAlgebra, alpha);
          const predictions = predict(weights, table.features, rows);
          const residual = table.target.map((y, i) => y - predictions[i]!);
          assert.ok(Math.abs(residual.reduce((sum, r) => sum + r, 0)) < 1e-10);
          for (let j = 0; j < width; j++) {
            const gradient = residual.reduce((sum, r, i) => sum + r * table.features[i * width + j]!, 0) - alpha * weights[j]!;
            assert.ok(Math.abs(gradient) < 1e-10, `feature ${j}: ${gradient}`);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('does not penalise the intercept: moving the target moves the predictions', async () => {
    const table = testTable('plain', 50, 6, 3);
    const moved = await fitted({ ...table, target: table.target.map((y) => y + 1e6) }, 1e9);
    assert.ok(
      largest(
        moved.map((p) => p - 1e6),
        await fitted(table, 1e9),
      ) < 1e-8,
    );
  });

  it('keeps nine digits where means are 65,536 times the spread', async () => {
    const table = testTable('plain', 200, 8, 5);
    // Multiples of 2^-7 are exact in float32 on either side, so that both tables are the same up to a shift.
    const coarse = table.features.map((x) => Math.round(x * 128) / 128);
    const near = await fitted({ ...table, features: coarse }, 0.1);
    const far = await fitted({ ...table, features: coarse.map((x) => x + 65536) }, 0.1);
    assert.ok(largest(near, far) < 1e-9, String(largest(near, far)));
  });

  it('does not let a fold of outliers leak into the model that never saw it', async () => {
    const table = testTable('plain', 80, 5, 6);
    const outliers = table.features.map((x, at) => (Math.floor(at / 5) % 2 === 1 ? x * 1e8 : x));
    const clean = await fitPath(await blocksOf(table), referenceLinearAlgebra, [1]);
    const dirty = await fitPath(await blocksOf({ ...table, features: outliers }), referenceLinearAlgebra, [1]);
    assert.ok(largest(clean.folds[1]!.weights[0]!, dirty.folds[1]!.weights[0]!) < 1e-9);
  });

  it('gives no weight to constant features, equal weights to equal ones, and finite answers for more features than rows', async () => {
    const table = testTable('onehot', 20, 40, 8);
    const weights = await fitAll(await blocksOf(table), referenceLinearAlgebra, 1e-3);
    assert.equal(weights[5], 0);
    assert.ok(Math.abs(weights[6]! - weights[7]!) < 1e-9);
    assert.ok(weights.every(Number.isFinite));
  });

  it('refuses an alpha that rounding swallows with RIDGE_SINGULAR', async () => {
    const table = testTable('onehot', 60, 8, 9);
    const huge = { ...table, features: table.features.map((x) => x * 1e9) };
    await assert.rejects(
      async () => fitAll(await blocksOf(huge), referenceLinearAlgebra, 1e-6),
      (error: unknown) => error instanceof NoisefoldError && error.code === 'RIDGE_SINGULAR',
    );
  });

  it('refuses folds without rows with DATA_FOLDS', async () => {
    const blocks = await blocksOf(testTable('plain', 2, 3, 10), 3);
    await assert.rejects(
      fitPath(blocks, referenceLinearAlgebra, [1]),
      (error: unknown) => error instanceof NoisefoldError && error.code === 'DATA_FOLDS',
    );
  });

  it('has R2 0 where a fold’s target does not vary', async () => {
    const table = testTable('plain', 12, 2, 11);
    const flat = { ...table, target: table.target.map((y, i) => (i % 2 === 0 ? 5 : y)) };
    const { folds } = await fitPath(await blocksOf(flat), referenceLinearAlgebra, [1]);
    assert.equal(folds[0]!.r2[0], 0);
  });
});

describe('the dual form', () => {
  it('gives the weights of the primal one on any subset of rows', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 4, max: 25 }),
        fc.integer({ min: 2, max: 40 }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        fc.nat(1e6),
        async (rows, width, alpha, seed) => {
          const table = testTable('shifted', rows, width, seed);
          const subset = Uint32Array.from(uniform(rows, seed).keys()).filter((row) => row % 3 !== 1);
          const small: TestTable = {
            rows: subset.length,
            width,
            features: Float32Array.from(
              [...subset].flatMap((row) => [...table.features.subarray(row * width, (row + 1) * width)]),
            ),
            target: Float64Array.from(subset, (row) => table.target[row]!),
          };
          const primal = await fitted(small, alpha);
          const dual = await dualRidge(table.features, table.target, width, referenceLinearAlgebra);
          const [weights] = await dual.fit(subset, [alpha]);
          assert.ok(largest(predict(weights!, small.features, small.rows), primal) < 1e-6);
        },
      ),
      { numRuns: 40 },
    );
  });
});
