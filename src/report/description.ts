/** What `data inspect` shows, as text for a terminal. */
import { thousands } from '../base/units.ts';
import type { ColumnDescription, TableDescription } from '../dataset/describe.ts';
import { type Paint, unpainted } from './model.ts';
import * as table from './table.ts';

export interface DescriptionOptions {
  /** Characters a line: examples and reasons are cut, then left out, until the table fits. No limit when left out. */
  readonly width?: number | undefined;
  readonly paint?: Paint | undefined;
}

/** A table of the columns, the warnings, and how to decide otherwise. Ends with a newline. */
export function describedTable(
  { rows, files, columns, override }: TableDescription,
  { width = Infinity, paint = unpainted }: DescriptionOptions = {},
): string {
  const all = columnsOf(paint);
  const steps = [
    table.cut('examples', 12, columns),
    table.drop<ColumnDescription>('examples'),
    table.cut('why', 16, columns),
    table.drop<ColumnDescription>('why'),
    table.cut('column', 12, columns),
  ];
  const warnings = columns.flatMap(({ warnings: own }) => own);
  return [
    `${thousands(rows)} rows${files === 1 ? '' : ` in ${files} files`}, ${columns.length === 1 ? '1 column' : `${columns.length} columns`}\n`,
    `${table.renderTable(table.fitted(all, columns, width, steps), columns, paint)}\n`,
    ...(warnings.length === 0 ? [] : ['\n', ...warnings.map((warning) => `${paint.red('!')} ${warning}\n`)]),
    `\nTo decide otherwise, in the configuration:\n\n${override}`,
  ].join('');
}

/** Different values of a number are counted up to here: beyond, it is a quantity, and how many there are says nothing. */
const countedLevels = 1_000;

function levelsOf({ role, levels, more }: ColumnDescription): string {
  const capped = more || (role === 'numerical' && levels > countedLevels);
  return capped ? `${thousands(countedLevels)}+` : thousands(levels);
}

const exampleLength = 24;

function columnsOf(paint: Paint): readonly table.TableColumn<ColumnDescription>[] {
  const roles: Readonly<Record<ColumnDescription['role'], (text: string) => string>> = {
    categorical: paint.cyan,
    numerical: paint.green,
    target: paint.bold,
    id: paint.dim,
    dropped: paint.dim,
  };
  const range = ({ min, max }: ColumnDescription): string => (min === undefined || max === undefined ? '' : `${min} to ${max}`);
  const examples = (column: ColumnDescription): string =>
    column.examples.map((text) => table.shortened(text, exampleLength)).join(', ');
  return [
    { name: 'column', head: 'column', align: 'left', cell: ({ name }) => name },
    { name: 'kind', head: 'kind', align: 'left', cell: ({ role }) => role, paint: (text, { role }) => roles[role](text) },
    { name: 'levels', head: 'levels', align: 'right', cell: levelsOf },
    { name: 'missing', head: 'missing', align: 'right', cell: ({ missing }) => (missing === 0 ? '' : thousands(missing)) },
    { name: 'range', head: 'range', align: 'left', cell: range },
    { name: 'why', head: 'why', align: 'left', cell: ({ reason }) => reason },
    { name: 'examples', head: 'examples', align: 'left', cell: examples },
  ];
}
