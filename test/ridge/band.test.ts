import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import { reductionPays, solveByBand } from '../../src/ridge/band.ts';
import { createGramBlocks } from '../../src/ridge/gram.ts';
import { referenceLinearAlgebra } from '../../src/ridge/reference.ts';
import { fitAllPath, predict } from '../../src/ridge/solve.ts';
import type { LinearAlgebra } from '../../src/ridge/types.ts';
import { qrRidge } from './qr.ts';
import { testTable, uniform, type TestTable } from './tables.ts';

const alphas = [1e-6, 1e-4, 1e-2, 1, 10, 1e3, 1e6];

/** The path of all rows, and how often it took a Cholesky factor. */
async function pathOf(table: TestTable): Promise<{ weights: Float64Array[]; factored: number }> {
  let factored = 0;
  const counting: LinearAlgebra = {
    ...referenceLinearAlgebra,
    cholesky(a, n) {
      factored++;
      return referenceLinearAlgebra.cholesky(a, n);
    },
  };
  const grams = createGramBlocks(1, table.width, counting);
  await grams.accumulate(table.features, table.target, new Int32Array(table.rows));
  return { weights: await fitAllPath(await grams.finish(), counting, alphas), factored };
}

/** The largest difference to the predictions of a QR factorisation, as a share of the largest target about its mean. */
function predictionGap(table: TestTable, weights: Float64Array, alpha: number): number {
  const { features, rows, target } = table;
  const mean = target.reduce((sum, y) => sum + y / rows, 0);
  const largest = target.reduce((most, y) => Math.max(most, Math.abs(y - mean)), 0);
  const expected = predict(qrRidge(table, alpha), features, rows);
  return predict(weights, features, rows).reduce((most, p, i) => Math.max(most, Math.abs(p - expected[i]!)), 0) / largest;
}

const scaled = (table: TestTable, factor: (column: number) => number): TestTable => ({
  ...table,
  features: table.features.map((x, at) => x * factor(at % table.width)),
});

describe('one reduction to band form for all alphas', () => {
  it('solves (G + alpha I) w = c, whatever the size is beside that of a panel', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 200 }), fc.nat(1e6), async (n, seed) => {
        const rows = n + 10;
        const x = uniform(rows * n, seed).map((u) => u - 0.5);
        const gram = new Float64Array(n * n);
        for (let row = 0; row < rows; row++)
          for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) gram[i * n + j]! += x[row * n + i]! * x[row * n + j]!;
        const cross = uniform(n, seed + 1);
        const solutions = await solveByBand(gram, cross, alphas, referenceLinearAlgebra, () => Promise.resolve());
        for (const [index, w] of solutions.entries()) {
          assert.ok(w !== undefined);
          const size = w.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
          for (let i = 0; i < n; i++) {
            let residual = cross[i]! - alphas[index]! * w[i]!;
            for (let j = 0; j < n; j++) residual -= gram[i * n + j]! * w[j]!;
            assert.ok(Math.abs(residual) <= 1e-13 * n * (size * (gram[i * n + i]! + alphas[index]!) + 1), `${residual}`);
          }
        }
      }),
      { numRuns: 25 },
    );
  });

  it('serves from 256 features and 7 alphas on, and needs no Cholesky factor on a table of ordinary columns', async () => {
    assert.ok(reductionPays(256, 7) && !reductionPays(255, 7) && !reductionPays(256, 6));
    const { factored } = await pathOf(testTable('plain', 600, 256, 3));
    assert.equal(factored, 0);
  });

  it('agrees with a QR factorisation to 1e-8 for alphas from 1e-6 to 1e6, on columns whose scales are up to 1e6 apart', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 256, max: 262 }),
        fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 4 }),
        fc.nat(1e6),
        async (width, scales, seed) => {
          const table = scaled(testTable('plain', 2 * width, width, seed), (j) => 10 ** scales[j % scales.length]!);
          const { weights } = await pathOf(table);
          for (const [index, alpha] of alphas.entries()) {
            const gap = predictionGap(table, weights[index]!, alpha);
            assert.ok(gap < 1e-8, `alpha ${alpha}: ${gap}`);
          }
        },
      ),
      { numRuns: 2 },
    );
  });

  it('gives right answers or RIDGE_SINGULAR with equal, constant and huge columns, and with more columns than rows', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(40, 200, 400),
        fc.constantFrom(1, 1e3, 1e9),
        fc.constantFrom(1, 7, 256),
        fc.nat(1e6),
        async (rows, huge, every, seed) => {
          const table = scaled(testTable('onehot', rows, 256, seed), (j) => (j % every === 0 ? huge : 1));
          let weights: Float64Array[];
          try {
            ({ weights } = await pathOf(table));
          } catch (error) {
            assert.ok(error instanceof NoisefoldError && error.code === 'RIDGE_SINGULAR', String(error));
            return;
          }
          for (const [index, alpha] of alphas.entries()) {
            assert.ok(weights[index]!.every(Number.isFinite));
            const gap = predictionGap(table, weights[index]!, alpha);
            assert.ok(gap < 1e-6, `alpha ${alpha}: ${gap}`);
          }
        },
      ),
      { numRuns: 6 },
    );
  });

  it('leaves to Cholesky what it cannot get right, and no other alpha', async () => {
    // One column of 1e8 and many of 1: beside it the others are noise to an orthogonal reduction, but not to Cholesky.
    const table = scaled(testTable('plain', 600, 256, 5), (j) => (j === 200 ? 1e8 : 1));
    const { weights, factored } = await pathOf(table);
    assert.ok(factored > 0 && factored < alphas.length, String(factored));
    for (const [index, alpha] of alphas.entries()) assert.ok(predictionGap(table, weights[index]!, alpha) < 1e-8);
  });

  it('says how far it is, up to all', async () => {
    const shares: number[] = [];
    const n = 150;
    const gram = new Float64Array(n * n).map((_, at) => (at % (n + 1) === 0 ? 2 : 1));
    await solveByBand(gram, new Float64Array(n), [1], referenceLinearAlgebra, (share) =>
      Promise.resolve(void shares.push(share)),
    );
    assert.ok(
      shares.length === 3 && 0 < shares[0]! && shares[0]! < shares[1]! && shares[1]! < 1 && shares[2] === 1,
      String(shares),
    );
  });
});
