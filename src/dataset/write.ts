/**
 * Feature matrices as files, written while they stream by: memory stays bounded by one block (one row group for Parquet).
 * Every file is written under a temporary name and renamed when closed, so a file under its own name is a whole one.
 */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { bytesOf } from '../base/matrix.ts';
import { npyHeader } from './npy.ts';

/** Takes consecutive rows, [rows, width] row-major; `data` may be reused by the caller once write() has resolved. */
export interface RowWriter {
  write(firstRow: number, rows: number, width: number, data: Float32Array): Promise<void>;
  /** Finishes the file and gives it its name. Throws a RangeError if rows are missing. */
  close(): Promise<void>;
  /** Gives the file up; nothing is left of it. A no-op after close(). */
  discard(): Promise<void>;
}

/** What identifies the rows of a file, in their order. */
export type RowIds =
  | { readonly name: string; readonly type: 'integer'; readonly values: BigInt64Array }
  | { readonly name: string; readonly type: 'text'; readonly values: readonly string[] };

/** Names of feature columns: `f0000`, `f0001`, ... */
export const featureNames = (width: number): readonly string[] =>
  Array.from({ length: width }, (_, i) => `f${String(i).padStart(4, '0')}`);

interface Sink {
  append(bytes: Uint8Array): Promise<void>;
  close(): Promise<void>;
  discard(): Promise<void>;
}

/** Names of unfinished files end with this and the process that writes them. */
const partial = '.partial-';

/** Removes what is left of a file whose process was ended before it could do so itself. */
async function removeStale(path: string): Promise<void> {
  const [folder, start] = [dirname(path), `${basename(path)}${partial}`];
  for (const name of await readdir(folder)) {
    const pid = name.startsWith(start) ? name.slice(start.length) : '';
    if (/^\d+$/.test(pid) && !isAlive(Number(pid))) await rm(join(folder, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    // A process of somebody else's is alive, too.
    return thrown instanceof Error && 'code' in thrown && thrown.code === 'EPERM';
  }
}

async function openSink(path: string): Promise<Sink> {
  await mkdir(dirname(path), { recursive: true });
  await removeStale(path);
  const temporary = `${path}${partial}${process.pid}`;
  const file = await open(temporary, 'w');
  let open_ = true;
  return {
    async append(bytes) {
      for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at, Math.min(bytes.length - at, 2 ** 30))).bytesWritten;
    },
    async close() {
      await file.sync();
      await file.close();
      open_ = false;
      await rename(temporary, path);
    },
    async discard() {
      if (!open_) return;
      open_ = false;
      await file.close();
      await rm(temporary, { force: true });
    },
  };
}

/** Counts rows, so that neither a gap nor a missing end goes unnoticed. */
function rowCounter(expected: number, width: number) {
  let next = 0;
  return {
    take(firstRow: number, rows: number, given: number): void {
      if (firstRow !== next || given !== width || next + rows > expected)
        throw new RangeError(
          `rows ${firstRow} to ${firstRow + rows} of width ${given}; expected row ${next} of ${expected}, width ${width}`,
        );
      next += rows;
    },
    end(): void {
      if (next !== expected) throw new RangeError(`${next} rows written of ${expected}`);
    },
  };
}

/** A .npy file of [rows, width] float32. */
export async function openNpy(path: string, rows: number, width: number): Promise<RowWriter> {
  const sink = await openSink(path);
  const counter = rowCounter(rows, width);
  await sink.append(npyHeader(rows, width));
  return {
    async write(firstRow, count, given, data) {
      counter.take(firstRow, count, given);
      await sink.append(bytesOf(data.subarray(0, count * width)));
    },
    async close() {
      counter.end();
      await sink.close();
    },
    discard: () => sink.discard(),
  };
}

/** Values a row group holds: 32 MB of float32. */
const groupValues = 2 ** 23;

/**
 * A Parquet file: the ids, then one float32 column a feature. Uncompressed and plain: activations are dense floats, on which compression
 * costs ten times the writing and saves a tenth.
 */
export async function openParquet(path: string, ids: RowIds, width: number): Promise<RowWriter> {
  const sink = await openSink(path);
  const rows = ids.values.length;
  const counter = rowCounter(rows, width);
  const names = featureNames(width);
  const bytes = new ByteWriter(2 ** 20);
  const parquet = new ParquetWriter({
    writer: bytes,
    codec: 'UNCOMPRESSED',
    statistics: false,
    createdBy: 'noisefold',
    schema: [
      { name: 'root', num_children: width + 1 },
      ids.type === 'integer'
        ? { name: ids.name, type: 'INT64', repetition_type: 'REQUIRED' }
        : { name: ids.name, type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'REQUIRED' },
      ...names.map((name) => ({ name, type: 'FLOAT' as const, repetition_type: 'REQUIRED' as const })),
    ],
  });
  const groupRows = Math.max(1, Math.min(rows, Math.floor(groupValues / width)));
  /** Column-major, [width, groupRows]. */
  const group = new Float32Array(width * groupRows);
  let held = 0;
  let written = 0;

  const drain = async (): Promise<void> => {
    const pending = bytes.getBytes();
    bytes.index = 0;
    await sink.append(pending);
  };
  const flushGroup = async (): Promise<void> => {
    if (held === 0) return;
    const id = { name: ids.name, data: ids.values.slice(written, written + held) as never, encoding: 'PLAIN' as const };
    const features = names.map((name, j) => ({
      name,
      data: group.subarray(j * groupRows, j * groupRows + held),
      encoding: 'PLAIN' as const,
    }));
    await parquet.write({ columnData: [id, ...features], rowGroupSize: held, pageSize: 2 ** 26 });
    written += held;
    held = 0;
    await drain();
  };

  return {
    async write(firstRow, count, given, data) {
      counter.take(firstRow, count, given);
      for (let from = 0; from < count;) {
        const taken = Math.min(count - from, groupRows - held);
        for (let j = 0; j < width; j++) {
          const column = j * groupRows + held;
          for (let i = 0; i < taken; i++) group[column + i] = data[(from + i) * width + j]!;
        }
        held += taken;
        from += taken;
        if (held === groupRows) await flushGroup();
      }
    },
    async close() {
      counter.end();
      await flushGroup();
      await parquet.finish();
      await drain();
      await sink.close();
    },
    discard: () => sink.discard(),
  };
}

/** A text file, whole or not there, from chunks as they come. */
export async function writeText(path: string, chunks: AsyncIterable<string>): Promise<void> {
  const sink = await openSink(path);
  try {
    for await (const chunk of chunks) await sink.append(new TextEncoder().encode(chunk));
    await sink.close();
  } finally {
    await sink.discard();
  }
}

/** A CSV file of records with a header (RFC 4180: CRLF left out, as everyone does; quotes where a field needs them). */
export interface CsvWriter {
  /** Numbers as the shortest text that reads back to the same double. */
  record(fields: readonly (string | number | bigint)[]): Promise<void>;
  close(): Promise<void>;
  discard(): Promise<void>;
}

const quoted = (field: string | number | bigint): string => {
  const text = String(field);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

export async function openCsv(path: string, header: readonly string[]): Promise<CsvWriter> {
  const sink = await openSink(path);
  let text = `${header.map(quoted).join(',')}\n`;
  const flush = async (): Promise<void> => {
    const bytes = new TextEncoder().encode(text);
    text = '';
    await sink.append(bytes);
  };
  return {
    async record(fields) {
      text += `${fields.map(quoted).join(',')}\n`;
      if (text.length > 2 ** 20) await flush();
    },
    async close() {
      await flush();
      await sink.close();
    },
    discard: () => sink.discard(),
  };
}

/** The shortest number that rounds to this float32: 0.1, not 0.10000000149011612. */
function shortFloat(value: number): number {
  for (let digits = 7; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

/** The features as CSV: the id, then the features, in numbers that read back to the same float32. */
export async function openFeatureCsv(path: string, ids: RowIds, width: number): Promise<RowWriter> {
  const csv = await openCsv(path, [ids.name, ...featureNames(width)]);
  const counter = rowCounter(ids.values.length, width);
  return {
    async write(firstRow, count, given, data) {
      counter.take(firstRow, count, given);
      for (let i = 0; i < count; i++) {
        const row = Array.from(data.subarray(i * width, (i + 1) * width), shortFloat);
        await csv.record([ids.values[firstRow + i] ?? '', ...row]);
      }
    },
    async close() {
      counter.end();
      await csv.close();
    },
    discard: () => csv.discard(),
  };
}

/** The writer for a file's ending: .npy (without the ids), .parquet or .csv. Undefined for any other. */
export function openFeatures(path: string, ids: RowIds, width: number): Promise<RowWriter> | undefined {
  if (path.endsWith('.npy')) return openNpy(path, ids.values.length, width);
  if (path.endsWith('.parquet')) return openParquet(path, ids, width);
  if (path.endsWith('.csv')) return openFeatureCsv(path, ids, width);
  return undefined;
}
