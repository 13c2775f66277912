/** Parquet (any of its compressions) as a Table, with the rules of CSV: what is not finite or not exact in float64 makes a text column. */
import { parquetMetadataAsync, parquetRead, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { NoisefoldError } from '../base/errors.ts';
import { emptyHint } from './csv.ts';
import { missingTest } from './fields.ts';
import type { Column, Table } from './types.ts';

/** Parses a whole file of flat columns. Throws DATA_EMPTY and DATA_FORMAT. */
export async function parseParquet(bytes: Uint8Array, source: string, missing: readonly string[]): Promise<Table> {
  const format = (what: string, cause?: unknown): NoisefoldError =>
    new NoisefoldError('DATA_FORMAT', what, { where: source, cause });
  const file = {
    byteLength: bytes.byteLength,
    slice: (start: number, end?: number) => new Uint8Array(bytes.subarray(start, end)).buffer,
  };
  try {
    const metadata = await parquetMetadataAsync(file);
    const rows = Number(metadata.num_rows);
    const fields = parquetSchema(metadata).children;
    const nested = fields.find((field) => field.children.length > 0 || field.element.repetition_type === 'REPEATED');
    if (nested !== undefined) throw format(`column "${nested.element.name}" is nested; a table has one value a cell`);
    if (rows === 0) throw new NoisefoldError('DATA_EMPTY', 'the file has no rows', { where: source, hint: emptyHint });
    const cells = new Map(fields.map((field) => [field.element.name, new Array<unknown>(rows).fill(null)]));
    if (cells.size < fields.length) throw format('two columns have the same name');
    await parquetRead({
      file,
      metadata,
      compressors,
      onChunk: ({ columnName, columnData, rowStart }) => {
        const column = cells.get(columnName);
        if (column !== undefined) for (let i = 0; i < columnData.length; i++) column[rowStart + i] = columnData[i];
      },
    });
    return { source, rows, columns: [...cells].map(([name, values]) => columnOf(name, values, missingTest(missing), format)) };
  } catch (cause) {
    if (cause instanceof NoisefoldError) throw cause;
    throw format(`the Parquet file is broken (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
}

function columnOf(
  name: string,
  cells: readonly unknown[],
  isMissing: (text: string) => boolean,
  format: (what: string) => NoisefoldError,
): Column {
  const values = cells.map((cell) =>
    valueOf(cell, isMissing, () => format(`column "${name}" holds values that are neither numbers nor text`)),
  );
  if (values.every((value) => value === null || (typeof value === 'number' && Number.isFinite(value))))
    return { name, type: 'number', values: Float64Array.from(values, (value) => (value === null ? NaN : Number(value))) };
  return { name, type: 'text', values: values.map((value) => (value === null ? null : String(value))) };
}

function valueOf(cell: unknown, isMissing: (text: string) => boolean, refusal: () => NoisefoldError): number | string | null {
  if (cell === null || cell === undefined) return null;
  if (typeof cell === 'number' || typeof cell === 'bigint') {
    const value = Number(cell);
    if (isMissing(String(cell))) return null;
    return typeof cell === 'number' || Number.isSafeInteger(value) ? value : String(cell);
  }
  if (typeof cell === 'string') return isMissing(cell) ? null : cell;
  if (typeof cell === 'boolean') return String(cell);
  if (cell instanceof Date) return cell.toISOString();
  throw refusal();
}
