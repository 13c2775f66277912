/**
 * From columns to encoded inputs. Fitted once, on the tables that the autoencoder is trained on, and kept as plain JSON: what a row becomes
 * depends on the row and the fitted numbers alone, never on the rows beside it.
 *
 * Categorical: one 0/1 column a level, in a stable order; missing is a level of its own if fitting saw it, rare levels share one, an unseen
 * level is all zeros. Numerical: missing takes the median and sets an indicator if fitting saw missing values; then (x - mean) / sd.
 */
import type { Matrix32 } from '../base/matrix.ts';
import type { DataConfig } from '../config/types.ts';
import { numberIn, plainNumberIn } from './fields.ts';
import { inferColumns, type RoleConfig } from './infer.ts';
import { fitNumbers } from './standardise.ts';
import { numbersOf, requiredColumns, textsOf } from './table.ts';
import type { Column, EncodedLayout, SourceColumn, Table } from './types.ts';

export interface FittedCategorical {
  readonly kind: 'categorical';
  readonly name: string;
  /** In order: as numbers if all of them are, else by code unit. */
  readonly levels: readonly string[];
  /** Levels that share one column because each had too few rows; empty if none. */
  readonly rare: readonly string[];
  readonly missing: boolean;
  /** Whether the levels were numbers: then a text that spells the same number is the same level. */
  readonly numbers: boolean;
}

export interface FittedNumerical {
  readonly kind: 'numerical';
  readonly name: string;
  readonly median: number;
  readonly mean: number;
  /** Population standard deviation, over the rows with missing values filled; 1 where that is 0. */
  readonly deviation: number;
  readonly missing: boolean;
}

export type FittedColumn = FittedCategorical | FittedNumerical;

/** JSON-serialisable; reads back equal. */
export interface Preprocessor {
  readonly version: 1;
  /** The inputs, in the order of the training file. */
  readonly columns: readonly FittedColumn[];
  /** Columns of the training file that are no inputs: target, id, dropped, constant. */
  readonly ignored: readonly string[];
}

/**
 * Fits on all rows of the tables. Throws what is wrong with a column (DATA_ALL_MISSING, DATA_NOT_NUMERIC, DATA_NOT_FINITE, DATA_LEVELS), and
 * DATA_UNKNOWN_COLUMN, DATA_MISSING_COLUMN.
 */
export function fitPreprocessor(
  tables: readonly [Table, ...Table[]],
  config: RoleConfig & Pick<DataConfig, 'rareBelow'>,
): { readonly preprocessor: Preprocessor; readonly warnings: readonly string[] } {
  const facts = inferColumns(tables, config);
  const isInput = ({ role }: (typeof facts)[number]): boolean => role === 'categorical' || role === 'numerical';
  const needed = facts.flatMap((fact) => (isInput(fact) || fact.role === 'id' ? [fact.name] : []));
  const others = facts.flatMap(({ name }) => (needed.includes(name) ? [] : [name]));
  for (const table of tables) requiredColumns(table, needed, others);
  const columns: FittedColumn[] = [];
  const ignored: string[] = [];
  const warnings: string[] = [];
  for (const fact of facts) {
    const { name, role, problem } = fact;
    if (role !== 'categorical' && role !== 'numerical') {
      ignored.push(name);
      continue;
    }
    if (problem !== undefined) throw problem;
    const parts = tables.map((table) => ({ table, column: requiredColumns(table, [name])[0] as Column }));
    const fitted = role === 'categorical' ? fitCategorical(name, parts, config.rareBelow) : fitNumerical(name, parts);
    if (fitted === undefined) {
      ignored.push(name);
      warnings.push(`"${name}" has the same value in every row and is left out.`);
      continue;
    }
    columns.push(fitted);
    warnings.push(...fact.warnings, ...fact.hinted);
  }
  return { preprocessor: { version: 1, columns, ignored }, warnings };
}

/**
 * The same columns, as the same kinds, fitted anew on a table of some of the rows. A column that does not vary there, or has no value at
 * all, is no input then, and is ignored.
 */
export function refitPreprocessor(base: Preprocessor, table: Table, rareBelow: number): Preprocessor {
  const names = base.columns.map(({ name }) => name);
  const found = requiredColumns(table, names);
  const columns = base.columns.flatMap(({ name, kind }, i): FittedColumn[] => {
    const parts = [{ table, column: found[i] as Column }];
    if (textsOf(parts[0]!.column).every((text) => text === null)) return [];
    const fitted = kind === 'categorical' ? fitCategorical(name, parts, rareBelow) : fitNumerical(name, parts);
    return fitted === undefined ? [] : [fitted];
  });
  const kept = new Set(columns.map(({ name }) => name));
  return { version: 1, columns, ignored: [...base.ignored, ...names.filter((name) => !kept.has(name))] };
}

type Part = { readonly table: Table; readonly column: Column };

function fitCategorical(name: string, parts: readonly Part[], rareBelow: number): FittedCategorical | undefined {
  const numbers = parts.some(({ column }) => column.type === 'number');
  const counts = new Map<string, number>();
  let missing = false;
  for (const { table, column } of parts) {
    const levelAt = levelReader(column, numbers);
    for (let row = 0; row < table.rows; row++) {
      const level = levelAt(row);
      if (level === null) missing = true;
      else counts.set(level, (counts.get(level) ?? 0) + 1);
    }
  }
  const sorted = [...counts.keys()].sort(levelOrder([...counts.keys()]));
  const isRare = (level: string): boolean => (counts.get(level) ?? 0) < rareBelow;
  const levels = sorted.filter((level) => !isRare(level));
  const rare = sorted.filter(isRare);
  const width = levels.length + (rare.length > 0 ? 1 : 0) + (missing ? 1 : 0);
  return width < 2 ? undefined : { kind: 'categorical', name, levels, rare, missing, numbers };
}

function fitNumerical(name: string, parts: readonly Part[]): FittedNumerical | undefined {
  const fit = fitNumbers(parts.map(({ table, column }) => numbersOf(table, column)));
  return fit.constant && !fit.missing
    ? undefined
    : { kind: 'numerical', name, median: fit.median, mean: fit.mean, deviation: fit.deviation, missing: fit.missing };
}

function levelOrder(levels: readonly string[]): (a: string, b: string) => number {
  const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
  if (!levels.every((level) => numberIn(level) !== undefined)) return byText;
  return (a, b) => Number(a) - Number(b) || byText(a, b);
}

/** The level of each row, null for missing. `numbers`: texts that spell a number are written as that number is. */
function levelReader(column: Column, numbers: boolean): (row: number) => string | null {
  if (column.type === 'number') {
    const { values } = column;
    return (row) => {
      const value = values[row] ?? NaN;
      return Number.isNaN(value) ? null : String(value);
    };
  }
  const { values } = column;
  if (!numbers) return (row) => values[row] ?? null;
  return (row) => {
    const text = values[row] ?? null;
    return text === null ? null : String(plainNumberIn(text) ?? text);
  };
}

/** The encoded columns of a preprocessor: one-hot columns, missing indicators, then numbers, each in the order of the sources. */
export function layoutOf(preprocessor: Preprocessor): EncodedLayout {
  const binaryNames: string[] = [];
  const numericalNames: string[] = [];
  const places = preprocessor.columns.map((column) => {
    const begin = binaryNames.length;
    if (column.kind === 'numerical') return { begin, width: 0 };
    const { name, levels } = column;
    binaryNames.push(...levels.map((level) => `${name}=${level}`));
    if (column.missing) binaryNames.push(`${name}=(missing)`);
    if (column.rare.length > 0) binaryNames.push(`${name}=(rare)`);
    return { begin, width: binaryNames.length - begin };
  });
  const indicators = new Map<string, number>();
  for (const column of preprocessor.columns)
    if (column.kind === 'numerical') {
      numericalNames.push(column.name);
      if (column.missing) indicators.set(column.name, binaryNames.push(`${column.name}?`) - 1);
    }
  let value = binaryNames.length;
  const sources = preprocessor.columns.map((column, i): SourceColumn => {
    const { begin, width } = places[i] ?? { begin: 0, width: 0 };
    if (column.kind === 'categorical')
      return { name: column.name, kind: column.kind, levels: width, encoded: Array.from({ length: width }, (_, k) => begin + k) };
    const indicator = indicators.get(column.name);
    return {
      name: column.name,
      kind: column.kind,
      levels: 0,
      encoded: indicator === undefined ? [value++] : [indicator, value++],
    };
  });
  const names = unique([...binaryNames, ...numericalNames]);
  return { binary: binaryNames.length, numerical: numericalNames.length, names, sources };
}

/** Names of encoded columns head the columns of feature files, so each is made its own: a second `a` becomes `a#2`. */
function unique(names: readonly string[]): string[] {
  const seen = new Set<string>();
  return names.map((name) => {
    let own = name;
    for (let n = 2; seen.has(own); n++) own = `${name}#${n}`;
    seen.add(own);
    return own;
  });
}

/**
 * Encodes every row of a table: [rows, binary + numerical]. Columns are matched by name; warnings tell of unseen levels, of missing values
 * where fitting saw none, and of columns that fitting did not know. Throws DATA_MISSING_COLUMN, DATA_NOT_NUMERIC, DATA_NOT_FINITE.
 */
export function transform(
  preprocessor: Preprocessor,
  table: Table,
): { readonly inputs: Matrix32; readonly warnings: readonly string[] } {
  const { binary, numerical } = layoutOf(preprocessor);
  const cols = binary + numerical;
  const inputs = { rows: table.rows, cols, data: new Float32Array(table.rows * cols) };
  return { inputs, warnings: transformInto(inputs, 0, preprocessor, table) };
}

/** As transform, into the rows of `inputs` from `firstRow`, which must hold zeros. Returns the warnings. */
export function transformInto(inputs: Matrix32, firstRow: number, preprocessor: Preprocessor, table: Table): string[] {
  const { sources } = layoutOf(preprocessor);
  const columns = requiredColumns(
    table,
    preprocessor.columns.map(({ name }) => name),
    preprocessor.ignored,
  );
  const known = new Set([...preprocessor.columns.map(({ name }) => name), ...preprocessor.ignored]);
  const warnings = table.columns
    .filter(({ name }) => !known.has(name))
    .map(({ name }) => `"${name}" in ${table.source} is no input and is ignored.`);
  const slots = { data: inputs.data, cols: inputs.cols, firstRow, rows: table.rows };
  preprocessor.columns.forEach((fitted, i) => {
    const column = columns[i] as Column;
    const encoded = sources[i]?.encoded ?? [];
    if (fitted.kind === 'categorical') warnings.push(...encodeLevels(slots, fitted, column, encoded, table.source));
    else warnings.push(...encodeNumbers(slots, fitted, numbersOf(table, column), encoded, table.source));
  });
  return warnings;
}

interface Slots {
  readonly data: Float32Array;
  readonly cols: number;
  readonly firstRow: number;
  readonly rows: number;
}

function encodeLevels(
  slots: Slots,
  fitted: FittedCategorical,
  column: Column,
  encoded: readonly number[],
  source: string,
): string[] {
  const { data, cols, firstRow, rows } = slots;
  const first = encoded[0] ?? 0;
  const place = new Map(fitted.levels.map((level, k) => [level, first + k]));
  const missingPlace = fitted.missing ? first + fitted.levels.length : -1;
  for (const level of fitted.rare) place.set(level, first + encoded.length - 1);
  const levelAt = levelReader(column, fitted.numbers);
  const unseen = new Set<string>();
  let [unseenRows, missingRows] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const level = levelAt(row);
    const at = level === null ? missingPlace : (place.get(level) ?? -1);
    if (at >= 0) data[(firstRow + row) * cols + at] = 1;
    else if (level === null) missingRows++;
    else {
      unseenRows++;
      if (unseen.size < 3) unseen.add(level);
    }
  }
  const warnings: string[] = [];
  const levels = [...unseen].map((level) => `"${level}"`).join(', ');
  if (unseenRows > 0)
    warnings.push(
      `"${fitted.name}" has unseen levels in ${unseenRows} rows of ${source} (${levels}); they are encoded as zeros.`,
    );
  if (missingRows > 0)
    warnings.push(`"${fitted.name}" is missing in ${missingRows} rows of ${source}, and never was in fitting; encoded as zeros.`);
  return warnings;
}

function encodeNumbers(
  slots: Slots,
  fitted: FittedNumerical,
  values: Float64Array,
  encoded: readonly number[],
  source: string,
): string[] {
  const { data, cols, firstRow, rows } = slots;
  const { median, mean, deviation } = fitted;
  const place = encoded[encoded.length - 1] ?? 0;
  const indicator = fitted.missing ? (encoded[0] ?? -1) : -1;
  let missingRows = 0;
  for (let row = 0; row < rows; row++) {
    const at = (firstRow + row) * cols;
    let value = values[row]!;
    if (value !== value) {
      value = median;
      missingRows++;
      if (indicator >= 0) data[at + indicator] = 1;
    }
    data[at + place] = (value - mean) / deviation;
  }
  return missingRows > 0 && !fitted.missing
    ? [`"${fitted.name}" is missing in ${missingRows} rows of ${source}, and never was in fitting; the median stands in.`]
    : [];
}
