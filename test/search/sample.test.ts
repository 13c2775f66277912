import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import { canonicalJson } from '../../src/base/json.ts';
import { parseSweep } from '../../src/config/parse.ts';
import type { Distribution } from '../../src/config/types.ts';
import { sample } from '../../src/search/sample.ts';
import { searchSpace, valueAtUnit, type Dimension } from '../../src/search/space.ts';

const dimension = (path: string, distribution: Distribution): Dimension => ({ path, distribution });
const continuous = [dimension('a', { uniform: [0, 1] }), dimension('b', { logUniform: [1e-4, 1e-2] })];
const discrete = [dimension('a', { choice: [0.1, 0.2, 0.3] }), dimension('b', { integer: [1, 4] })];
const samplers = ['random', 'sobol'] as const;

describe('the search space', () => {
  it('has one dimension for each searched parameter, in a stable order', () => {
    const config = parseSweep(
      `
data: { train: a.csv, target: y }
training: { learningRate: { logUniform: [1e-4, 1e-2] } }
model: { kind: transformer, tokens: { choice: [4, 8] } }
noise:
  swapProbability:
    columns: { carat: { uniform: [0, 1] } }
    levels: { 3-8: { uniform: [0, 1] }, "2": 0.5 }
    numerical: { uniform: [0.05, 0.5] }
`,
      'f.yaml',
    );
    assert.deepEqual(
      searchSpace(config).map(({ path }) => path),
      ['noise.numerical', 'noise.levels.3-8', 'noise.columns.carat', 'model.tokens', 'training.learningRate'],
    );
  });

  it('maps the unit interval onto each distribution', () => {
    const at = (distribution: Distribution) => [0, 0.25, 0.5, 1 - 2 ** -32].map((u) => valueAtUnit(distribution, u));
    assert.deepEqual(at({ choice: [3, 1, 2] }), [3, 3, 1, 2]);
    assert.deepEqual(at({ integer: [5, 8] }), [5, 6, 7, 8]);
    assert.deepEqual(at({ uniform: [0, 2] }).slice(0, 3), [0, 0.5, 1]);
    assert.deepEqual(at({ logUniform: [0.01, 100] }).slice(0, 3), [0.01, 0.1, 1]);
  });

  it('never leaves the ends of a range, though values are rounded to be read', () => {
    const end = fc.double({ min: 1e-6, max: 1, noNaN: true });
    const u = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(end, end, u, fc.constantFrom('uniform', 'logUniform'), (x, y, point, kind) => {
        fc.pre(x !== y);
        const [low, high] = [Math.min(x, y), Math.max(x, y)];
        const value = valueAtUnit(kind === 'uniform' ? { uniform: [low, high] } : { logUniform: [low, high] }, point);
        assert(typeof value === 'number' && low <= value && value <= high, String(value));
      }),
    );
  });
});

describe('a sample', () => {
  for (const sampler of samplers) {
    it(`of ${sampler} does not depend on how many are drawn`, () => {
      for (const space of [continuous, discrete]) {
        const twelve = sample(space, sampler, 12, 5);
        assert.equal(twelve.length, 12);
        for (const n of [1, 3, 11]) assert.deepEqual(sample(space, sampler, n, 5), twelve.slice(0, n));
      }
    });

    it(`of ${sampler} has no two equal points, and all of a space of few`, () => {
      const points = sample(discrete, sampler, 100, 1);
      assert.equal(new Set(points.map((point) => canonicalJson(point))).size, 12);
      assert.equal(points.length, 12);
    });

    it(`of ${sampler} depends on the seed`, () => {
      assert.notDeepEqual(sample(continuous, sampler, 4, 1), sample(continuous, sampler, 4, 2));
      assert.deepEqual(sample(continuous, sampler, 4, 1), sample(continuous, sampler, 4, 1));
    });

    it(`of ${sampler} finds the last points of a space whose mapping hardly ever gives them`, () => {
      const space = [dimension('a', { integer: [1, 2000] })];
      assert.equal(new Set(sample(space, sampler, 2000, 1).map(({ a }) => a)).size, 2000);
    });

    it(`of ${sampler} ends where a range holds but a few numbers`, () => {
      const space = [dimension('a', { uniform: [1, 1 + 2 ** -51] })];
      assert(sample(space, sampler, 50, 1).length <= 3);
    });

    it(`of ${sampler} over nothing is one trial`, () => {
      assert.deepEqual(sample([], sampler, 12, 1), [{}]);
    });
  }

  it('of random keeps the values of a parameter when another is added', () => {
    const a = sample(continuous.slice(0, 1), 'random', 8, 3).map((point) => point['a']);
    const ab = sample(continuous, 'random', 8, 3).map((point) => point['a']);
    assert.deepEqual(a, ab);
  });

  it('of sobol spreads each parameter evenly: one value in each eighth', () => {
    const eighths = sample(continuous, 'sobol', 8, 9).map(({ a }) => Math.floor(Number(a) * 8));
    assert.deepEqual(eighths.sort(), [0, 1, 2, 3, 4, 5, 6, 7]);
  });

  it('of grid is every combination, the last parameter fastest', () => {
    const points = sample(discrete, 'grid', 12, 1);
    assert.deepEqual(points.slice(0, 5), [
      { a: 0.1, b: 1 },
      { a: 0.1, b: 2 },
      { a: 0.1, b: 3 },
      { a: 0.1, b: 4 },
      { a: 0.2, b: 1 },
    ]);
    assert.equal(points.length, 12);
    assert.deepEqual(sample([], 'grid', 1, 1), [{}]);
  });

  it('is refused where the grid is larger than trials or continuous, or sobol has no such dimension', () => {
    const invalid = (thrown: unknown) => thrown instanceof NoisefoldError && thrown.code === 'CONFIG_INVALID';
    assert.throws(() => sample(discrete, 'grid', 11, 1), invalid);
    assert.throws(() => sample(continuous, 'grid', 100, 1), invalid);
    const many = Array.from({ length: 65 }, (_, i) => dimension(`noise.columns.${i}`, { uniform: [0, 1] }));
    assert.throws(() => sample(many, 'sobol', 1, 1), invalid);
    assert.equal(sample(many, 'random', 1, 1).length, 1);
  });
});
