/**
 * A strict reader of CSV (RFC 4180 with any one-byte delimiter and LF, CRLF or CR line ends), from bytes to columns.
 *
 * Written here because fast readers get over a ragged row by shifting or dropping fields, without a word. This one stops at the first
 * row that does not fit, and says where. Only blank lines at the end of the file are passed over.
 */
import { isUtf8 } from 'node:buffer';
import { NoisefoldError } from '../base/errors.ts';
import { columnBuilder } from './columns.ts';
import { columnAt, fieldReader, fieldText } from './csv-fields.ts';
import { isNotFinite, numberIn } from './fields.ts';
import type { Table } from './types.ts';

export interface CsvOptions {
  /** One ASCII character; inferred from the first lines among , ; tab and | when left out. */
  readonly delimiter?: string | undefined;
  /** Field texts that stand for a missing value, next to blank ones. */
  readonly missing: readonly string[];
}

const delimiters = [',', ';', '\t', '|'] as const;
const sampledRows = 20;
const shown = (delimiter: string): string => (delimiter === '\t' ? 'tab' : `"${delimiter}"`);

export const emptyHint = 'Is it the right file, and was it written to its end?';

/** Parses a whole file. Throws DATA_EMPTY, DATA_FORMAT and DATA_RAGGED_ROW, with file:line:column. */
export function parseCsv(bytes: Uint8Array, source: string, options: CsvOptions): Table {
  const file = checkedText(bytes, source);
  const start = file[0] === 0xef && file[1] === 0xbb && file[2] === 0xbf ? 3 : 0;
  const end = endWithoutBlankLines(file, start);
  if (end === start) throw new NoisefoldError('DATA_EMPTY', 'the file is empty', { where: source, hint: emptyHint });
  const delimiter = options.delimiter ?? inferDelimiter(file, start, end);

  const reader = fieldReader(file, source, delimiter, start, end);
  const names = headerNames(reader.row(), source, file, start, end, delimiter);
  if (reader.at >= end)
    throw new NoisefoldError('DATA_EMPTY', 'the file has a header and no rows', { where: source, hint: emptyHint });

  const offsets: number[] = [];
  const lines: number[] = [];
  const expectedRows = Math.ceil(((end - reader.at) / rowBytes(file, reader.at, end)) * 1.2) + 16;
  const builders = names.map((_, column) =>
    columnBuilder(file, expectedRows, options.missing, (row) => {
      const again = fieldReader(file, source, delimiter, offsets[row] ?? 0, end);
      for (let field = 0; field <= column; field++) again.next();
      return fieldText(file, again.span);
    }),
  );
  const { span } = reader;
  while (reader.at < end) {
    const offset = reader.at;
    const line = reader.line;
    const row = offsets.push(offset) - 1;
    lines.push(line);
    let fields = 0;
    let excess = -1;
    for (let last = false; !last; fields++) {
      last = reader.next();
      const builder = builders[fields];
      if (builder !== undefined) builder.add(span, row);
      else if (excess < 0) excess = span.from;
    }
    if (fields !== names.length) {
      const blank = fields === 1 && span.end === offset;
      throw new NoisefoldError(
        'DATA_RAGGED_ROW',
        `${blank ? 'the line is blank' : `the row has ${count(fields, 'field')}`}, the header has ${count(names.length, 'field')}`,
        {
          where: `${source}:${line}:${columnAt(file, excess < 0 ? span.end : excess)}`,
          hint: `Fields are separated by ${shown(delimiter)}: put quotes around a field that holds one, and leave a missing value empty.`,
        },
      );
    }
  }
  const rows = offsets.length;
  return {
    source,
    rows,
    columns: builders.map((builder, i) => builder.finish(names[i] ?? '', rows)),
    lines: Int32Array.from(lines),
  };
}

const count = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? '' : 's'}`;

function checkedText(bytes: Uint8Array, source: string): Buffer {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const format = (what: string, hint: string): NoisefoldError => new NoisefoldError('DATA_FORMAT', what, { where: source, hint });
  if ((file[0] === 0xff && file[1] === 0xfe) || (file[0] === 0xfe && file[1] === 0xff))
    throw format('the file is UTF-16 text', 'Save it as UTF-8.');
  if (file.subarray(0, 65536).includes(0))
    throw format('the file is binary, not CSV text', 'Give a CSV file (also gzipped) or a Parquet file.');
  if (!isUtf8(file)) throw format('the file is not UTF-8 text', 'Convert it, for example: iconv -f latin1 -t utf-8 OLD > NEW');
  return file;
}

function endWithoutBlankLines(file: Buffer, start: number): number {
  let end = file.length;
  while (end > start && (file[end - 1] === 0x0a || file[end - 1] === 0x0d)) end--;
  return end;
}

/** The mean length of the first rows, to size the columns once. */
function rowBytes(file: Buffer, at: number, end: number): number {
  const sample = file.subarray(at, Math.min(end, at + 65536));
  let lines = 1;
  for (const byte of sample) if (byte === 0x0a) lines++;
  return sample.length / lines;
}

/** Number of fields in the header, and whether the rows after it have as many. Zero where the quotes do not fit this delimiter. */
function tryDelimiter(file: Buffer, start: number, end: number, delimiter: string): { fields: number; consistent: boolean } {
  const reader = fieldReader(file, '', delimiter, start, end);
  try {
    const fields = reader.row().length;
    let consistent = true;
    for (let row = 0; row < sampledRows && reader.at < end; row++) consistent = reader.row().length === fields && consistent;
    return { fields, consistent };
  } catch {
    return { fields: 0, consistent: false };
  }
}

/** The delimiter with the most header fields among those whose first rows fit their header; else among all. */
function inferDelimiter(file: Buffer, start: number, end: number): string {
  let best = ',';
  let bestScore = 1;
  for (const delimiter of delimiters) {
    const { fields, consistent } = tryDelimiter(file, start, end, delimiter);
    const score = fields < 2 ? 0 : fields + (consistent ? 1e6 : 0);
    if (score > bestScore) {
      best = delimiter;
      bestScore = score;
    }
  }
  return best;
}

function headerNames(
  fields: readonly string[],
  source: string,
  file: Buffer,
  start: number,
  end: number,
  delimiter: string,
): string[] {
  const names = fields.map((name) => name.trim());
  const format = (what: string, hint: string): NoisefoldError =>
    new NoisefoldError('DATA_FORMAT', what, { where: `${source}:1`, hint });
  const other =
    names.length > 1 ? undefined : delimiters.find((d) => d !== delimiter && tryDelimiter(file, start, end, d).fields > 1);
  if (other !== undefined)
    throw format(
      `split at ${shown(delimiter)} the header is one column`,
      `It looks as if fields were separated by ${shown(other)}: set data.delimiter.`,
    );
  const empty = names.indexOf('');
  if (empty >= 0)
    throw format(
      `column ${empty + 1} of the header has no name`,
      'Name it. pandas writes such a column for its index: use to_csv(..., index=False).',
    );
  const seen = new Set<string>();
  for (const name of names) {
    if (seen.has(name)) throw format(`two columns are named "${name}"`, 'Columns are matched by name: give each its own.');
    seen.add(name);
  }
  if (names.every((name) => numberIn(name) !== undefined || isNotFinite(name)) && names.some((name) => /[.-]/.test(name)))
    throw format('the first line holds numbers instead of column names', 'Put a header line with the column names on top.');
  return names;
}
