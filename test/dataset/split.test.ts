import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { assignFolds } from '../../src/dataset/split.ts';
import { refusal } from './tables.ts';

const sizes = (folds: Int32Array, count: number): number[] =>
  Array.from({ length: count }, (_, fold) => folds.reduce((sum, f) => sum + (f === fold ? 1 : 0), 0));

/** Targets with some rows unlabelled, and no fewer labelled rows than folds. */
const targets = fc
  .tuple(
    fc.array(fc.option(fc.double({ noNaN: true }), { nil: NaN, freq: 4 }), { maxLength: 40 }),
    fc.integer({ min: 2, max: 6 }),
  )
  .map(([values, count]) => ({ target: Float64Array.from([...values, ...new Array<number>(count).fill(1)]), count }));

describe('folds', () => {
  it('of plain kind are consecutive, as those of scikit-learn KFold(3) on 7 labelled rows', () => {
    const target = Float64Array.of(1, NaN, 1, 1, 1, NaN, 1, 1, 1);
    assert.deepEqual([...assignFolds(target, { count: 3, kind: 'plain' }, undefined, 0)], [0, -1, 0, 0, 1, -1, 1, 2, 2]);
  });

  it('hold out every labelled row once and no other, in sizes that differ by one at most', () => {
    fc.assert(
      fc.property(targets, fc.constantFrom('plain' as const, 'shuffled' as const), fc.nat(), ({ target, count }, kind, seed) => {
        const folds = assignFolds(target, { count, kind }, undefined, seed);
        target.forEach((value, row) => {
          const fold = folds[row] ?? NaN;
          assert.ok(Number.isNaN(value) ? fold === -1 : fold >= 0 && fold < count);
        });
        const found = sizes(folds, count);
        assert.ok(Math.max(...found) - Math.min(...found) <= 1);
      }),
    );
  });

  it('of shuffled kind are the same for a seed and others for another', () => {
    const target = new Float64Array(100).fill(1);
    const draw = (seed: number): number[] => [...assignFolds(target, { count: 5, kind: 'shuffled' }, undefined, seed)];
    assert.deepEqual(draw(7), draw(7));
    assert.notDeepEqual(draw(7), draw(8));
    assert.notDeepEqual(draw(7), [...assignFolds(target, { count: 5, kind: 'plain' }, undefined, 7)]);
  });

  it('of grouped kind never cut a group, and are as even as taking the largest first makes them', () => {
    fc.assert(
      fc.property(
        targets,
        fc.infiniteStream(fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g'))),
        ({ target, count }, stream) => {
          const groups = Array.from(target, (_, row) =>
            row < target.length - count ? (stream.next().value as string | null) : `own ${row}`,
          );
          const folds = assignFolds(target, { count, kind: 'grouped' }, groups, 0);
          const foldOf = new Map<string | null, number>();
          const sizeOf = new Map<string | null, number>();
          folds.forEach((fold, row) => {
            const group = groups[row] ?? null;
            assert.equal(Number.isNaN(target[row]), fold === -1);
            if (fold === -1) return;
            assert.equal(foldOf.get(group) ?? fold, fold);
            foldOf.set(group, fold);
            sizeOf.set(group, (sizeOf.get(group) ?? 0) + 1);
          });
          const found = sizes(folds, count);
          assert.ok(Math.max(...found) - Math.min(...found) <= Math.max(...sizeOf.values()));
        },
      ),
    );
  });

  it('are refused if rows or groups are fewer than they', () => {
    const target = Float64Array.of(1, NaN, 2, NaN);
    assert.throws(
      () => assignFolds(target, { count: 3, kind: 'plain' }, undefined, 0),
      refusal('DATA_FOLDS', undefined, /2 labelled rows.*3 folds/),
    );
    assert.throws(() => assignFolds(target, { count: 1, kind: 'plain' }, undefined, 0), refusal('DATA_FOLDS'));
    assert.throws(
      () => assignFolds(target, { count: 2, kind: 'grouped' }, ['a', 'b', 'a', 'c'], 0),
      refusal('DATA_FOLDS', undefined, /1 groups/),
    );
    assert.throws(() => assignFolds(target, { count: 2, kind: 'grouped' }, undefined, 0), refusal('DATA_FOLDS'));
  });
});
