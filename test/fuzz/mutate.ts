/** Damage to a frame, of the kinds that break parsers: bits, lengths that lie, extremes of varints, parts repeated, moved, cut or taken from another frame. */

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Varints, tags and doubles at the edges of what they may be. */
const spices: readonly (readonly number[])[] = [
  [0x00],
  [0x7f],
  [0x80, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
  [0x0b],
  [0x0c],
  [0x0a, 0x00],
  [0x0a, 0xff, 0xff, 0xff, 0x7f],
  [0xed, 0xa0, 0x80],
  [0xff, 0xfe],
  [0, 0, 0, 0, 0, 0, 0xf8, 0x7f],
  [0, 0, 0, 0, 0, 0, 0xf0, 0x7f],
  [...Buffer.from('__proto__')],
];

/** A damaged copy; `other` lends parts. Never longer than `maxLength`. */
export function mutated(frame: Uint8Array, other: Uint8Array, random: () => number, maxLength: number): Uint8Array {
  let bytes = Buffer.from(frame);
  const below = (end: number): number => Math.floor(random() * end);
  const insert = (at: number, part: Uint8Array): void => {
    bytes = Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)]);
  };
  for (let times = 1 + below(4); times > 0; times--) {
    const at = below(bytes.length + 1);
    const length = 1 + below(random() < 0.8 ? 8 : 64);
    switch (below(8)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = below(256);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 3:
        insert(at, Buffer.from(spices[below(spices.length)] ?? []));
        break;
      case 4:
        insert(below(bytes.length + 1), bytes.subarray(at, at + length));
        break;
      case 5:
        insert(at, other.subarray(below(other.length + 1)).subarray(0, 4 * length));
        break;
      case 6:
        bytes = bytes.subarray(0, at);
        break;
      default:
        // A neighbour of what is there: lengths and counts that are off by one.
        if (at < bytes.length) bytes[at] = ((bytes[at] ?? 0) + (random() < 0.5 ? 1 : 255)) & 255;
    }
  }
  return new Uint8Array(bytes.subarray(0, maxLength));
}
