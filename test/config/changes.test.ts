import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { changesOf } from '../../src/config/changes.ts';
import { decisive, parseSweep } from '../../src/config/parse.ts';

describe('what changed in a configuration', () => {
  it('is said by path, old and new', () => {
    const was = parseSweep('data: { train: a.csv, target: price }\ntraining: { epochs: 4 }\nworkers: { count: 2 }\n', 'f.yaml');
    const is = parseSweep(
      'data: { train: b.csv, target: price, id: key }\ntraining: { epochs: { choice: [4, 8] } }\nmodel: { kind: transformer, heads: 2 }\n',
      'f.yaml',
    );
    assert.deepEqual(changesOf(decisive(JSON.parse(JSON.stringify(was)) as typeof was), decisive(is)), [
      'data.id: (none) -> "key"',
      'model.heads: 4 -> 2',
      'training.epochs: 4 -> {"choice":[4,8]}',
    ]);
  });

  it('is nothing between equal values, also after a way through JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.deepEqual(changesOf(value, JSON.parse(JSON.stringify(value))), []);
      }),
    );
  });

  it('is five lines and a count at most, and none is long', () => {
    const changes = changesOf({}, Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`k${i}`, 'x'.repeat(1_000)])));
    assert.equal(changes.length, 6);
    assert.equal(changes[5], '... and 4 more');
    assert.ok(changes.every((line) => line.length < 100));
  });
});
