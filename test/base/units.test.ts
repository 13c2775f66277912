import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { count, differencePlusMinus, duration, percent, plusMinus, significant, thousands } from '../../src/base/units.ts';

const numberOf = (text: string): number => Number(text.replace('−', '-'));
const magnitude = fc.double({ min: -12, max: 12, noNaN: true });

describe('units', () => {
  it('shows durations as m:ss, and as h:mm:ss from an hour on', () => {
    assert.deepEqual([0, 21, 59.6, 100, 3599.4, 3599.5, 36_061].map(duration), [
      '0:00',
      '0:21',
      '1:00',
      '1:40',
      '59:59',
      '1:00:00',
      '10:01:01',
    ]);
    assert.equal(duration(-3), '0:00');
    assert.equal(duration(NaN), '–:––');
  });

  it('shows durations that read back to the rounded seconds', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (seconds) => {
        const read = duration(seconds)
          .split(':')
          .reduce((sum, part) => 60 * sum + Number(part), 0);
        assert.equal(read, Math.round(seconds));
      }),
    );
  });

  it('counts in at most four characters, without a jump at a unit', () => {
    assert.deepEqual([0, 312, 999.4, 999.6, 4_830, 9_960, 48_200, 999_499, 999_700, 1.25e6, 3e9].map(count), [
      '0', '312', '999', '1.0k', '4.8k', '10k', '48k', '999k', '1.0M', '1.3M', '3.0G',
    ]); // prettier-ignore
    assert.equal(count(-48_000), '−48k');
    fc.assert(
      fc.property(fc.double({ min: 0, max: 9e11, noNaN: true }), (n) => {
        const text = count(n);
        assert.ok(text.length <= 4, text);
        const unit = { k: 1e3, M: 1e6, G: 1e9 }[text.at(-1) ?? ''] ?? 1;
        assert.ok(Math.abs(parseFloat(text) * unit - n) <= Math.max(0.51, 0.051 * n), text);
      }),
    );
  });

  it('separates thousands in exact numbers', () => {
    assert.deepEqual([0, 999, 1000, 53_940, 1_234_567, -1000].map(thousands), [
      '0',
      '999',
      '1,000',
      '53,940',
      '1,234,567',
      '−1,000',
    ]);
  });

  it('shows ratios in percent, with a sign where a direction is meant and never one for zero', () => {
    assert.equal(percent(0.365), '36.5 %');
    assert.equal(percent(-0.365, 'signed'), '−36.5 %');
    assert.equal(percent(0.03, 'signed'), '+3.0 %');
    assert.equal(percent(-0.0001, 'signed'), '0.0 %');
    assert.equal(percent(NaN), '–');
  });

  it('rounds to significant digits, and writes no exponent where a reader needs none', () => {
    assert.deepEqual(
      [0.11312, 54.9, 101.94, 9999.6, 123_456.7, 0].map((x) => significant(x)),
      ['0.1131', '54.90', '101.9', '10000', '123457', '0.000'],
    );
    assert.equal(significant(-0.2), '−0.2000');
    assert.equal(significant(0.2, 2, 'signed'), '+0.20');
    assert.equal(significant(NaN), '–');
    fc.assert(
      fc.property(magnitude, fc.boolean(), (exponent, negative) => {
        const x = (negative ? -1 : 1) * 10 ** exponent;
        assert.ok(Math.abs(numberOf(significant(x)) - x) <= 5.1e-4 * Math.abs(x), significant(x));
      }),
    );
  });

  it('gives a mean with its error, and a difference no finer than its error', () => {
    assert.equal(plusMinus(0.11312, 0.000381), '0.1131 ± 0.00038');
    assert.equal(plusMinus(0.11312, NaN), '0.1131');
    assert.equal(differencePlusMinus(0.000204, 0.0000512), '+0.000204 ± 0.000051');
    assert.equal(differencePlusMinus(-0.0123, 0.0034), '−0.0123 ± 0.0034');
    assert.equal(differencePlusMinus(-1e-9, 0.0034), '0.0000 ± 0.0034');
    assert.equal(differencePlusMinus(0.002, 0), '+0.0020');
    assert.equal(differencePlusMinus(123.4, 45.6), '+123 ± 46');
  });
});
