/**
 * All that finishing a study needs of the user's files, as one blob: ids, preprocessors, target, warnings, and the hashes of the prepared data. With it and
 * the blobs that it names, the best model, its features and predictions, and the report are made without those files, on any machine.
 *
 * Canonical JSON, so equal tables have equal blobs. `format` grows when an older reader would misunderstand it.
 */
import { NoisefoldError } from '../base/errors.ts';
import { canonicalJson } from '../base/json.ts';
import type { Preprocessor } from '../dataset/encode.ts';
import type { Prepared } from '../dataset/prepare.ts';
import type { PreparedData } from '../dataset/types.ts';

const format = 'noisefold.table/1';

/** What each fold's tasks work on (protocol inductive). */
export interface PreparedPart {
  readonly data: PreparedData;
  readonly preprocessor: Preprocessor;
  /** Rows that train its autoencoder. */
  readonly trainRows: number;
}

interface Stored extends Omit<Prepared, 'data'> {
  readonly format: string;
  /** Hash. */
  readonly data: string;
  readonly folds: readonly (Omit<PreparedPart, 'data'> & { readonly data: string })[];
}

export function encodePreparedTable(prepared: Prepared, folds: readonly PreparedPart[] = []): Uint8Array {
  const { data, preprocessor, warnings, ids, trainRows, testRows, target } = prepared;
  const stored: Stored = {
    ...{ format, preprocessor, warnings, ids, trainRows, testRows, target },
    data: data.hash,
    folds: folds.map((fold) => ({ data: fold.data.hash, preprocessor: fold.preprocessor, trainRows: fold.trainRows })),
  };
  return new TextEncoder().encode(canonicalJson(stored));
}

/** @param dataOf reads a prepared data set by its hash. Throws DATA_MISMATCH for what is no prepared table, and what `dataOf` throws. */
export async function decodePreparedTable(
  bytes: Uint8Array,
  dataOf: (hash: string) => Promise<PreparedData>,
): Promise<{ readonly prepared: Prepared; readonly folds: readonly PreparedPart[] }> {
  const stored = parsed(bytes);
  const { preprocessor, warnings, ids, trainRows, testRows, target } = stored;
  const data = await dataOf(stored.data);
  if (ids.length !== data.inputs.rows || trainRows + testRows !== ids.length)
    throw mismatch('its rows are not those of its data');
  const folds: PreparedPart[] = [];
  for (const fold of stored.folds) folds.push({ ...fold, data: await dataOf(fold.data) });
  return { prepared: { data, preprocessor, warnings, ids, trainRows, testRows, target }, folds };
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
