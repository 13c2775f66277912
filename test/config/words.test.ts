import assert from 'node:assert/strict';
import { posix } from 'node:path';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { levelKeyFor, overlap, parseLevelRange } from '../../src/config/levels.ts';
import { joinPath, studyFrom } from '../../src/config/paths.ts';
import { studyName } from '../../src/config/schema/sweep.ts';
import { suggestion } from '../../src/config/suggest.ts';

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
    assert.equal(suggestion('epohcs', known), '; did you mean `epochs`?');
    assert.equal(suggestion('batchsize', known), '; did you mean `batchSize`?');
    assert.equal(suggestion('learninRate', known), '; did you mean `learningRate`?');
    assert.equal(suggestion('seed', known), '');
  });
});

describe('a path in a configuration', () => {
  it('is joined to its folder as POSIX does, and stays where absolute', () => {
    const part = fc.constantFrom('a', 'b.csv', '.', '..', '');
    const path = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join('/'));
    fc.assert(
      fc.property(path, path, (folder, file) => {
        const expected = posix.isAbsolute(file) ? file : posix.join(folder, file).replace(/(?<=.)\/$/, '');
        assert.equal(joinPath(folder, file), expected);
      }),
    );
    assert.equal(joinPath('x', 'C:\\data\\a.csv'), 'C:\\data\\a.csv');
  });

  it('names the study: by the file, or by its folder where the file says nothing', () => {
    assert.equal(studyFrom('examples/diamonds/sweep.yaml'), 'diamonds');
    assert.equal(studyFrom('examples\\diamonds\\sweep.yaml'), 'diamonds');
    assert.equal(studyFrom('examples/diamonds/wide noise.v2.yaml'), 'wide-noise.v2');
    assert.equal(studyFrom('/data/tps/config.yml'), 'tps');
    for (const file of ['sweep.yaml', './sweep.yaml', '../sweep.yaml']) assert.equal(studyFrom(file), 'sweep');
    assert.equal(studyFrom('.yaml'), 'yaml');
    fc.assert(
      fc.property(fc.string(), (file) => {
        assert.match(studyFrom(file), studyName);
      }),
    );
  });
});
