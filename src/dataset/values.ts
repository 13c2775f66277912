/** What the values of a column are like, over the tables that have it. */
import { isDate, numberIn } from './fields.ts';
import type { Column } from './types.ts';

/** Different values of a fractional column are counted up to here. */
const distinctLimit = 1000;
const exampleCount = 3;
const missingWords = new Set(['na', 'n/a', 'null', 'none', 'nan', '?', '-', '.', 'missing', 'unknown']);

export interface Values {
  readonly present: number;
  readonly missing: number;
  readonly distinct: number;
  /** Whether there may be more different values: fractional numbers are counted up to a limit. */
  readonly distinctCapped: boolean;
  readonly range: readonly [min: number, max: number] | undefined;
  /** The first few different values. */
  readonly examples: readonly string[];
  /** Whether all numbers are whole. */
  readonly whole: boolean;
  /** How many present fields of text are no numbers. */
  readonly notNumbers: number;
  /** How many of these look like dates. */
  readonly dates: number;
  /** Texts among the values that often stand for a missing one. */
  readonly missingWords: readonly string[];
  /** Whether there are such texts, and all others spell numbers. */
  readonly numbersOtherwise: boolean;
}

/** Summarises the parts of one column. */
export function valuesOf(parts: readonly Column[]): Values {
  const anyText = parts.some(({ type }) => type === 'text');
  const whole = parts.every(
    ({ type, values }) => type === 'text' || values.every((value) => Number.isInteger(value) || Number.isNaN(value)),
  );
  const limit = whole ? Infinity : distinctLimit;
  const seen = new Set<number | string>();
  const words = new Set<string>();
  const known = new Map<string, 'number' | 'date' | 'other'>();
  let [present, missing, notNumbers, dates, low, high] = [0, 0, 0, 0, Infinity, -Infinity];
  for (const { type, values } of parts) {
    if (type === 'number')
      for (const value of values) {
        if (Number.isNaN(value)) missing++;
        else {
          present++;
          if (value < low) low = value;
          if (value > high) high = value;
          if (seen.size < limit) seen.add(anyText ? String(value) : value);
        }
      }
    else
      for (const text of values) {
        if (text === null) {
          missing++;
          continue;
        }
        present++;
        let what = known.get(text);
        if (what === undefined) {
          what = numberIn(text) !== undefined ? 'number' : isDate(text) ? 'date' : 'other';
          known.set(text, what);
          seen.add(text);
          if (missingWords.has(text.trim().toLowerCase())) words.add(text);
        }
        if (what !== 'number') notNumbers++;
        if (what === 'date') dates++;
      }
  }
  const numbersOtherwise = words.size > 0 && [...known].every(([text, what]) => what === 'number' || words.has(text));
  return {
    present,
    missing,
    distinct: seen.size,
    distinctCapped: seen.size >= limit,
    range: low <= high ? [low, high] : undefined,
    examples: [...seen].slice(0, exampleCount).map(String),
    whole: whole && !anyText,
    notNumbers,
    dates,
    missingWords: [...words],
    numbersOtherwise,
  };
}
