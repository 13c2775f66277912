/** JSON with sorted keys: equal values give equal text, so that text can be hashed and compared. */

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Canonical JSON: keys sorted at every depth, `undefined` members left out. Throws a RangeError on NaN and infinities, which JSON cannot hold. */
export function canonicalJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_key, member: unknown) => {
      if (typeof member === 'number' && !Number.isFinite(member)) throw new RangeError('canonicalJson: not a finite number');
      if (member !== null && typeof member === 'object' && !Array.isArray(member))
        return Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
      return member;
    },
    indent,
  );
}
