/**
 * An immutable count of hashes: two levels of 64, so that a change copies two lists of 64 and one bucket, which with 50,000 hashes has a dozen entries.
 */
export interface HashCounts {
  count(hash: string): number;
  adding(hashes: readonly string[]): HashCounts;
  /** One less of `before`, one more of `after`. */
  replacing(before: string | undefined, after: string | undefined): HashCounts;
}

type Bucket = ReadonlyMap<string, number>;
type Group = readonly Bucket[];

const bits = 6;
const width = 1 << bits;
const none: Bucket = new Map();

/** FNV-1a. */
function placeOf(hash: string): number {
  let mixed = 0x811c9dc5;
  for (let i = 0; i < hash.length; i++) mixed = Math.imul(mixed ^ hash.charCodeAt(i), 0x01000193);
  return (mixed ^ (mixed >>> 16)) & (width * width - 1);
}

export const noHashes: HashCounts = countsOf(new Array<Group>(width).fill(new Array<Bucket>(width).fill(none)));

function countsOf(groups: readonly Group[]): HashCounts {
  return {
    count(hash) {
      const place = placeOf(hash);
      return groups[place >> bits]?.[place & (width - 1)]?.get(hash) ?? 0;
    },
    adding(hashes) {
      // Built at once, so that a bucket is copied once and not once for each of its hashes.
      const copies = groups.map((group) => group.map((bucket) => new Map(bucket)));
      for (const hash of hashes) {
        const place = placeOf(hash);
        const copy = copies[place >> bits]?.[place & (width - 1)];
        copy?.set(hash, (copy.get(hash) ?? 0) + 1);
      }
      return countsOf(copies);
    },
    replacing(before, after) {
      if (before === after) return this;
      const changed = groups.slice();
      if (before !== undefined) change(changed, before, -1);
      if (after !== undefined) change(changed, after, 1);
      return countsOf(changed);
    },
  };
}

function change(groups: Group[], hash: string, by: 1 | -1): void {
  const place = placeOf(hash);
  const group = (groups[place >> bits] ?? []).slice();
  const copy = new Map(group[place & (width - 1)]);
  const count = (copy.get(hash) ?? 0) + by;
  if (count > 0) copy.set(hash, count);
  else copy.delete(hash);
  group[place & (width - 1)] = copy;
  groups[place >> bits] = group;
}
