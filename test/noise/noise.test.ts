import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import type { Matrix32 } from '../../src/base/matrix.ts';
import { permutation, sequence, stream } from '../../src/base/rng.ts';
import { noiseFlavours, type NoiseFlavour } from '../../src/config/types.ts';
import type { EncodedLayout, SourceColumn } from '../../src/dataset/types.ts';
import { effectiveCorruption } from '../../src/noise/effective.ts';
import { createNoise } from '../../src/noise/noise.ts';

/** cut: 3 levels, colour: 2 levels, carat with a missing indicator, depth without. */
const sources: readonly SourceColumn[] = [
  { name: 'cut', kind: 'categorical', levels: 3, encoded: [0, 1, 2] },
  { name: 'colour', kind: 'categorical', levels: 2, encoded: [3, 4] },
  { name: 'carat', kind: 'numerical', levels: 0, encoded: [5, 6] },
  { name: 'depth', kind: 'numerical', levels: 0, encoded: [7] },
];
const layout: EncodedLayout = {
  binary: 6,
  numerical: 2,
  names: ['cut=a', 'cut=b', 'cut=c', 'colour=D', 'colour=E', 'carat?', 'carat', 'depth'],
  sources,
};
const cols = 8;
const uniformly = (p: number): Record<string, number> => Object.fromEntries(sources.map(({ name }) => [name, p]));

/** Rows with valid groups. Every numerical cell of a column differs from the others, and tells its row: donors can be read off. */
function table(rows: number, seed: number): Matrix32 {
  const draw = sequence(stream(seed, 'table'));
  const data = new Float32Array(rows * cols);
  for (let r = 0; r < rows; r++) {
    const row = data.subarray(r * cols, (r + 1) * cols);
    row[Math.floor(draw() * 3)] = 1;
    row[3 + Math.floor(draw() * 2)] = 1;
    row[5] = draw() < 0.2 ? 1 : 0;
    row[6] = r;
    row[7] = r + 0.5;
  }
  return { rows, cols, data };
}

interface Corrupted {
  readonly noisy: Float32Array;
  readonly clean: Float32Array;
  readonly mask: Float32Array;
  readonly changed: number;
}

interface Case {
  readonly flavour: NoiseFlavour;
  readonly p: number | Record<string, number>;
  readonly seed: number;
  readonly epoch?: number;
  readonly batch?: number;
}

function corrupt(inputs: Matrix32, rows: Uint32Array, { flavour, p, seed, epoch = 0, batch = 0 }: Case): Corrupted {
  const noise = createNoise({ flavour, layout, swapProbability: typeof p === 'number' ? uniformly(p) : p, seed });
  // What was in the arrays before must not matter.
  const [noisy, clean, mask] = [7, 8, 9].map((rubbish) => new Float32Array(rows.length * cols).fill(rubbish));
  assert(noisy && clean && mask);
  return { noisy, clean, mask, changed: noise.corrupt({ epoch, batch, rows, inputs, noisy, clean, mask }) };
}

const flavour = fc.constantFrom(...noiseFlavours);
const seed = fc.integer({ min: 0, max: 2 ** 40 });
const probability = fc.double({ min: 0, max: 1, noNaN: true });
/** A batch of distinct rows of a table. */
const batchOf = fc
  .record({ rows: fc.integer({ min: 1, max: 60 }), seed: fc.nat(1000), size: fc.integer({ min: 1, max: 60 }) })
  .map(({ rows, seed, size }) => ({
    inputs: table(rows, seed),
    rows: permutation(rows, sequence(stream(seed, 'batch'))).slice(0, Math.min(size, rows)),
  }));

describe('swap noise of either flavour', () => {
  it('keeps the clean rows, marks exactly the changed cells, and counts them', () => {
    fc.assert(
      fc.property(batchOf, flavour, probability, seed, fc.nat(5), ({ inputs, rows }, flavour, p, seed, epoch) => {
        const { noisy, clean, mask, changed } = corrupt(inputs, rows, { flavour, p, seed, epoch });
        rows.forEach((row, i) =>
          assert.deepEqual(clean.subarray(i * cols, (i + 1) * cols), inputs.data.subarray(row * cols, (row + 1) * cols)),
        );
        mask.forEach((marked, cell) => assert.equal(marked, noisy[cell] === clean[cell] ? 0 : 1));
        assert.equal(
          changed,
          mask.reduce((sum, marked) => sum + marked, 0),
        );
      }),
    );
  });

  it('changes nothing at probability 0', () => {
    fc.assert(
      fc.property(batchOf, flavour, seed, ({ inputs, rows }, flavour, seed) => {
        assert.equal(corrupt(inputs, rows, { flavour, p: 0, seed }).changed, 0);
      }),
    );
  });

  it('takes every value from the same column of a row in the batch', () => {
    fc.assert(
      fc.property(batchOf, flavour, probability, seed, ({ inputs, rows }, flavour, p, seed) => {
        const { noisy, clean } = corrupt(inputs, rows, { flavour, p, seed });
        for (let column = 0; column < cols; column++) {
          const offered = new Set(Array.from(rows, (_, i) => clean[i * cols + column]));
          rows.forEach((_, i) => assert(offered.has(noisy[i * cols + column])));
        }
      }),
    );
  });

  it('swaps at a larger probability what it swaps at a smaller one, from the same donor', () => {
    fc.assert(
      fc.property(batchOf, flavour, probability, probability, seed, ({ inputs, rows }, flavour, p, q, seed) => {
        const less = corrupt(inputs, rows, { flavour, p: Math.min(p, q), seed });
        const more = corrupt(inputs, rows, { flavour, p: Math.max(p, q), seed });
        less.mask.forEach((marked, cell) => {
          if (marked === 1) assert.equal(more.noisy[cell], less.noisy[cell]);
        });
      }),
    );
  });

  it("leaves a column's draws alone when another column's probability changes", () => {
    fc.assert(
      fc.property(batchOf, flavour, probability, probability, seed, ({ inputs, rows }, flavour, p, q, seed) => {
        const one = corrupt(inputs, rows, { flavour, p, seed });
        const other = corrupt(inputs, rows, { flavour, p: { ...uniformly(q), colour: p, depth: p }, seed });
        for (const column of [3, 4, 7])
          rows.forEach((_, i) => assert.equal(other.noisy[i * cols + column], one.noisy[i * cols + column]));
      }),
    );
  });

  it('gives the same bytes again, and others in another epoch and for another seed', () => {
    const inputs = table(64, 1);
    const rows = Uint32Array.from({ length: 64 }, (_, i) => i);
    for (const flavour of noiseFlavours) {
      const base = corrupt(inputs, rows, { flavour, p: 0.5, seed: 3, epoch: 1 });
      assert.deepEqual(corrupt(inputs, rows, { flavour, p: 0.5, seed: 3, epoch: 1 }), base);
      assert.notDeepEqual(corrupt(inputs, rows, { flavour, p: 0.5, seed: 3, epoch: 2 }).noisy, base.noisy);
      assert.notDeepEqual(corrupt(inputs, rows, { flavour, p: 0.5, seed: 4, epoch: 1 }).noisy, base.noisy);
    }
  });

  it('decides on a cell by its row in the table, wherever the row stands in the batch', () => {
    const inputs = table(40, 2);
    const rows = Uint32Array.from({ length: 40 }, (_, i) => i);
    const moved = permutation(40, sequence(stream(5, 'moved')));
    // A number's mask tells its swaps in the group flavour: no two rows share a value, and no row is its own donor.
    const straight = corrupt(inputs, rows, { flavour: 'group', p: 0.4, seed: 9 });
    const shuffled = corrupt(inputs, moved, { flavour: 'group', p: 0.4, seed: 9 });
    moved.forEach((row, i) => assert.equal(shuffled.mask[i * cols + 7], straight.mask[row * cols + 7]));
  });

  it('swaps each column as often as its probability says, within 5 standard deviations', () => {
    const size = 4000;
    const inputs = table(size, 3);
    const rows = Uint32Array.from({ length: size }, (_, i) => i);
    for (const flavour of noiseFlavours)
      for (const p of [0.05, 0.25, 0.9]) {
        const { mask } = corrupt(inputs, rows, { flavour, p: { ...uniformly(0), carat: p, depth: p / 2 }, seed: 11 });
        for (const [column, expected] of [
          [0, 0],
          [6, p],
          [7, p / 2],
        ] as const) {
          let swapped = 0;
          for (let i = 0; i < size; i++) swapped += mask[i * cols + column] ?? 0;
          assert(
            Math.abs(swapped / size - expected) <= 5 * Math.sqrt((expected * (1 - expected)) / size),
            `${flavour} ${p} ${column}`,
          );
        }
      }
  });

  it('keeps the distribution of a column', () => {
    const size = 4000;
    const inputs = table(size, 4);
    const rows = Uint32Array.from({ length: size }, (_, i) => i);
    const share = (cells: Float32Array, column: number): number => {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += cells[i * cols + column] ?? 0;
      return sum / size;
    };
    for (const flavour of noiseFlavours) {
      const { noisy, clean } = corrupt(inputs, rows, { flavour, p: 0.7, seed: 12 });
      // The standard deviation of the difference is below sqrt(2 * .7 / 4 / size) = .0094.
      for (let column = 0; column < 6; column++) assert(Math.abs(share(noisy, column) - share(clean, column)) < 0.04);
    }
  });

  it('refuses a missing probability and one outside [0, 1]', () => {
    for (const p of [-0.1, 1.1, NaN, undefined]) {
      const swapProbability = { ...uniformly(0.5), carat: p } as Record<string, number>;
      assert.throws(
        () => createNoise({ flavour: 'group', layout, swapProbability, seed: 1 }),
        (thrown) => thrown instanceof NoisefoldError && thrown.code === 'CONFIG_INVALID' && thrown.where === 'column carat',
      );
    }
  });
});

describe('group flavour', () => {
  it('moves the encoded columns of a source column together, so groups stay valid at any probability', () => {
    fc.assert(
      fc.property(batchOf, fc.constantFrom(0.3, 0.9, 1), seed, ({ inputs, rows }, p, seed) => {
        const { noisy } = corrupt(inputs, rows, { flavour: 'group', p, seed });
        rows.forEach((_, i) => {
          const row = noisy.subarray(i * cols, (i + 1) * cols);
          assert.equal(
            row.subarray(0, 3).reduce((a, b) => a + b),
            1,
          );
          assert.equal(
            row.subarray(3, 5).reduce((a, b) => a + b),
            1,
          );
          // carat holds the donor's row, so its indicator must be that row's.
          assert.equal(row[5], inputs.data[(row[6] ?? -1) * cols + 5]);
        });
      }),
    );
  });

  it('draws donors uniformly from the other rows, for each row and column on its own', () => {
    const inputs = table(5, 6);
    const rows = Uint32Array.of(4, 2, 0, 3, 1);
    const epochs = 4000;
    const seen = new Map<string, number>();
    let together = 0;
    for (let epoch = 0; epoch < epochs; epoch++) {
      const { noisy } = corrupt(inputs, rows, { flavour: 'group', p: 1, seed: 21, epoch });
      rows.forEach((row, i) => {
        const carat = noisy[i * cols + 6] ?? -1;
        const depth = (noisy[i * cols + 7] ?? -1) - 0.5;
        assert.notEqual(carat, row);
        seen.set(`${row} ${carat}`, (seen.get(`${row} ${carat}`) ?? 0) + 1);
        if (carat === depth) together++;
      });
    }
    assert.equal(seen.size, 20);
    for (const count of seen.values()) assert(Math.abs(count / epochs - 1 / 4) < 5 * Math.sqrt(3 / 16 / epochs));
    assert(Math.abs(together / (5 * epochs) - 1 / 4) < 0.02);
  });
});

describe('reference flavour', () => {
  it('serves all cells of a row from one donor, by one permutation of the batch', () => {
    const inputs = table(30, 7);
    const rows = permutation(30, sequence(stream(8, 'batch')));
    const { noisy } = corrupt(inputs, rows, { flavour: 'reference', p: 1, seed: 22 });
    const donors = Array.from(rows, (_, i) => noisy[i * cols + 6] ?? -1);
    assert.deepEqual(
      [...donors].sort((a, b) => a - b),
      Array.from({ length: 30 }, (_, i) => i),
    );
    donors.forEach((donor, i) =>
      assert.deepEqual(noisy.subarray(i * cols, (i + 1) * cols), inputs.data.subarray(donor * cols, (donor + 1) * cols)),
    );
  });

  it('permutes another way in another batch', () => {
    const inputs = table(30, 7);
    const rows = Uint32Array.from({ length: 30 }, (_, i) => i);
    const of = (batch: number): Float32Array => corrupt(inputs, rows, { flavour: 'reference', p: 1, seed: 22, batch }).noisy;
    assert.notDeepEqual(of(0), of(1));
  });

  it('swaps every encoded column on its own, so that a group can become invalid', () => {
    const inputs = table(500, 8);
    const rows = Uint32Array.from({ length: 500 }, (_, i) => i);
    const { noisy } = corrupt(inputs, rows, { flavour: 'reference', p: 0.5, seed: 23 });
    const levels = new Set(Array.from(rows, (_, i) => noisy.subarray(i * cols, i * cols + 3).reduce((a, b) => a + b)));
    assert(levels.has(0) && levels.has(2));
  });
});

describe('effective corruption', () => {
  const inputs = table(3000, 9);
  const batches = Array.from({ length: 30 }, (_, b) => Uint32Array.from({ length: 100 }, (_, i) => b * 100 + i));

  it('is the probability where all values differ, and less by the chance of an equal value where they do not', () => {
    const noise = createNoise({ flavour: 'group', layout, swapProbability: uniformly(0.6), seed: 31 });
    const measured = effectiveCorruption(noise, { inputs, layout }, batches);
    assert.deepEqual(
      measured.map(({ column, nominal }) => [column, nominal]),
      sources.map(({ name }) => [name, 0.6]),
    );
    for (const [s, expected] of [0.6 * (2 / 3), 0.6 / 2, 0.6, 0.6].entries())
      assert(Math.abs((measured[s]?.effective ?? NaN) - expected) < 0.05, `${sources[s]?.name}: ${measured[s]?.effective}`);
  });

  it('stops after the rows that were asked for', () => {
    const noise = createNoise({ flavour: 'group', layout, swapProbability: uniformly(0.6), seed: 31 });
    assert.deepEqual(
      effectiveCorruption(noise, { inputs, layout }, batches, 250),
      effectiveCorruption(noise, { inputs, layout }, batches.slice(0, 3)),
    );
  });
});
