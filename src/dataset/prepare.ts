/** From tables to what a study works on: roles, encoding, target, folds, and everything that a user should be told about them. */
import { NoisefoldError } from '../base/errors.ts';
import type { DataConfig, FoldsConfig, Protocol, TargetConfig } from '../config/types.ts';
import { fitPreprocessor, layoutOf, type Preprocessor } from './encode.ts';
import { encodeTables, prepareFolds, type PreparedFold } from './folds.ts';
import { preparedHash } from './serialise.ts';
import { assignFolds } from './split.ts';
import { columnNamed, configuredColumn, numbersOf, tableRows, textsOf, whereRow } from './table.ts';
import { targetOf } from './target.ts';
import { twinWarnings } from './twins.ts';
import type { PreparedData, Table } from './types.ts';

export interface PrepareConfig {
  readonly data: DataConfig;
  readonly folds: FoldsConfig;
  /** For shuffled folds. */
  readonly seed: number;
  /** Transductive where it is left out. */
  readonly protocol?: Protocol;
}

export interface Prepared {
  readonly data: PreparedData;
  readonly preprocessor: Preprocessor;
  readonly warnings: readonly string[];
  /** [rows], train then test: the id column's values, or the row's number in its file from 1. */
  readonly ids: readonly string[];
  readonly trainRows: number;
  readonly testRows: number;
  readonly target: TargetConfig & { readonly levels?: readonly [zero: string, one: string] };
  /** Inductive: what each fold's tasks work on. `data` above is fitted on all labelled rows then. */
  readonly folds?: readonly PreparedFold[];
}

/** Encoded cells beyond which nothing is allocated: 8 GiB of float32. */
const maxCells = 2 ** 31;

/**
 * Prepares a study's data. Transductive: everything but the target is fitted on the rows of both tables. Inductive: on the labelled rows,
 * and for each fold anew on its training rows (which columns are inputs, and of which kind, is decided once, on all labelled rows). A target
 * column in the test table is not looked at. Throws every DATA_ code but those of reading files.
 */
export function prepareData(
  tables: { readonly train: Table; readonly test?: Table | undefined },
  config: PrepareConfig,
): Prepared {
  const { train, test } = tables;
  const both = test === undefined ? ([train] as const) : ([train, test] as const);
  const target = targetOf(train, config.data.target);
  const inductive = config.protocol === 'inductive';
  const labelled = Uint32Array.from(target.values.keys()).filter((row) => !Number.isNaN(target.values[row]));
  const fit = fitPreprocessor(inductive ? [tableRows(train, labelled)] : both, config.data);
  const { preprocessor } = fit;
  const layout = layoutOf(preprocessor);
  const rows = both.reduce((sum, table) => sum + table.rows, 0);
  checkSize(preprocessor, layout.names.length, rows, train.source);

  const values = new Float64Array(rows).fill(NaN);
  values.set(target.values);
  const folds = assignFolds(values, config.folds, groupsOf(train, config.folds), config.seed);
  const ids = both.flatMap((table) => idsOf(table, config.data.id));

  const encoded = encodeTables(preprocessor, both);
  const { inputs } = encoded;
  const warnings = [...fit.warnings, ...labelWarnings(tables, target.values, ids, config.data), ...encoded.warnings];
  warnings.push(...giveaways(train, preprocessor, target.values, config.data.target));
  if (config.data.target.task === 'binary') warnings.push(...oneClassFolds(values, folds, config.folds.count));

  const content = { layout, inputs, target: values, task: config.data.target.task, folds, foldCount: config.folds.count };
  const prepared = inductive ? prepareFolds(both, preprocessor, content, config.data.rareBelow) : undefined;
  if (prepared !== undefined) warnings.push(...prepared.warnings);
  return {
    data: { hash: preparedHash(content), ...content },
    ...(prepared === undefined ? {} : { folds: prepared.folds }),
    preprocessor,
    warnings,
    ids,
    trainRows: train.rows,
    testRows: test?.rows ?? 0,
    target: { ...config.data.target, ...(target.levels === undefined ? {} : { levels: target.levels }) },
  };
}

/** What is not an error, but may not be what was meant: rows without a target, a target that is not looked at, ids in both files. */
function labelWarnings(
  { train, test }: Parameters<typeof prepareData>[0],
  target: Float64Array,
  ids: readonly string[],
  { target: { column }, id }: DataConfig,
): string[] {
  const warnings: string[] = [];
  const empty = target.reduce((count, value) => count + (Number.isNaN(value) ? 1 : 0), 0);
  if (empty > 0)
    warnings.push(
      `"${column}" is empty in ${empty} of ${train.rows} rows of ${train.source}: they are rows without a target, as those of a test file.`,
    );
  if (test === undefined) return warnings;
  if (columnNamed(test, column) !== undefined)
    warnings.push(`"${column}" in ${test.source} is ignored: no score uses the target of the test rows.`);
  if (id === undefined) return warnings;
  const known = new Set(ids.slice(0, train.rows));
  const shared = ids.slice(train.rows).filter((text) => known.has(text));
  if (shared.length > 0)
    warnings.push(
      `${shared.length} of ${test.rows} ids of ${test.source} are those of rows of ${train.source} too, such as "${shared[0] ?? ''}". Are they the same rows?`,
    );
  return warnings;
}

function checkSize(preprocessor: Preprocessor, cols: number, rows: number, source: string): void {
  if (cols === 0)
    throw new NoisefoldError('DATA_FORMAT', 'no column is left as an input', {
      where: source,
      hint: 'Every column is the target, an id, dropped or constant.',
    });
  if (cols * rows <= maxCells) return;
  const widths = preprocessor.columns.map((column) => ({
    name: column.name,
    levels: column.kind === 'categorical' ? column.levels.length : 0,
  }));
  const widest = widths.reduce((a, b) => (b.levels > a.levels ? b : a));
  throw new NoisefoldError(
    'DATA_LEVELS',
    `${rows} rows of ${cols} encoded columns do not fit in memory; "${widest.name}" alone has ${widest.levels} levels`,
    {
      where: source,
      hint: `Set data.rareBelow to merge rare levels, or add "${widest.name}" to data.drop.`,
    },
  );
}

/** The values of a table's id column as text; without one, row numbers from 1. Throws DATA_DUPLICATE_ID, DATA_MISSING_COLUMN. */
export function idsOf(table: Table, id: string | undefined): string[] {
  if (id === undefined) return Array.from({ length: table.rows }, (_, row) => String(row + 1));
  const column = columnNamed(table, id);
  if (column === undefined)
    throw new NoisefoldError('DATA_MISSING_COLUMN', `the data lack the id column "${id}"`, { where: table.source });
  const ids = textsOf(column).map((text) => text ?? '');
  const rowOf = new Map<string, number>();
  ids.forEach((text, row) => {
    const first = rowOf.get(text);
    if (first !== undefined)
      throw new NoisefoldError('DATA_DUPLICATE_ID', `the id "${text}" is that of ${whereRow(table, first)} too`, {
        where: whereRow(table, row),
        hint: `Ids must differ; if "${id}" does not identify rows, leave data.id out.`,
      });
    rowOf.set(text, row);
  });
  return ids;
}

function groupsOf(train: Table, folds: FoldsConfig): readonly (string | null)[] | undefined {
  return folds.kind === 'grouped' && folds.column !== undefined
    ? textsOf(configuredColumn(train, folds.column, 'ridge.folds.column'))
    : undefined;
}

function giveaways(train: Table, preprocessor: Preprocessor, target: Float64Array, config: TargetConfig): string[] {
  const column = columnNamed(train, config.column);
  const untransformed = config.transform !== 'none' && column !== undefined ? [numbersOf(train, column)] : [];
  return twinWarnings(train, preprocessor.columns, (input) => numbersOf(train, input), [target, ...untransformed]);
}

function oneClassFolds(target: Float64Array, folds: Int32Array, count: number): string[] {
  const classes = Array.from({ length: count }, () => new Set<number>());
  folds.forEach((fold, row) => classes[fold]?.add(target[row] ?? NaN));
  return classes.flatMap((found, fold) =>
    found.size < 2
      ? [`Fold ${fold} holds one class of the target only, so it has no AUC. Shuffled folds (ridge.folds.kind) may help.`]
      : [],
  );
}
