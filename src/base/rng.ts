/**
 * A counter-based generator: Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * A draw is a pure function of a 64-bit key and a 128-bit counter, so nothing has to be remembered to resume, and no draw depends on
 * how many came before it. Keys name a stream (`stream(seed, 'noise', fold)`); the counter names the draw in it (epoch, row, column, lane).
 */

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** The high 32 bits of the 64-bit product of two 32-bit unsigned integers. */
function mulHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(cross / 65536)) >>> 0;
}

/** A stream's 64-bit key, as two unsigned 32-bit halves. */
export interface StreamKey {
  readonly k0: number;
  readonly k1: number;
}

/**
 * Philox4x32-10. Writes four uniform unsigned 32-bit integers into `out`.
 * @param key the stream
 * @param c0 to c3: the counter, each taken modulo 2^32
 */
export function philox(key: StreamKey, c0: number, c1: number, c2: number, c3: number, out: Uint32Array): void {
  let x0 = c0 >>> 0;
  let x1 = c1 >>> 0;
  let x2 = c2 >>> 0;
  let x3 = c3 >>> 0;
  let k0 = key.k0;
  let k1 = key.k1;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, x0);
    const low0 = Math.imul(M0, x0) >>> 0;
    const high1 = mulHigh(M1, x2);
    const low1 = Math.imul(M1, x2) >>> 0;
    x0 = (high1 ^ x1 ^ k0) >>> 0;
    x1 = low1;
    x2 = (high0 ^ x3 ^ k1) >>> 0;
    x3 = low0;
    k0 = (k0 + W0) >>> 0;
    k1 = (k1 + W1) >>> 0;
  }
  out[0] = x0;
  out[1] = x1;
  out[2] = x2;
  out[3] = x3;
}

/** A named stream of a seed: FNV-1a over the parts, widened to 64 bits by Philox itself. Equal parts give equal streams. */
export function stream(seed: number, ...parts: readonly (string | number)[]): StreamKey {
  const text = parts.map(String).join('\u0000');
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  const out = new Uint32Array(4);
  philox({ k0: seed >>> 0, k1: Math.floor(seed / 2 ** 32) >>> 0 }, hash >>> 0, text.length, 0x6e6f6973, 0x65666f6c, out);
  return { k0: out[0] ?? 0, k1: out[1] ?? 0 };
}

/** A uniform number in [0, 1) from 32 random bits. */
export const unit = (bits: number): number => bits * 2 ** -32;

/** A uniform integer in [0, n), n <= 2^32, from 32 random bits (bias below n / 2^32). */
export const below = (bits: number, n: number): number => Math.floor(unit(bits) * n);

/**
 * A sequential reader of a stream, for places where the draws have a natural order (a shuffle, a sampler).
 * @param c1 to c3 fix the rest of the counter, such as the epoch.
 */
export function sequence(key: StreamKey, c1 = 0, c2 = 0, c3 = 0): () => number {
  const out = new Uint32Array(4);
  let block = 0;
  let used = 4;
  return () => {
    if (used === 4) {
      philox(key, block++, c1, c2, c3, out);
      used = 0;
    }
    return unit(out[used++] ?? 0);
  };
}

/** A uniform permutation of 0 .. n-1 (Fisher-Yates). */
export function permutation(n: number, draw: () => number): Uint32Array<ArrayBuffer> {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    const held = order[i] ?? 0;
    order[i] = order[j] ?? 0;
    order[j] = held;
  }
  return order;
}
