/**
 * All that finishing a study needs of the user's files, as one blob: ids, preprocessors, target, warnings, and the hashes of the prepared data. With it and
 * the blobs that it names, the best model, its features and predictions, and the report are made without those files, on any machine.
 *
 * Canonical JSON, so equal tables have equal blobs. `format` grows when an older reader would misunderstand it.
 */
import { NoisefoldError } from '../base/errors.ts';
import { canonicalJson } from '../base/json.ts';
import type { PreparedFold } from '../dataset/folds.ts';
import type { Prepared } from '../dataset/prepare.ts';
import type { PreparedData } from '../dataset/types.ts';

const format = 'noisefold.table/1';

interface Stored extends Omit<Prepared, 'data' | 'folds'> {
  readonly format: string;
  /** Hash. */
  readonly data: string;
  readonly folds: readonly (Omit<PreparedFold, 'data'> & { readonly data: string })[] | null;
}

export function encodePreparedTable({ data, folds, ...rest }: Prepared): Uint8Array {
  const stored: Stored = {
    format,
    ...rest,
    data: data.hash,
    folds: folds?.map((fold) => ({ ...fold, data: fold.data.hash })) ?? null,
  };
  return new TextEncoder().encode(canonicalJson(stored));
}

/** @param dataOf reads a prepared data set by its hash. Throws DATA_MISMATCH for what is no prepared table, and what `dataOf` throws. */
export async function decodePreparedTable(bytes: Uint8Array, dataOf: (hash: string) => Promise<PreparedData>): Promise<Prepared> {
  const { format: _format, data: hash, folds: parts, ...rest } = parsed(bytes);
  const { ids, trainRows, testRows } = rest;
  const data = await dataOf(hash);
  if (ids.length !== data.inputs.rows || trainRows + testRows !== ids.length)
    throw mismatch('its rows are not those of its data');
  if (parts === null) return { ...rest, data };
  const folds: PreparedFold[] = [];
  for (const fold of parts) folds.push({ ...fold, data: await dataOf(fold.data) });
  return { ...rest, data, folds };
}

function parsed(bytes: Uint8Array): Stored {
  let stored: Partial<Stored>;
  try {
    stored = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Stored>;
  } catch {
    throw mismatch('it is not JSON');
  }
  if (stored.format !== format) throw mismatch(`its format is ${String(stored.format)}, expected ${format}`);
  return stored as Stored;
}

const mismatch = (what: string): NoisefoldError =>
  new NoisefoldError('DATA_MISMATCH', `this is not a prepared table: ${what}`, {
    hint: 'Use the noisefold that wrote it, or a newer one.',
  });
