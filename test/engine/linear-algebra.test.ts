import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import { onnxLinearAlgebra } from '../../src/engine/onnx/linear-algebra.ts';
import { referenceLinearAlgebra } from '../../src/ridge/reference.ts';
import { scorePath } from '../../src/ridge/score.ts';
import { batchesOf, testTable, uniform } from '../ridge/tables.ts';

/** The lower triangle of a Gram matrix of a few more rows than columns. */
async function gram(cols: number, diagonal: number): Promise<Float64Array> {
  const rows = cols + 5;
  const total = new Float64Array(cols * cols);
  await referenceLinearAlgebra.addGram(total, Float32Array.from(uniform(rows * cols, cols)), rows, cols, new Float64Array(cols));
  for (let j = 0; j < cols; j++) total[j * cols + j]! += diagonal;
  return total;
}

function lowerGap(a: Float64Array, b: Float64Array, n: number): number {
  let gap = 0;
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) gap = Math.max(gap, Math.abs(a[i * n + j]! - b[i * n + j]!));
  return gap;
}

const implementations = {
  reference: referenceLinearAlgebra,
  'onnx, 1 thread': onnxLinearAlgebra({ threads: 1 }),
  'onnx, 2 threads': onnxLinearAlgebra({ threads: 2 }),
};

for (const [name, linearAlgebra] of Object.entries(implementations))
  describe(`linear algebra: ${name}`, () => {
    // Sizes around the edges of the blocks: 1 column, one panel, one more, several strips and Gram blocks.
    for (const n of [1, 3, 128, 129, 530, 700])
      it(`adds a shifted Gram of ${n} columns to what is there, and factors it`, async () => {
        const rows = 37;
        const a = Float32Array.from(uniform(rows * n, 1));
        const shift = uniform(n, 2);
        const total = new Float64Array(n * n).fill(1);
        await linearAlgebra.addGram(total, a, rows, n, shift);
        const expected = new Float64Array(n * n).fill(1);
        for (let i = 0; i < n; i++)
          for (let j = 0; j <= i; j++)
            for (let row = 0; row < rows; row++)
              expected[i * n + j]! += (a[row * n + i]! - shift[i]!) * (a[row * n + j]! - shift[j]!);
        assert.ok(lowerGap(total, expected, n) < 1e-12);

        const matrix = await gram(n, 1);
        const factor = await linearAlgebra.cholesky(matrix.slice(), n);
        const product = new Float64Array(n * n);
        for (let i = 0; i < n; i++)
          for (let j = 0; j <= i; j++)
            for (let k = 0; k <= j; k++) product[i * n + j]! += factor[i * n + k]! * factor[j * n + k]!;
        assert.ok(lowerGap(product, matrix, n) < 1e-11, String(lowerGap(product, matrix, n)));
      });

    for (const [m, n, k] of [
      [1, 1, 1],
      [300, 70, 129],
      [5, 100, 530],
      [129, 260, 128],
    ] as const)
      it(`multiplies [${m}, ${k}] by [${n}, ${k}]', also from float32, and takes such a product off`, async () => {
        const a = Float32Array.from(uniform(m * k, 1));
        const b = uniform(n * k, 2);
        const expected = new Float64Array(m * n);
        for (let i = 0; i < m; i++)
          for (let j = 0; j < n; j++) for (let l = 0; l < k; l++) expected[i * n + j]! += a[i * k + l]! * b[j * k + l]!;
        const gap = (c: Float64Array): number =>
          expected.reduce((most, value, at) => Math.max(most, Math.abs(value - c[at]!)), Math.abs(c.length - m * n));
        assert.ok(gap(await linearAlgebra.product(a, b, m, n, k)) < 1e-12);
        assert.ok(gap(await linearAlgebra.product(Float64Array.from(a), b, m, n, k)) < 1e-12);
        if (k > 128) return;
        const c = expected.map((value) => 2 * value);
        await linearAlgebra.subtractProduct(c, Float64Array.from(a), b, m, n, k);
        assert.ok(gap(c) < 1e-12);
      });

    it('refuses a matrix that is not positive definite, wherever the bad pivot is', async () => {
      for (const at of [0, 5, 200]) {
        const matrix = await gram(260, 1);
        matrix[at * 260 + at] = -1;
        await assert.rejects(
          async () => linearAlgebra.cholesky(matrix, 260),
          (error: unknown) => error instanceof NoisefoldError && error.code === 'RIDGE_SINGULAR',
        );
      }
    });

    it('refuses a positive pivot of a few units in the last place, and takes a larger one', async () => {
      const nearly = (excess: number): Float64Array => Float64Array.of(1, 1, 1, 1 + excess);
      await assert.rejects(async () => linearAlgebra.cholesky(nearly(2 ** -50), 2), NoisefoldError);
      assert.equal((await linearAlgebra.cholesky(nearly(2 ** -40), 2))[3], 2 ** -20);
    });

    it('refuses a pivot lost in rounding: one column twice and next to no penalty', async () => {
      const n = 200;
      const a = Float32Array.from(uniform(300 * n, 3));
      for (let row = 0; row < 300; row++) a[row * n + 150] = a[row * n + 20]!;
      const total = new Float64Array(n * n);
      await linearAlgebra.addGram(total, a, 300, n, new Float64Array(n));
      const penalised = (alpha: number): Float64Array => total.map((value, at) => value + (at % (n + 1) === 0 ? alpha : 0));
      await assert.rejects(async () => linearAlgebra.cholesky(penalised(1e-15), n), /RIDGE_SINGULAR|positive definite/);
      await linearAlgebra.cholesky(penalised(1e-9), n);
    });
  });

describe('linear algebra by ONNX Runtime', () => {
  it('gives the same bytes with 1, 2 and 3 threads, so that a ranking does not depend on how cores are shared out', async () => {
    const n = 530;
    const a = Float32Array.from(uniform(900 * n, 5));
    const results = [];
    for (const threads of [1, 2, 3]) {
      const linearAlgebra = onnxLinearAlgebra({ threads });
      const total = new Float64Array(n * n);
      await linearAlgebra.addGram(total, a, 900, n, uniform(n, 6));
      const penalised = total.map((value, at) => value + (at % (n + 1) === 0 ? 1 : 0));
      const factor = await linearAlgebra.cholesky(penalised, n);
      // Few rows and many columns; ONNX Runtime would give each thread some of the columns, and add up in an order that depends on how many.
      const products = [
        await linearAlgebra.product(Float64Array.from(a), total, 4, n, n),
        await linearAlgebra.product(a, total, 17, 100, n),
      ];
      await linearAlgebra.subtractProduct(factor, total, penalised, 300, n, 128);
      results.push([total, factor, ...products]);
    }
    assert.deepEqual(results[1], results[0]);
    assert.deepEqual(results[2], results[0]);
  });

  it('gives the same bytes for a whole path, with 1 and 3 threads and when it is repeated', async () => {
    const table = testTable('plain', 700, 300, 7);
    const folds = Int32Array.from({ length: table.rows }, (_, row) => row % 2);
    const results = [];
    for (const threads of [1, 3, 3]) {
      const { path, score } = await scorePath({
        width: table.width,
        foldCount: 2,
        target: table.target,
        folds,
        task: 'regression',
        alphas: [0.01, 0.1, 1, 10, 100, 1000, 10000],
        linearAlgebra: onnxLinearAlgebra({ threads }),
        // The last batch is one of few rows.
        batches: () => batchesOf(table, [128]),
      });
      results.push({ path, score });
    }
    assert.deepEqual(results[1], results[0]);
    assert.deepEqual(results[2], results[0]);
  });
});
