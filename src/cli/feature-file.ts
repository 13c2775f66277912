/** Features from a file: .npy, or the numeric columns of a table. */
import { NoisefoldError } from '../base/errors.ts';
import { type Matrix32, zeros32 } from '../base/matrix.ts';
import type { CsvOptions } from '../dataset/csv.ts';
import { readNpy } from '../dataset/npy.ts';
import { readTable } from '../dataset/read.ts';
import type { Table } from '../dataset/types.ts';

export interface FeatureFile {
  readonly matrix: Matrix32;
  /** The file as a table; none for .npy. */
  readonly table: Table | undefined;
  /** Columns that are no features. */
  readonly leftOut: readonly string[];
}

/**
 * Reads features. In a table that has columns named as `noisefold features` names them (f0000, f0001, ...) those are the features; in any other,
 * all columns but `others`, which must be numbers. Throws DATA_NOT_FOUND, DATA_FORMAT, DATA_NOT_NUMERIC, DATA_NOT_FINITE and what reading throws.
 */
export async function readFeatures(
  path: string,
  others: readonly string[],
  options: CsvOptions = { missing: [] },
): Promise<FeatureFile> {
  if (path.endsWith('.npy')) {
    const matrix = await readNpy(path);
    requireFinite(matrix, path, (column) => `column ${column}`);
    return { matrix, table: undefined, leftOut: [] };
  }
  const table = await readTable(path, options);
  const named = table.columns.filter(({ name }) => /^f\d{4,}$/.test(name) && !others.includes(name));
  const columns = named.length > 0 ? named : table.columns.filter(({ name }) => !others.includes(name));
  if (columns.length === 0) throw new NoisefoldError('DATA_FORMAT', 'there is no column left as a feature', { where: path });
  const matrix = zeros32(table.rows, columns.length);
  columns.forEach((column, j) => {
    if (column.type === 'text')
      throw new NoisefoldError('DATA_NOT_NUMERIC', `column "${column.name}" holds text, and features are numbers`, {
        where: path,
        hint: `If it is no feature: --drop ${column.name}`,
      });
    column.values.forEach((value, row) => (matrix.data[row * columns.length + j] = value));
  });
  requireFinite(matrix, path, (j) => `column "${columns[j]?.name ?? ''}"`);
  return { matrix, table, leftOut: table.columns.flatMap((column) => (columns.includes(column) ? [] : [column.name])) };
}

function requireFinite({ cols, data }: Matrix32, where: string, name: (column: number) => string): void {
  const at = data.findIndex((value) => !Number.isFinite(value));
  if (at >= 0)
    throw new NoisefoldError('DATA_NOT_FINITE', `row ${Math.floor(at / cols) + 1} has no finite number in ${name(at % cols)}`, {
      where,
      hint: 'Ridge needs a number in every cell. `noisefold train` and `sweep` fill missing values in.',
    });
}
