/**
 * The inductive protocol's data: for each fold an encoding of its own, fitted on the fold's training rows (the labelled rows of the other
 * folds) and applied to all rows. Held-out rows and rows without a target are encoded as new data are: an unseen level is all zeros.
 */
import { NoisefoldError } from '../base/errors.ts';
import { sha256 } from '../base/hash.ts';
import { canonicalJson } from '../base/json.ts';
import { rowsOf, zeros32, type Matrix32 } from '../base/matrix.ts';
import { encodeSafetensors } from '../base/safetensors.ts';
import { layoutOf, refitPreprocessor, transformInto, type Preprocessor } from './encode.ts';
import { preparedHash } from './serialise.ts';
import { trainingRows } from './split.ts';
import { tableRows } from './table.ts';
import type { PreparedData, Table } from './types.ts';

export interface PreparedFold {
  readonly data: PreparedData;
  readonly preprocessor: Preprocessor;
  /** Rows that train its autoencoder. */
  readonly trainRows: number;
}

/** All rows of the tables, one after the other, encoded. */
export function encodeTables(
  preprocessor: Preprocessor,
  tables: readonly Table[],
): { readonly inputs: Matrix32; readonly warnings: readonly string[] } {
  const { binary, numerical } = layoutOf(preprocessor);
  const inputs = zeros32(
    tables.reduce((sum, table) => sum + table.rows, 0),
    binary + numerical,
  );
  const warnings: string[] = [];
  let firstRow = 0;
  for (const table of tables) {
    warnings.push(...transformInto(inputs, firstRow, preprocessor, table));
    firstRow += table.rows;
  }
  return { inputs, warnings };
}

/**
 * Each fold's data. Memory: as much as the study's own data, for each fold.
 * @param tables the train table first
 * @param base fitted on all labelled rows: its columns and their kinds are every fold's
 * Throws DATA_FORMAT where no column varies in a fold's training rows.
 */
export function prepareFolds(
  tables: readonly [Table, ...Table[]],
  base: Preprocessor,
  content: Omit<PreparedData, 'hash' | 'heldOut'>,
  rareBelow: number,
): { readonly folds: readonly PreparedFold[]; readonly warnings: readonly string[] } {
  const { target, task, folds, foldCount } = content;
  const warnings: string[] = [];
  const prepared = Array.from({ length: foldCount }, (_, heldOut): PreparedFold => {
    const rows = trainingRows(folds, heldOut);
    const preprocessor = refitPreprocessor(base, tableRows(tables[0], rows), rareBelow);
    if (preprocessor.columns.length === 0)
      throw new NoisefoldError('DATA_FORMAT', `no column varies in the training rows of fold ${heldOut}`, {
        where: tables[0].source,
        hint: 'Use fewer or shuffled folds (ridge.folds), or protocol: transductive.',
      });
    const kept = new Set(preprocessor.columns.map(({ name }) => name));
    for (const { name } of base.columns)
      if (!kept.has(name))
        warnings.push(`"${name}" does not vary in the training rows of fold ${heldOut} and is left out there.`);
    // What held-out rows have and training rows have not is what the protocol is about: no warning.
    const { inputs } = encodeTables(preprocessor, tables);
    const data = { layout: layoutOf(preprocessor), inputs, target, task, folds, foldCount, heldOut };
    return { data: { hash: preparedHash(data), ...data }, preprocessor, trainRows: rows.length };
  });
  return { folds: prepared, warnings };
}

/**
 * The hash of all that training an autoencoder reads. Transductive: the data's own. Inductive: of the training rows and their encoding only,
 * so that equal training gives equal checkpoints, whatever the held-out rows hold.
 */
export function trainingHash(data: PreparedData): string {
  if (data.heldOut === undefined) return data.hash;
  const rows = trainingRows(data.folds, data.heldOut);
  const inputs = rowsOf(data.inputs, rows);
  return sha256(
    encodeSafetensors(
      {
        rows: { dtype: 'I32', shape: [rows.length], data: Int32Array.from(rows) },
        inputs: { dtype: 'F32', shape: [inputs.rows, inputs.cols], data: inputs.data },
      },
      { format: 'noisefold.training/1', layout: canonicalJson(data.layout) },
    ),
  );
}

/**
 * The split as a file: the fold of every row, and the hashes of the study's data and of each fold's. Its own hash stands for the whole of an
 * inductive study's data.
 */
export function splitManifest(data: PreparedData, folds: readonly PreparedFold[]): Uint8Array {
  const manifest = {
    format: 'noisefold.split/1',
    protocol: 'inductive',
    foldCount: data.foldCount,
    folds: [...data.folds],
    data: data.hash,
    foldData: folds.map((fold) => fold.data.hash),
  };
  return new TextEncoder().encode(`${canonicalJson(manifest)}\n`);
}
