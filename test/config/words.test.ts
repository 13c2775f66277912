import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { levelKeyFor, overlap, parseLevelRange } from '../../src/config/levels.ts';
import { editDistance, nearest } from '../../src/config/suggest.ts';

describe('a range of level counts', () => {
  it('is a number, two numbers, or a number and more', () => {
    assert.deepEqual(parseLevelRange('2'), { from: 2, to: 2 });
    assert.deepEqual(parseLevelRange('3-8'), { from: 3, to: 8 });
    assert.deepEqual(parseLevelRange('9+'), { from: 9, to: Infinity });
    for (const key of ['', '0', '02', '3-', '-3', '8-3', '3-8+', '3 - 8', 'a', '1.5'])
      assert.equal(parseLevelRange(key), undefined, key);
  });

  it('overlaps another where some number of levels is in both', () => {
    const range = fc
      .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 4 }))
      .map(([from, more]) => ({ from, to: from + more }));
    fc.assert(
      fc.property(range, range, (a, b) => {
        const numbers = Array.from({ length: 20 }, (_, n) => n);
        assert.equal(
          overlap(a, b),
          numbers.some((n) => a.from <= n && n <= a.to && b.from <= n && n <= b.to),
        );
      }),
    );
  });

  it('is found by a number of levels', () => {
    const keys = ['2', '3-8', '9+'];
    assert.deepEqual(
      [1, 2, 3, 8, 9, 500].map((n) => levelKeyFor(keys, n)),
      [undefined, '2', '3-8', '3-8', '9+', '9+'],
    );
  });
});

describe('the suggestion for a misspelt word', () => {
  it('forgives a swap, a slip, a missing or extra letter, and case', () => {
    const known = ['epochs', 'batchSize', 'learningRate', 'learningRateDecay'];
    assert.equal(nearest('epohcs', known), 'epochs');
    assert.equal(nearest('batchsize', known), 'batchSize');
    assert.equal(nearest('learninRate', known), 'learningRate');
    assert.equal(nearest('seed', known), undefined);
  });

  it('rests on a distance: zero for the same word only, symmetric, at most the longer length', () => {
    const word = fc.string({ maxLength: 8, unit: fc.constantFrom('a', 'b', 'c') });
    fc.assert(
      fc.property(word, word, (a, b) => {
        const distance = editDistance(a, b);
        assert.equal(distance === 0, a === b);
        assert.equal(distance, editDistance(b, a));
        assert(distance >= Math.abs(a.length - b.length) && distance <= Math.max(a.length, b.length));
      }),
    );
  });
});
