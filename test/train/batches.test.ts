import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createBatches, firstEpoch } from '../../src/train/batches.ts';
import { createRate } from '../../src/train/progress.ts';

const shape = fc
  .record({ rows: fc.integer({ min: 1, max: 200 }), size: fc.integer({ min: 1, max: 200 }), seed: fc.nat() })
  .filter(({ rows, size }) => size <= rows);

describe('batches', () => {
  it('hold each row at most once an epoch, and leave out fewer rows than a batch', () => {
    fc.assert(
      fc.property(shape, fc.nat(9), ({ rows, size, seed }, epoch) => {
        const batches = createBatches(seed, rows, size);
        const all = Array.from({ length: batches.perEpoch }, (_, batch) => [...batches.at({ epoch, batch })]);
        assert(all.every((batch) => batch.length === size));
        const seen = new Set(all.flat());
        assert.equal(seen.size, batches.perEpoch * size);
        assert(rows - seen.size < size);
        assert(all.flat().every((row) => row < rows));
      }),
    );
  });

  it('are the same in whichever order they are asked for', () => {
    fc.assert(
      fc.property(shape, fc.array(fc.nat(500), { minLength: 1, maxLength: 10 }), ({ rows, size, seed }, steps) => {
        const inOrder = createBatches(seed, rows, size);
        for (const step of steps) {
          const position = inOrder.locate(step);
          assert.equal(position.epoch * inOrder.perEpoch + position.batch, step);
          assert.deepEqual(inOrder.at(position), createBatches(seed, rows, size).at(position));
        }
      }),
    );
  });

  it('differ between epochs and seeds', () => {
    const rows = (seed: number, epoch: number): Uint32Array => createBatches(seed, 100, 50).at({ epoch, batch: 0 });
    assert.notDeepEqual(rows(1, 0), rows(1, 1));
    assert.notDeepEqual(rows(1, 0), rows(2, 0));
  });

  it('refuse a batch size above the number of rows', () => {
    assert.throws(() => createBatches(1, 10, 11), { code: 'MODEL_SHAPE' });
  });

  it('of the first epoch come one after the other', () => {
    const batches = createBatches(1, 25, 8);
    assert.deepEqual(
      [...firstEpoch(batches)].map((batch) => [...batch]),
      [0, 1, 2].map((batch) => [...batches.at({ epoch: 0, batch })]),
    );
  });
});

describe('rate', () => {
  it('counts the last seconds only', () => {
    let now = 0;
    const rate = createRate({ now: () => now }, 100, 5_000);
    assert.equal(rate(100), 0);
    now = 1_000;
    assert.equal(rate(300), 200);
    for (now = 2_000; now <= 20_000; now += 1_000) rate(300 + now / 100);
    assert.equal(rate(300 + now / 100), 10);
  });
});
