/** The numbers that standardise a column. */

export interface NumbersFit {
  /** Of the present values. */
  readonly median: number;
  /** Over all values, with the median in place of missing ones. */
  readonly mean: number;
  /** Population standard deviation of the same values; 1 where that is 0. */
  readonly deviation: number;
  readonly missing: boolean;
  /** Whether all present values are equal. */
  readonly constant: boolean;
}

/** Fits parts of one column, NaN for missing; at least one value is present. Two passes, scaled, so that no finite values overflow. */
export function fitNumbers(parts: readonly Float64Array[]): NumbersFit {
  const count = parts.reduce((sum, part) => sum + part.length, 0);
  const present = new Float64Array(count);
  let n = 0;
  for (const part of parts) for (const value of part) if (!Number.isNaN(value)) present[n++] = value;
  const sorted = present.subarray(0, n).sort();
  const low = sorted[0] ?? 0;
  const high = sorted[n - 1] ?? 0;
  // + 0: JSON has no negative zero, and a preprocessor that is read back must be the same.
  const median = (sorted[(n - 1) >> 1] ?? 0) / 2 + (sorted[n >> 1] ?? 0) / 2 + 0;
  if (low === high) return { median, mean: median, deviation: 1, missing: n < count, constant: true };

  // Relative to the median and the range every value is within [-1, 1], and a column far from zero loses no digits.
  const range = Number.isFinite(high - low) ? high - low : Number.MAX_VALUE;
  let sum = 0;
  for (let i = 0; i < n; i++) sum += (sorted[i]! - median) / range;
  const shift = sum / count;
  let squares = shift * shift * (count - n);
  for (let i = 0; i < n; i++) {
    const difference = (sorted[i]! - median) / range - shift;
    squares += difference * difference;
  }
  const deviation = Math.sqrt(squares / count) * range;
  const usable = deviation > 0 && Number.isFinite(deviation) && Number.isFinite(1 / deviation);
  return { median, mean: median + shift * range + 0, deviation: usable ? deviation : 1, missing: n < count, constant: false };
}
