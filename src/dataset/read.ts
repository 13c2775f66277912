/** Reads a table from a file: CSV, gzipped CSV or Parquet, told apart by their first bytes. */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { NoisefoldError } from '../base/errors.ts';
import { emptyHint, parseCsv, type CsvOptions } from './csv.ts';
import { parseParquet } from './parquet.ts';
import type { Table } from './types.ts';

/**
 * Reads all rows and columns of `path`. Numeric columns become Float64Arrays; see Column for what counts as a number. Throws DATA_NOT_FOUND,
 * DATA_EMPTY, DATA_FORMAT and DATA_RAGGED_ROW.
 */
export async function readTable(path: string, options: CsvOptions): Promise<Table> {
  const bytes = await bytesIn(path);
  if (bytes.length === 0) throw new NoisefoldError('DATA_EMPTY', 'the file is empty', { where: path, hint: emptyHint });
  if (bytes.subarray(0, 4).toString('latin1') === 'PAR1') return parseParquet(bytes, path, options.missing);
  if (/\.parquet$/i.test(path))
    throw new NoisefoldError('DATA_FORMAT', 'the file is not Parquet, in spite of its name', { where: path });
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return parseCsv(await unzipped(bytes, path), path, options);
  if (/\.gz$/i.test(path))
    throw new NoisefoldError('DATA_FORMAT', 'the file is not gzipped, in spite of its name', { where: path });
  return parseCsv(bytes, path, options);
}

async function bytesIn(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ERR_FS_FILE_TOO_LARGE')
      throw new NoisefoldError('DATA_FORMAT', 'the file is larger than 2 GB', { where: path, cause });
    const what =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EISDIR'
          ? 'this is a folder'
          : `the file cannot be read (${code ?? message})`;
    throw new NoisefoldError('DATA_NOT_FOUND', what, {
      where: path,
      hint: "Paths in a configuration are relative to the configuration's folder.",
      cause,
    });
  }
}

async function unzipped(bytes: Buffer, path: string): Promise<Buffer> {
  try {
    return await promisify(gunzip)(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new NoisefoldError('DATA_FORMAT', `the gzip file is broken (${reason})`, {
      where: path,
      hint: 'Was it copied or downloaded to its end?',
      cause,
    });
  }
}
