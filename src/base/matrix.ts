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

/** The bytes of a typed array, without a copy. */
export const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
