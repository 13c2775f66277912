import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { editDistance, nearest } from '../../src/base/nearest.ts';

const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 6 });

describe('the nearest name', () => {
  it('is the one that was probably meant, or none', () => {
    assert.equal(nearest('prcie', ['carat', 'price', 'prices']), 'price');
    assert.equal(nearest('PRICE', ['prices', 'price']), 'price');
    assert.equal(nearest('weight', ['carat', 'price']), undefined);
    assert.equal(nearest('x', []), undefined);
  });

  it('is found by a distance that is 0 for equal words only, symmetric, and 1 for one edit or swap of neighbours', () => {
    fc.assert(
      fc.property(word, word, fc.nat(), (a, b, n) => {
        assert.equal(editDistance(a, b) === 0, a === b);
        assert.equal(editDistance(a, b), editDistance(b, a));
        const at = n % (a.length + 1);
        assert.equal(editDistance(a, `${a.slice(0, at)}z${a.slice(at)}`), 1);
        assert.ok(editDistance(a, `${a.slice(0, at)}${a[at + 1] ?? ''}${a[at] ?? ''}${a.slice(at + 2)}`) <= 1);
      }),
    );
  });
});
