import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { stream, unit } from '../../src/base/rng.ts';
import { joeKuo } from '../../src/search/joe-kuo.ts';
import { directions, scramble, sobolBits, sobolDimensions } from '../../src/search/sobol.ts';

const coordinate = (index: number, dimension: number): number => unit(sobolBits(index, directions(dimension)));

describe('the plain Sobol sequence', () => {
  it('starts with the points that every implementation of these direction numbers gives', () => {
    const points = Array.from({ length: 8 }, (_, index) => [0, 1, 2].map((dimension) => coordinate(index, dimension)));
    assert.deepEqual(points, [
      [0, 0, 0],
      [0.5, 0.5, 0.5],
      [0.75, 0.25, 0.25],
      [0.25, 0.75, 0.75],
      [0.375, 0.375, 0.625],
      [0.875, 0.875, 0.125],
      [0.625, 0.125, 0.875],
      [0.125, 0.625, 0.375],
    ]);
  });

  it('has 64 dimensions, each of a primitive polynomial of its own and odd initial numbers below 2^k', () => {
    assert.equal(sobolDimensions, 64);
    const polynomials = joeKuo.map(([a, m]) => (1 << m.length) | (a << 1) | 1);
    assert.equal(new Set(polynomials).size, 63);
    joeKuo.forEach(([, m], row) => {
      m.forEach((value, k) => assert(value % 2 === 1 && value < 2 ** (k + 1), `dimension ${row + 2}`));
      assert.equal(
        orderOfX(polynomials[row] ?? 0, m.length),
        2 ** m.length - 1,
        `the polynomial of dimension ${row + 2} is not primitive`,
      );
    });
  });

  it('refuses a dimension beyond the table', () => {
    assert.throws(() => directions(64), RangeError);
  });
});

/** The multiplicative order of x modulo a polynomial over GF(2): 2^degree - 1 exactly for primitive ones. */
function orderOfX(polynomial: number, degree: number): number {
  const times = (power: number) => ((power << 1) & (1 << degree) ? (power << 1) ^ polynomial : power << 1);
  let power = degree === 1 ? times(1) : 2;
  let order = 1;
  while (power !== 1 && order <= 2 ** degree) {
    power = times(power);
    order++;
  }
  return order;
}

describe('2^k points from the start', () => {
  const strata = fc.record({ k: fc.integer({ min: 0, max: 7 }), dimension: fc.integer({ min: 0, max: 63 }), seed: fc.nat() });

  it('put one in each of 2^k equal intervals of every axis, plain or scrambled', () => {
    fc.assert(
      fc.property(strata, fc.boolean(), ({ k, dimension, seed }, scrambled) => {
        const [v, key] = [directions(dimension), stream(seed, 'test')];
        const taken = new Set<number>();
        for (let index = 0; index < 2 ** k; index++) {
          const bits = sobolBits(index, v);
          taken.add(Math.floor(unit(scrambled ? scramble(bits, key) : bits) * 2 ** k));
        }
        assert.equal(taken.size, 2 ** k);
      }),
      { numRuns: 60 },
    );
  });

  it('put one in each box of every 2^a x 2^b partition of the first two axes, scrambled or not', () => {
    for (let a = 0; a <= 6; a++) {
      const [first, second] = [directions(0), directions(1)];
      for (const mix of [(bits: number) => bits, (bits: number) => scramble(bits, stream(7, 'test'))]) {
        const boxes = new Set<number>();
        for (let index = 0; index < 64; index++)
          boxes.add(
            Math.floor(unit(mix(sobolBits(index, first))) * 2 ** a) * 64 +
              Math.floor(unit(mix(sobolBits(index, second))) * 2 ** (6 - a)),
          );
        assert.equal(boxes.size, 64, `a = ${a}`);
      }
    }
  });
});

describe('the scramble', () => {
  it('moves the origin, differently for every seed', () => {
    const origins = new Set(Array.from({ length: 50 }, (_, seed) => scramble(0, stream(seed, 'test'))));
    assert.equal(origins.size, 50);
    assert(!origins.has(0));
  });

  it('keeps common leading bits common, and parts where they part', () => {
    const key = stream(3, 'test');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }), (x, y) => {
        assert.equal(Math.clz32(x ^ y), Math.clz32(scramble(x, key) ^ scramble(y, key)));
      }),
    );
  });
});
