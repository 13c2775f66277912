import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { logGamma, twoSidedP } from '../../src/rank/student.ts';

describe('two-sided p of Student’s t', () => {
  // scipy 1.x: 2 * stats.t.sf(t, df)
  const known = [
    [1, 1, 0.5000000000000001],
    [12.706, 1, 0.05000080235813319],
    [4.303, 2, 0.0499925249852145],
    [2.776, 4, 0.05002277831997642],
    [0.1, 4, 0.9251558409394532],
    [2.262157162740992, 9, 0.0500000000046757],
    [5, 30, 2.32966854670078e-5],
    [40, 4, 2.3340163226012678e-6],
    [1.5, 99, 0.13679681771597335],
    [3.3, 1000, 0.00100099672500209],
    [1e-6, 4, 0.99999925],
    [2, 0.5, 0.4455148901831313],
  ] as const;
  for (const [t, df, p] of known)
    it(`t = ${t}, ${df} degrees of freedom`, () => {
      assert.ok(Math.abs(twoSidedP(t, df) - p) < 1e-10 * p, String(twoSidedP(t, df)));
      assert.equal(twoSidedP(-t, df), twoSidedP(t, df));
    });

  it('is 1 at zero and 0 at infinity', () => {
    assert.equal(twoSidedP(0, 3), 1);
    assert.equal(twoSidedP(-Infinity, 3), 0);
  });
});

describe('log gamma', () => {
  it('is the logarithm of the factorial', () => {
    for (let n = 1, factorial = 1; n < 30; factorial *= n++) assert.ok(Math.abs(logGamma(n) - Math.log(factorial)) < 1e-12 * n);
    assert.ok(Math.abs(logGamma(0.25) - Math.log(3.625609908221908)) < 1e-13);
  });
});
