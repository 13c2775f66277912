/** Gathers the fields of one CSV column: numbers as long as every field is one, then texts. */
import { columnAt, fieldText, type FieldSpan } from './csv-fields.ts';
import { missingTest, numberIn, plainNumberIn } from './fields.ts';
import type { Column, FilePosition } from './types.ts';

export interface ColumnBuilder {
  /** Adds the field of the next row. */
  add(span: FieldSpan, row: number): void;
  finish(name: string, rows: number): Column;
}

const powersOfTen = Float64Array.from({ length: 23 }, (_, i) => Number(`1e${i}`));

/**
 * The number in bytes [begin, end) if it is a decimal without an exponent, else NaN, which decides nothing. Up to 15 digits, mantissa and
 * power of ten are exact in float64, so that their quotient is the nearest float64 (W. D. Clinger, "How to read floating point numbers
 * accurately", 1990).
 */
function plainDecimal(file: Buffer, begin: number, end: number): number {
  let at = begin;
  const negative = file[at] === 0x2d;
  if (negative) at++;
  const first = at;
  let mantissa = 0;
  let digits = 0;
  let point = -1;
  for (; at < end; at++) {
    const digit = file[at]! - 0x30;
    if (digit >= 0 && digit <= 9) {
      mantissa = mantissa * 10 + digit;
      digits++;
    } else if (digit === -2 && point < 0) point = at;
    else return NaN;
  }
  if (digits === 0 || (file[first] === 0x30 && digits > 1 && point !== first + 1)) return NaN;
  if (digits > 15) return point < 0 ? NaN : finite(Number(file.toString('latin1', begin, end)));
  const value = point < 0 ? mantissa : mantissa / powersOfTen[end - 1 - point]!;
  return negative ? -value : value;
}

const finite = (value: number): number => (Number.isFinite(value) ? value : NaN);

/** At most so many distinct texts of a column are kept to share their strings. */
const sharedTexts = 65536;

/** Makes each text once: equal fields of a column share one string. */
function textSharer(file: Buffer): (span: FieldSpan) => string {
  const known = new Map<number, { readonly begin: number; readonly length: number; readonly text: string }>();
  return (span) => {
    if (span.escaped) return fieldText(file, span);
    let hash = 0x811c9dc5;
    for (let i = span.begin; i < span.end; i++) hash = Math.imul(hash ^ file[i]!, 0x01000193);
    const entry = known.get(hash);
    const length = span.end - span.begin;
    if (entry !== undefined && entry.length === length && sameBytes(file, entry.begin, span.begin, length)) return entry.text;
    const text = fieldText(file, span);
    if (entry === undefined && known.size < sharedTexts) known.set(hash, { begin: span.begin, length, text });
    return text;
  };
}

function sameBytes(file: Uint8Array, a: number, b: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (file[a + i] !== file[b + i]) return false;
  return true;
}

/**
 * @param expectedRows how many rows to make room for at first
 * @param textAt the text of an earlier row's field in this column: what was read as a number must be read again when text turns up
 */
export function columnBuilder(
  file: Buffer,
  expectedRows: number,
  missing: readonly string[],
  textAt: (row: number) => string,
): ColumnBuilder {
  const isMissing = missingTest(missing);
  // Texts for missing values that look like numbers, such as -999: a number that equals one is looked at again, as text.
  const missingNumbers = new Set(missing.flatMap((text) => numberIn(text) ?? []));
  const shared = textSharer(file);
  let numbers = new Float64Array(expectedRows);
  let texts: (string | null)[] | undefined;
  let notNumber: FilePosition | undefined;

  function numberOf(span: FieldSpan): number | undefined {
    const value = plainDecimal(file, span.begin, span.end);
    if (value === value && !missingNumbers.has(value)) return value;
    const text = fieldText(file, span);
    return isMissing(text) ? NaN : plainNumberIn(text);
  }

  function becomeText(span: FieldSpan, rows: number): (string | null)[] {
    notNumber = { line: span.line, column: columnAt(file, span.from) };
    const earlier: (string | null)[] = [];
    for (let row = 0; row < rows; row++) earlier.push(Number.isNaN(numbers[row]) ? null : textAt(row));
    numbers = new Float64Array(0);
    return earlier;
  }

  return {
    add(span, row) {
      if (texts === undefined) {
        const value = numberOf(span);
        if (value !== undefined) {
          if (row >= numbers.length) {
            const longer = new Float64Array(Math.ceil(row * 1.5) + 16);
            longer.set(numbers);
            numbers = longer;
          }
          numbers[row] = value;
          return;
        }
        texts = becomeText(span, row);
      }
      const text = shared(span);
      texts.push(isMissing(text) ? null : text);
    },
    finish: (name, rows) =>
      texts === undefined
        ? { name, type: 'number', values: numbers.length === rows ? numbers : numbers.slice(0, rows) }
        : { name, type: 'text', values: texts, ...(notNumber === undefined ? {} : { notNumber }) },
  };
}
