/** Cuts CSV bytes into fields: where each begins and ends, without making strings of them. */
import { NoisefoldError } from '../base/errors.ts';

/** Where a field's text lies in the file, its quotes left out. */
export interface FieldSpan {
  begin: number;
  end: number;
  /** Whether doubled quotes are still in it. */
  escaped: boolean;
  /** The field's first byte, its quote included, and the line that this byte is on: what a message points at. */
  from: number;
  line: number;
}

export interface FieldReader {
  /** The next byte to read: between rows, the first of a row. */
  readonly at: number;
  /** The line, from 1, that it is on. */
  readonly line: number;
  /** The field that `next` read; overwritten by the next one. */
  readonly span: FieldSpan;
  /** Reads a field. True if it was the last of its row. Throws DATA_FORMAT for quotes that do not close or do not end their field. */
  next(): boolean;
  /** Reads the rest of the row, as texts. */
  row(): string[];
}

const quote = 0x22;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;

/** Reads fields of `file` from byte `start`, which begins a row, up to `end`. */
export function fieldReader(file: Buffer, source: string, delimiter: string, start: number, end: number): FieldReader {
  const cut = delimiter.charCodeAt(0);
  const span: FieldSpan = { begin: start, end: start, escaped: false, from: start, line: 1 };
  let at = start;
  let line = 1;

  /** Moves over a quoted field, to the byte after its closing quote. */
  function quoted(): void {
    span.begin = ++at;
    for (;;) {
      const byte = file[at];
      if (at >= end)
        throw new NoisefoldError('DATA_FORMAT', 'a quote opens here and is never closed', {
          where: `${source}:${span.line}:${columnAt(file, span.from)}`,
        });
      if (byte === quote) {
        if (at + 1 >= end || file[at + 1] !== quote) break;
        span.escaped = true;
        at++;
      } else if (byte === lineFeed || (byte === carriageReturn && file[at + 1] !== lineFeed)) line++;
      at++;
    }
    span.end = at++;
    const after = at < end ? file[at] : lineFeed;
    if (after !== cut && after !== lineFeed && after !== carriageReturn)
      throw new NoisefoldError('DATA_FORMAT', 'text follows the closing quote of a field', {
        where: `${source}:${line}:${columnAt(file, at)}`,
        hint: 'Inside a quoted field, a quote is written twice; between the closing quote and the delimiter there is nothing.',
      });
  }

  function next(): boolean {
    span.from = at;
    span.line = line;
    span.escaped = false;
    if (at < end && file[at] === quote) quoted();
    else {
      span.begin = at;
      while (at < end) {
        const byte = file[at]!;
        if (byte === cut || byte === lineFeed || byte === carriageReturn) break;
        at++;
      }
      span.end = at;
    }
    if (at < end && file[at] === cut) {
      at++;
      return false;
    }
    if (at < end) {
      at += file[at] === carriageReturn && file[at + 1] === lineFeed ? 2 : 1;
      line++;
    }
    return true;
  }

  return {
    get at() {
      return at;
    },
    get line() {
      return line;
    },
    span,
    next,
    row() {
      const texts: string[] = [];
      for (let last = false; !last;) {
        last = next();
        texts.push(fieldText(file, span));
      }
      return texts;
    },
  };
}

export function fieldText(file: Buffer, span: FieldSpan): string {
  const text = file.toString('utf8', span.begin, span.end);
  return span.escaped ? text.replaceAll('""', '"') : text;
}

/** The position of a byte in its line, in characters from 1. */
export function columnAt(file: Buffer, position: number): number {
  const before = file.subarray(0, position);
  const lineStart = Math.max(before.lastIndexOf(lineFeed), before.lastIndexOf(carriageReturn)) + 1;
  return before.toString('utf8', lineStart).replace('\ufeff', '').length + 1;
}
