/** The keys of `noise.swapProbability.levels`: `2` (exactly), `3-8` (both ends included), `9+` (and more). */

/** Numbers of levels, both ends included; `to` may be Infinity. */
export interface LevelRange {
  readonly from: number;
  readonly to: number;
}

/** Reads a key such as `2`, `3-8` or `9+`; undefined where it is none of them, or its ends are the wrong way round. */
export function parseLevelRange(key: string): LevelRange | undefined {
  const match = /^([1-9]\d*)(?:-([1-9]\d*)|(\+))?$/.exec(key);
  if (match === null) return undefined;
  const from = Number(match[1]);
  const to = match[3] === '+' ? Infinity : Number(match[2] ?? match[1]);
  return from <= to ? { from, to } : undefined;
}

export const overlap = (a: LevelRange, b: LevelRange): boolean => a.from <= b.to && b.from <= a.to;

/** The key whose range holds this number of levels, if there is one. */
export const levelKeyFor = (keys: readonly string[], levels: number): string | undefined =>
  keys.find((key) => {
    const range = parseLevelRange(key);
    return range !== undefined && range.from <= levels && levels <= range.to;
  });
