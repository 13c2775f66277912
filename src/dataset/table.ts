/** Questions to ask of a table: a column by name, its texts, its numbers, where a row stands. */
import { NoisefoldError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { isDate, isNotFinite, numberIn } from './fields.ts';
import type { Column, Table } from './types.ts';

/** The column named `name`. */
export const columnNamed = (table: Table, name: string): Column | undefined =>
  table.columns.find((column) => column.name === name);

/** `file:line` of a row, where the file has lines; else the file and the row from 1. */
export const whereRow = (table: Table, row: number): string =>
  table.lines === undefined ? `${table.source}, row ${row + 1}` : `${table.source}:${table.lines[row] ?? 0}`;

/** The table of some of the rows, in the order given. Lines stay those of the file. */
export function tableRows(table: Table, rows: Uint32Array): Table {
  const columns = table.columns.map((column): Column =>
    column.type === 'number'
      ? { ...column, values: Float64Array.from(rows, (row) => column.values[row] ?? NaN) }
      : { ...column, values: Array.from(rows, (row) => column.values[row] ?? null) },
  );
  const { lines } = table;
  return {
    ...table,
    rows: rows.length,
    columns,
    ...(lines === undefined ? {} : { lines: Int32Array.from(rows, (row) => lines[row] ?? 0) }),
  };
}

const mostNames = 20;

/** The column that the configuration, or the option `key`, calls `name`. Throws DATA_UNKNOWN_COLUMN, with the name that was probably meant. */
export function configuredColumn(table: Table, name: string, key: string): Column {
  const column = columnNamed(table, name);
  if (column !== undefined) return column;
  // Of features, f0000 and on, none is what was meant.
  const names = table.columns.flatMap((known) => (/^f\d{4,}$/.test(known.name) ? [] : [known.name]));
  const meant = nearest(name, names);
  const listed = names.slice(0, mostNames).join(', ') + (names.length > mostNames ? ', ...' : '');
  throw new NoisefoldError('DATA_UNKNOWN_COLUMN', `${key} names the column "${name}", which the data do not have`, {
    where: table.source,
    hint:
      meant !== undefined
        ? `Did you mean "${meant}"?`
        : names.length === 0
          ? 'All of its columns are features.'
          : `The columns are: ${listed}.`,
  });
}

/**
 * The columns named `names`, in that order. Throws DATA_MISSING_COLUMN, naming all that the table lacks, and what may be them.
 * @param others names of columns that are known for something else, so that none of them is taken for a missing one
 */
export function requiredColumns(table: Table, names: readonly string[], others: readonly string[] = []): readonly Column[] {
  const lacking = names.filter((name) => columnNamed(table, name) === undefined);
  if (lacking.length > 0) {
    const taken = new Set([...names, ...others]);
    const strangers = table.columns.flatMap(({ name }) => (taken.has(name) ? [] : [name]));
    const meant = lacking.flatMap((name) => {
      const found = nearest(name, strangers);
      return found === undefined ? [] : [`Is "${found}" what should be named "${name}"?`];
    });
    const count = lacking.length === 1 ? 'column' : `${lacking.length} columns`;
    throw new NoisefoldError(
      'DATA_MISSING_COLUMN',
      `the data lack the ${count} ${lacking.map((name) => `"${name}"`).join(', ')}`,
      {
        where: table.source,
        hint: meant.slice(0, 3).join(' ') || 'Columns are matched by name; their order does not matter.',
      },
    );
  }
  return names.map((name) => columnNamed(table, name) as Column);
}

/** Each row's value as text (numbers as JavaScript writes them), null for missing. */
export function textsOf(column: Column): readonly (string | null)[] {
  return column.type === 'text'
    ? column.values
    : Array.from(column.values, (value) => (Number.isNaN(value) ? null : String(value)));
}

/** What to do with a column of dates. */
export const datesHint = (name: string): string =>
  `Make numbers of it in the table (year, month, weekday), or leave it out: data: { drop: [${name}] }`;

/** The numbers of a column, NaN for missing. Throws DATA_NOT_NUMERIC or DATA_NOT_FINITE. */
export function numbersOf(table: Table, column: Column): Float64Array {
  if (column.type === 'number') return column.values;
  const refusal = notNumeric(table, column);
  if (refusal !== undefined) throw refusal;
  return Float64Array.from(column.values, (text) => (text === null ? NaN : (numberIn(text) ?? NaN)));
}

/** Why a column cannot be used as numbers: its first field that is none. Undefined if every field is one or missing. */
export function notNumeric(table: Table, column: Column): NoisefoldError | undefined {
  if (column.type === 'number') return undefined;
  const row = column.values.findIndex((text) => text !== null && numberIn(text) === undefined);
  const text = column.values[row];
  if (text === null || text === undefined) return undefined;
  const { notNumber } = column;
  const line = table.lines?.[row];
  const next = table.lines?.[row + 1] ?? Infinity;
  const exact = notNumber !== undefined && line !== undefined && notNumber.line >= line && notNumber.line < next;
  const where = exact ? `${table.source}:${notNumber.line}:${notNumber.column}` : whereRow(table, row);
  if (isNotFinite(text))
    return new NoisefoldError('DATA_NOT_FINITE', `column "${column.name}" holds "${text}" among its numbers`, {
      where,
      hint: `If it stands for a missing value, say so: data: { missing: ["${text}"] }`,
    });
  if (isDate(text))
    return new NoisefoldError('DATA_NOT_NUMERIC', `column "${column.name}" holds the date "${text}" among its numbers`, {
      where,
      hint: datesHint(column.name),
    });
  return new NoisefoldError('DATA_NOT_NUMERIC', `column "${column.name}" holds the text "${text}" among its numbers`, {
    where,
    hint: `If it stands for a missing value: data: { missing: ["${text}"] }. If the column is categorical: data: { kinds: { ${column.name}: categorical } }`,
  });
}
