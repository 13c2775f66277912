import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { descend, divide, labelDraw, learningCurve, type LearningCurveInput } from '../../src/ridge/curve.ts';
import { referenceLinearAlgebra } from '../../src/ridge/reference.ts';
import { testTable } from './tables.ts';

function input(name: string, rows: number, width: number): LearningCurveInput & { readonly asked: Uint32Array[] } {
  const table = testTable(name, rows, width, 21);
  const asked: Uint32Array[] = [];
  return {
    asked,
    features: {
      width,
      read: (wanted) => {
        asked.push(wanted);
        return Promise.resolve(
          Float32Array.from([...wanted].flatMap((row) => [...table.features.subarray(row * width, (row + 1) * width)])),
        );
      },
    },
    target: table.target,
    labels: [120, 20, 5000, 40],
    draws: 3,
    seed: 4,
    alphas: [0.01, 0.1, 1, 10, 100],
    task: name === 'binary' ? 'binary' : 'regression',
    linearAlgebra: referenceLinearAlgebra,
  };
}

describe('the learning curve', () => {
  it('has a point for each size that the labels allow, and falls with more labels', async () => {
    const curve = await learningCurve(input('plain', 300, 30)); // sizes below and above the width: dual and primal form
    assert.deepEqual(
      curve.map(({ labels, draws }) => [labels, draws]),
      [
        [20, 3],
        [40, 3],
        [120, 3],
      ],
    );
    assert.ok(curve[0]!.mean > curve[1]!.mean && curve[1]!.mean > curve[2]!.mean);
    assert.ok(curve.every(({ standardError }) => standardError > 0));
  });

  it('never tests on a row that it fitted, draws no row twice, and reads only labelled rows', async () => {
    const study = input('plain', 300, 6);
    study.target.fill(NaN, 0, 20);
    await learningCurve(study);
    const [heldOut, ...draws] = study.asked.map((rows) => new Set(rows));
    assert.equal(draws.length, 9);
    for (const [index, draw] of draws.entries()) {
      assert.equal(draw.size, study.asked[index + 1]!.length);
      assert.ok([...draw].every((row) => row >= 20 && !heldOut!.has(row)));
    }
  });

  it('draws the same rows for every feature set of a study', async () => {
    const [narrow, wide] = [input('plain', 300, 6), input('shifted', 300, 9)];
    await learningCurve(narrow);
    await learningCurve(wide);
    assert.deepEqual(narrow.asked, wide.asked);
  });

  it('gives the same numbers twice, and other draws for another seed', async () => {
    const once = await learningCurve(input('plain', 200, 6));
    assert.deepEqual(await learningCurve(input('plain', 200, 6)), once);
    assert.notDeepEqual(await learningCurve({ ...input('plain', 200, 6), seed: 5 }), once);
  });

  it('tells the share that is done after each draw, up to 1, and ends where that rejects', async () => {
    const shares: number[] = [];
    const working = (share: number): Promise<void> => {
      shares.push(share);
      return Promise.resolve();
    };
    await learningCurve({ ...input('plain', 300, 30), working });
    assert.equal(shares.length, 9);
    assert.ok(shares.every((share, i) => share > (shares[i - 1] ?? 0)));
    assert.ok(Math.abs(shares.at(-1)! - 1) < 1e-12);
    const study = input('plain', 300, 30);
    await assert.rejects(learningCurve({ ...study, working: () => Promise.reject(new Error('stopped')) }), /stopped/);
    assert.equal(study.asked.length, 2);
  });

  it('is an AUC for a binary task', async () => {
    const curve = await learningCurve(input('binary', 300, 10));
    assert.ok(curve.every(({ mean }) => mean > 0.6 && mean <= 1));
    assert.ok(curve.at(-1)!.mean > curve[0]!.mean);
  });

  it('keeps at most 8,000 rows out', () => {
    const { heldOut, pool } = divide(new Float64Array(20_000), 1);
    assert.deepEqual([heldOut.length, pool.length], [8000, 12_000]);
    assert.notDeepEqual(labelDraw(pool, 1, 50, 0), labelDraw(pool, 1, 50, 1));
  });
});

describe('the search for alpha', () => {
  it('finds the bottom of any valley from anywhere, on a plateau its right end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 12 }),
        fc.nat(11),
        fc.nat(11),
        fc.boolean(),
        async (count, bottom, from, flat) => {
          const best = bottom % count;
          const asked: number[] = [];
          const losses = (indices: readonly number[]): Promise<number[]> => {
            asked.push(...indices);
            return Promise.resolve(indices.map((index) => Math.max(Math.abs(index - best), flat ? 1 : 0)));
          };
          assert.equal(await descend(losses, count, from % count), flat ? Math.min(best + 1, count - 1) : best);
          assert.equal(new Set(asked).size, asked.length);
          assert.ok(asked.every((index) => index >= 0 && index < count));
        },
      ),
    );
  });
});
