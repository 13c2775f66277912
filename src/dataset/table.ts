/** Questions to ask of a table: a column by name, its texts, its numbers, where a row stands. */
import { NoisefoldError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { isNotFinite, numberIn } from './fields.ts';
import type { Column, Table } from './types.ts';

/** The column named `name`. */
export const columnNamed = (table: Table, name: string): Column | undefined =>
  table.columns.find((column) => column.name === name);

/** `file:line` of a row, where the file has lines; else the file and the row from 1. */
export const whereRow = (table: Table, row: number): string =>
  table.lines === undefined ? `${table.source}, row ${row + 1}` : `${table.source}:${table.lines[row] ?? 0}`;

/** The column that the configuration calls `name`. Throws DATA_UNKNOWN_COLUMN, with the name that was probably meant. */
export function configuredColumn(table: Table, name: string, key: string): Column {
  const column = columnNamed(table, name);
  if (column !== undefined) return column;
  const names = table.columns.map((known) => known.name);
  const meant = nearest(name, names);
  throw new NoisefoldError('DATA_UNKNOWN_COLUMN', `${key} names the column "${name}", which the data do not have`, {
    where: table.source,
    hint: meant === undefined ? `The columns are: ${names.join(', ')}.` : `Did you mean "${meant}"?`,
  });
}

/** The columns named `names`, in that order. Throws DATA_MISSING_COLUMN, naming all that the table lacks. */
export function requiredColumns(table: Table, names: readonly string[]): readonly Column[] {
  const lacking = names.filter((name) => columnNamed(table, name) === undefined);
  const [first] = lacking;
  if (first !== undefined) {
    const meant = nearest(
      first,
      table.columns.map((column) => column.name),
    );
    throw new NoisefoldError('DATA_MISSING_COLUMN', `the data lack ${lacking.map((name) => `"${name}"`).join(', ')}`, {
      where: table.source,
      hint:
        meant === undefined
          ? 'Columns are matched by name; their order does not matter.'
          : `Is "${meant}" what should be named "${first}"?`,
    });
  }
  return names.map((name) => columnNamed(table, name) as Column);
}

/** Each row's value as text (numbers as JavaScript writes them), null for missing. */
export function textsOf(column: Column): readonly (string | null)[] {
  return column.type === 'text'
    ? column.values
    : Array.from(column.values, (value) => (Number.isNaN(value) ? null : String(value)));
}

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
  return new NoisefoldError('DATA_NOT_NUMERIC', `column "${column.name}" holds the text "${text}" among its numbers`, {
    where,
    hint: `If it stands for a missing value: data: { missing: ["${text}"] }. If the column is categorical: data: { kinds: { ${column.name}: categorical } }`,
  });
}
