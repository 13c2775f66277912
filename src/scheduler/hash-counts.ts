/**
 * An immutable count of hashes. A thousand buckets, of which a change copies one: with 50,000 hashes that is fifty entries, and the list of buckets.
 */
export interface HashCounts {
  count(hash: string): number;
  adding(hashes: readonly string[]): HashCounts;
  /** One less of `before`, one more of `after`. */
  replacing(before: string | undefined, after: string | undefined): HashCounts;
}

type Bucket = ReadonlyMap<string, number>;

const bucketCount = 1024;
const none: Bucket = new Map();

/** FNV-1a. */
function bucketOf(hash: string): number {
  let mixed = 0x811c9dc5;
  for (let i = 0; i < hash.length; i++) mixed = Math.imul(mixed ^ hash.charCodeAt(i), 0x01000193);
  return (mixed ^ (mixed >>> 16)) & (bucketCount - 1);
}

export const noHashes: HashCounts = countsOf(new Array<Bucket>(bucketCount).fill(none));

function countsOf(buckets: readonly Bucket[]): HashCounts {
  return {
    count: (hash) => buckets[bucketOf(hash)]?.get(hash) ?? 0,
    adding(hashes) {
      if (hashes.length === 0) return countsOf(buckets);
      // Built at once, so that a bucket is copied once and not once for each of its hashes.
      const copies = new Map<number, Map<string, number>>();
      for (const hash of hashes) {
        const index = bucketOf(hash);
        const copy = copies.get(index) ?? new Map(buckets[index]);
        copy.set(hash, (copy.get(hash) ?? 0) + 1);
        copies.set(index, copy);
      }
      return countsOf(buckets.map((bucket, index) => copies.get(index) ?? bucket));
    },
    replacing(before, after) {
      if (before === after) return countsOf(buckets);
      const changed = buckets.slice();
      if (before !== undefined) change(changed, before, -1);
      if (after !== undefined) change(changed, after, 1);
      return countsOf(changed);
    },
  };
}

function change(buckets: Bucket[], hash: string, by: 1 | -1): void {
  const index = bucketOf(hash);
  const copy = new Map(buckets[index]);
  const count = (copy.get(hash) ?? 0) + by;
  if (count > 0) copy.set(hash, count);
  else copy.delete(hash);
  buckets[index] = copy;
}
