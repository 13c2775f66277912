/** Tables for a terminal: columns with gaps between them, no borders, and what they give up for the width. */
import Table from 'cli-table3';
import { type Paint, unpainted } from './model.ts';

export interface TableColumn<Row> {
  /** What the steps below call it. */
  readonly name: string;
  readonly head: string;
  readonly align: 'left' | 'right';
  readonly cell: (row: Row) => string;
  readonly paint?: ((text: string, row: Row) => string) | undefined;
}

type Columns<Row> = readonly TableColumn<Row>[];

/** Something that makes a table narrower: takes the columns and how many characters too many there are. */
export type Sacrifice<Row> = (columns: Columns<Row>, excess: number) => Columns<Row>;

/** Takes one step after the other until the table is as narrow as `width`, or there is none left. */
export function fitted<Row>(
  columns: Columns<Row>,
  rows: readonly Row[],
  width: number,
  steps: readonly Sacrifice<Row>[],
): Columns<Row> {
  let fitting = columns;
  for (const step of steps) {
    const excess = widthOf(renderTable(fitting, rows, unpainted)) - width;
    if (excess <= 0) break;
    fitting = step(fitting, excess);
  }
  return fitting;
}

export const drop =
  <Row>(...names: readonly string[]): Sacrifice<Row> =>
  (columns) =>
    columns.filter(({ name }) => !names.includes(name));

export const change =
  <Row>(names: readonly string[], to: (column: TableColumn<Row>) => Partial<TableColumn<Row>>): Sacrifice<Row> =>
  (columns) =>
    columns.map((column) => (names.includes(column.name) ? { ...column, ...to(column) } : column));

/** Cuts a column's texts with an ellipsis, but to no fewer than `least` characters. */
export const cut =
  <Row>(name: string, least: number, rows: readonly Row[]): Sacrifice<Row> =>
  (columns, excess) =>
    columns.map((column) => {
      if (column.name !== name) return column;
      const longest = Math.max(...rows.map((row) => oneLine(column.cell(row)).length));
      const size = Math.max(least, column.head.length, longest - excess);
      return { ...column, cell: (row) => shortened(oneLine(column.cell(row)), size) };
    });

export const shortened = (text: string, size: number): string => (text.length > size ? `${text.slice(0, size - 1)}…` : text);

const none = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
};
const borderless = { ...none, left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' };

export function renderTable<Row>(columns: Columns<Row>, rows: readonly Row[], paint: Paint): string {
  const table = new Table({
    chars: borderless,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: columns.map(({ align }) => align),
    head: columns.map(({ head }) => paint.bold(oneLine(head))),
  });
  for (const row of rows)
    table.push(
      columns.map(({ cell, paint: brush }) => {
        const text = oneLine(cell(row));
        return text === '' || brush === undefined ? text : brush(text, row);
      }),
    );
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Colours take no room. */
const widthOf = (text: string): number => Math.max(...text.split('\n').map((line) => line.replace(/\x1b\[[0-9;]*m/g, '').length));

/** Names and values come from data: no line breaks, no escape codes. */
export const oneLine = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

/** A sentence in lines of at most so many characters, where its words allow. */
export function wrap(sentence: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of sentence.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
