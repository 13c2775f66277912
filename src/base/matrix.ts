/** A dense row-major float32 matrix: element (i, j) is `data[i * cols + j]`. */
export interface Matrix32 {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float32Array;
}

/** A dense row-major float64 matrix. */
export interface Matrix64 {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float64Array;
}

export const zeros32 = (rows: number, cols: number): Matrix32 => ({ rows, cols, data: new Float32Array(rows * cols) });
export const zeros64 = (rows: number, cols: number): Matrix64 => ({ rows, cols, data: new Float64Array(rows * cols) });

/** A copy of some rows, in the order asked for. */
export function rowsOf({ cols, data }: Matrix32, rows: Uint32Array): Matrix32 {
  const some = zeros32(rows.length, cols);
  rows.forEach((row, i) => some.data.set(data.subarray(row * cols, (row + 1) * cols), i * cols));
  return some;
}

/** The bytes of a typed array, without a copy. */
export const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
