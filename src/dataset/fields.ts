/** What the text of one field means: a number, a number that is not finite, or text. */

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const padded = /^[+-]?0\d+$/;
const wholeNumber = /^[+-]?\d+$/;
const notFiniteWords = /^[+-]?(?:nan|inf|infinity)$/i;

/** The decimal number that a text spells (spaces around it allowed), zero-padded ones included; undefined for text, NaN and infinities. */
export function numberIn(text: string): number | undefined {
  const trimmed = text.trim();
  if (!decimal.test(trimmed)) return undefined;
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : undefined;
}

/**
 * As numberIn, but undefined too where reading a number would lose something: zero-padded codes ("007"), and whole numbers beyond 2^53,
 * such as 64-bit ids. A CSV column with such a field is read as text.
 */
export function plainNumberIn(text: string): number | undefined {
  const value = numberIn(text);
  if (value === undefined) return undefined;
  const trimmed = text.trim();
  return padded.test(trimmed) || (wholeNumber.test(trimmed) && !Number.isSafeInteger(value)) ? undefined : value;
}

/** Whether a text spells NaN, an infinity, or a number too large for float64. */
export const isNotFinite = (text: string): boolean => {
  const trimmed = text.trim();
  return notFiniteWords.test(trimmed) || (decimal.test(trimmed) && !Number.isFinite(Number(trimmed)));
};

const date = /^(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{4})$/;
const timeOfDay = /^\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[ap]m)?(?: ?(?:z|utc|[+-]\d{2}:?\d{2}))?$/i;

/** Whether a text looks like a date, with a time of day or without: 2024-01-05, 2024-01-05T10:00:00Z, 05/01/2024, 5.1.2024 10:00. */
export function isDate(text: string): boolean {
  const [day = '', time] = text.trim().split(/[t ](.*)/i);
  return date.test(day) && (time === undefined || timeOfDay.test(time));
}

/** A test for the field texts that stand for a missing value: the configured ones, and blanks. */
export function missingTest(missing: readonly string[]): (text: string) => boolean {
  const texts = new Set(missing.map((text) => text.trim()));
  return (text) => {
    const trimmed = text.trim();
    return trimmed === '' || texts.has(trimmed);
  };
}
