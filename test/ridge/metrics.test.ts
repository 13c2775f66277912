import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { areaUnderCurve, metricsOf } from '../../src/ridge/metrics.ts';
import { bestAlpha } from '../../src/ridge/score.ts';
import type { Metrics } from '../../src/ridge/types.ts';

describe('the area under the ROC curve', () => {
  it('is the share of (1, 0) pairs in the right order, ties counted half', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ y: fc.constantFrom(0, 1), s: fc.integer({ min: -3, max: 3 }) }), { minLength: 1 }),
        (rows) => {
          const ones = rows.filter(({ y }) => y === 1);
          const zeros = rows.filter(({ y }) => y === 0);
          const won = ones.flatMap((one) => zeros.map((zero): number => (one.s > zero.s ? 1 : one.s === zero.s ? 0.5 : 0)));
          const expected = won.length === 0 ? 0.5 : won.reduce((sum, value) => sum + value, 0) / won.length;
          const auc = areaUnderCurve(
            Float64Array.from(rows, ({ y }) => y),
            Float64Array.from(rows, ({ s }) => s),
          );
          assert.ok(Math.abs(auc - expected) < 1e-12);
        },
      ),
    );
  });
});

describe('metrics', () => {
  it('of a known case', () => {
    const { rmse, mae, r2, auc, accuracy } = metricsOf(Float64Array.of(0, 0, 1, 1), Float64Array.of(0.1, 0.6, 0.5, 1), 'binary');
    assert.deepEqual([mae, auc, accuracy], [0.3, 0.75, 0.75]);
    assert.ok(Math.abs(rmse - Math.sqrt(0.62 / 4)) < 1e-15);
    assert.ok(Math.abs(r2 - 0.38) < 1e-15);
  });

  it('of a regression have no AUC', () => {
    assert.deepEqual(Object.keys(metricsOf(Float64Array.of(1, 2), Float64Array.of(1, 2), 'regression')), ['rmse', 'mae', 'r2']);
  });
});

describe('the best alpha', () => {
  const of = (rmse: number, auc: number): Metrics => ({ rmse, mae: 0, r2: 0, auc });

  it('has the smallest mean RMSE, or the largest mean AUC of a binary task; the larger one on a tie', () => {
    const folds = [
      [of(1, 0.9), of(2, 0.6), of(2, 0.6)],
      [of(4, 0.5), of(2, 0.7), of(2, 0.7)],
    ];
    assert.equal(bestAlpha(folds, 3, 'regression'), 2);
    assert.equal(bestAlpha(folds, 3, 'binary'), 0);
  });
});
