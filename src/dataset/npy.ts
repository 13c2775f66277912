/**
 * NumPy's .npy files, version 1.0 (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): 6 magic bytes, 2 version bytes, the
 * header's length (uint16, little-endian), a Python dict literal padded with spaces to a multiple of 64 and ended by a newline, then the numbers.
 * Written: little-endian float32, two dimensions. Read: little-endian float32 and float64, one or two dimensions, row-major.
 */
import { open } from 'node:fs/promises';
import { NoisefoldError } from '../base/errors.ts';
import { type Matrix32, bytesOf, zeros32 } from '../base/matrix.ts';

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59] as const;

/** The bytes before the numbers of a [rows, cols] float32 matrix. */
export function npyHeader(rows: number, cols: number): Uint8Array {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows}, ${cols}), }`;
  const length = Math.ceil((10 + dict.length + 1) / 64) * 64;
  const header = new Uint8Array(length).fill(0x20);
  header.set([...magic, 1, 0, (length - 10) & 0xff, (length - 10) >> 8]);
  header.set(new TextEncoder().encode(dict), 10);
  header[length - 1] = 0x0a;
  return header;
}

interface NpyShape {
  readonly type: 'f4' | 'f8';
  readonly rows: number;
  readonly cols: number;
}

function parseHeader(dict: string, path: string): NpyShape {
  const type = /'descr':\s*'<(f4|f8)'/.exec(dict)?.[1];
  const shape = /'shape':\s*\(([\d,\s]*)\)/.exec(dict)?.[1];
  if (type === undefined || shape === undefined || !/'fortran_order':\s*False/.test(dict))
    throw notNpy(
      path,
      `its header is ${dict.trim()}`,
      'Save it as a row-major float32 or float64 array: numpy.save(path, numpy.ascontiguousarray(x, "<f4")).',
    );
  const [rows = 0, cols = 1, ...more] = shape.split(',').flatMap((size) => (size.trim() === '' ? [] : [Number(size)]));
  if (more.length > 0) throw notNpy(path, `it has ${more.length + 2} dimensions`, 'Rows and columns are expected.');
  return { type: type as 'f4' | 'f8', rows, cols };
}

/** A .npy file as a float32 matrix; one dimension becomes one column. Throws DATA_NOT_FOUND, DATA_FORMAT. */
export async function readNpy(path: string): Promise<Matrix32> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw new NoisefoldError('DATA_NOT_FOUND', 'the file does not exist or cannot be read', { where: path, cause });
  });
  try {
    const start = new Uint8Array(12);
    await file.read(start, 0, 12, 0);
    if (magic.some((byte, i) => start[i] !== byte)) throw notNpy(path, 'it does not begin as one');
    const view = new DataView(start.buffer);
    const [from, length] = start[6] === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
    const { size } = await file.stat();
    if (from + length > size) throw notNpy(path, 'it ends within its header');
    const header = new Uint8Array(length);
    await file.read(header, 0, length, from);
    const { type, rows, cols } = parseHeader(new TextDecoder('latin1').decode(header), path);
    const width = type === 'f4' ? 4 : 8;
    if (size !== from + length + rows * cols * width)
      throw notNpy(path, `${rows} x ${cols} numbers do not fit its ${size} bytes`);
    const matrix = zeros32(rows, cols);
    const values = type === 'f4' ? matrix.data : new Float64Array(rows * cols);
    const bytes = bytesOf(values);
    // In parts: one read is limited to 2 GB.
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await file.read(bytes, at, Math.min(2 ** 28, bytes.length - at), from + length + at);
      if (bytesRead === 0) throw notNpy(path, 'it ended early');
      at += bytesRead;
    }
    if (values !== matrix.data) matrix.data.set(values);
    return matrix;
  } finally {
    await file.close();
  }
}

const notNpy = (path: string, why: string, hint?: string): NoisefoldError =>
  new NoisefoldError('DATA_FORMAT', `not a .npy file that can be read: ${why}`, {
    where: path,
    ...(hint === undefined ? {} : { hint }),
  });
