/**
 * The Sobol sequence with Owen's nested uniform scramble.
 *
 * Each coordinate of point n is the exclusive or of direction numbers v_j, one for every bit of n's Gray code; v_j comes from a linear
 * recurrence whose coefficients are those of a primitive polynomial modulo 2 (Joe and Kuo, ACM Trans. Math. Softw. 29 (2003) 49-57). Any
 * 2^k points from the start put exactly one in each of the 2^k equal intervals of every axis.
 *
 * The plain sequence starts at the origin, the corner of every range. The scramble (Owen, "Randomly permuted (t,m,s)-nets", 1995) flips each bit by
 * a random bit that hangs on the bits above it: every point becomes uniform, and the intervals keep their one point each. So the first
 * point is no longer the origin, and is kept: dropping it would break the balance (Owen, "On dropping the first Sobol' point", 2020).
 */
import { philox, type StreamKey } from '../base/rng.ts';
import { joeKuo } from './joe-kuo.ts';

const BITS = 32;

/** How many dimensions the table of direction numbers has. */
export const sobolDimensions = joeKuo.length + 1;

/** The 32 direction numbers of a dimension (from 0), as 32-bit fractions: v_1 is one half. Throws a RangeError beyond the table. */
export function directions(dimension: number): Uint32Array {
  const v = Uint32Array.from({ length: BITS }, (_, j) => 2 ** (BITS - 1 - j));
  if (dimension === 0) return v;
  const row = joeKuo[dimension - 1];
  if (row === undefined) throw new RangeError(`sobol: dimension ${dimension} is not in [0, ${sobolDimensions})`);
  const [a, m] = row;
  const degree = m.length;
  for (let j = 0; j < BITS; j++) {
    if (j < degree) {
      v[j] = m[j]! * 2 ** (BITS - 1 - j);
      continue;
    }
    let next = v[j - degree]! ^ (v[j - degree]! >>> degree);
    for (let k = 1; k < degree; k++) if (((a >>> (degree - 1 - k)) & 1) === 1) next ^= v[j - k]!;
    v[j] = next;
  }
  return v;
}

/** Coordinate `dimension` of point `index` of the plain sequence, as 32 bits; the fraction is that over 2^32. 0 <= index < 2^32. */
export function sobolBits(index: number, v: Uint32Array): number {
  const gray = (index ^ (index >>> 1)) >>> 0;
  let bits = 0;
  for (let j = 0; j < BITS; j++) if (((gray >>> j) & 1) === 1) bits ^= v[j]!;
  return bits >>> 0;
}

/** Owen's scramble of 32 bits: bit b (from the top) is flipped by a draw keyed by b and the bits above it. */
export function scramble(bits: number, key: StreamKey): number {
  const draw = new Uint32Array(4);
  let scrambled = 0;
  for (let b = 0; b < BITS; b++) {
    const above = b === 0 ? 0 : bits >>> (BITS - b);
    philox(key, above, b, 0, 0, draw);
    const bit = ((bits >>> (BITS - 1 - b)) ^ draw[0]!) & 1;
    scrambled = (scrambled << 1) | bit;
  }
  return scrambled >>> 0;
}
