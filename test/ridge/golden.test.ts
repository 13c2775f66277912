import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { referenceLinearAlgebra } from '../../src/ridge/reference.ts';
import { scorePath } from '../../src/ridge/score.ts';
import { fitAll } from '../../src/ridge/solve.ts';
import type { Metrics } from '../../src/ridge/types.ts';
import { batchesOf, testTable } from './tables.ts';

interface Golden {
  readonly alphas: number[];
  readonly foldCount: number;
  readonly cases: {
    readonly name: string;
    readonly rows: number;
    readonly width: number;
    readonly seed: number;
    readonly folds: Metrics[][];
    readonly fit: number[];
  }[];
}

// Made by scikit-learn: bench/ridge.py golden.
const golden = JSON.parse(readFileSync(new URL('golden.json', import.meta.url), 'utf8')) as Golden;

const close = (actual: number | undefined, expected: number | undefined, what: string): void => {
  assert.ok(actual !== undefined && expected !== undefined, what);
  assert.ok(Math.abs(actual - expected) <= 1e-8 * Math.max(1e-3, Math.abs(expected)), `${what}: ${actual}, not ${expected}`);
};

describe('ridge agrees with scikit-learn to 1e-8', () => {
  for (const { name, rows, width, seed, folds: expected, fit } of golden.cases)
    it(`on the ${name} table: every metric of every fold and alpha, and the weights of all rows`, async () => {
      const table = testTable(name, rows, width, seed);
      const folds = Int32Array.from({ length: rows }, (_, row) => row % golden.foldCount);
      const { score, blocks, path } = await scorePath({
        width,
        foldCount: golden.foldCount,
        target: table.target,
        folds,
        task: name === 'binary' ? 'binary' : 'regression',
        alphas: golden.alphas,
        linearAlgebra: referenceLinearAlgebra,
        batches: () => batchesOf(table, [37, 1, 100]),
      });
      for (const [f, perAlpha] of expected.entries())
        for (const [a, metrics] of perAlpha.entries()) {
          const what = `fold ${f}, alpha ${golden.alphas[a] ?? NaN}`;
          for (const key of Object.keys(metrics) as (keyof Metrics)[])
            close(score.folds[f]?.metrics[a]?.[key], metrics[key], `${what} ${key}`);
          close(path.folds[f]?.rmse[a], metrics.rmse, `${what} rmse from Grams`);
          close(path.folds[f]?.r2[a], metrics.r2, `${what} r2 from Grams`);
        }
      const weights = await fitAll(blocks, referenceLinearAlgebra, 1);
      for (const [j, value] of fit.entries()) close(weights[j < 3 ? j : width], value, `weight ${j}`);
    });
});
