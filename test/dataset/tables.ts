/** Tables and configurations for this folder's tests. */
import { NoisefoldError, type ErrorCode } from '../../src/base/errors.ts';
import type { DataConfig } from '../../src/config/types.ts';
import { parseCsv } from '../../src/dataset/csv.ts';
import type { Table } from '../../src/dataset/types.ts';

/** A table from CSV text, as if it were in t.csv. */
export const csv = (text: string, options: { delimiter?: string; missing?: string[] } = {}): Table =>
  parseCsv(new TextEncoder().encode(text), 't.csv', { missing: [], ...options });

/** A table of columns of values; null is missing. */
export function tableOf(columns: Readonly<Record<string, readonly (number | string | null)[]>>, source = 't.csv'): Table {
  const rows = Object.values(columns)[0]?.length ?? 0;
  return {
    source,
    rows,
    lines: Int32Array.from({ length: rows }, (_, row) => row + 2),
    columns: Object.entries(columns).map(([name, values]) =>
      values.some((value) => typeof value === 'string')
        ? { name, type: 'text', values: values.map((value) => (value === null ? null : String(value))) }
        : { name, type: 'number', values: Float64Array.from(values, (value) => (value === null ? NaN : Number(value))) },
    ),
  };
}

export const dataConfig = (changes: Partial<DataConfig> = {}): DataConfig => ({
  train: 't.csv',
  target: { column: 'y', task: 'regression', transform: 'none' },
  drop: [],
  kinds: {},
  missing: [],
  rareBelow: 0,
  ...changes,
});

/** A matcher for assert.throws: this code, standing at this place, and a message and hint that have the words. */
export const refusal =
  (code: ErrorCode, where?: string, words = /./) =>
  (thrown: unknown): boolean => {
    if (!(thrown instanceof NoisefoldError)) return false;
    const fits =
      thrown.code === code &&
      (where === undefined || thrown.where === where) &&
      words.test(`${thrown.message} ${thrown.hint ?? ''}`);
    if (!fits) console.error(thrown.format());
    return fits;
  };
