/**
 * Ridge's LinearAlgebra on ONNX Runtime's double Gemm. What is cubic runs there, in large blocks; what is left to plain loops is a share of
 * about 1/n of the work.
 *
 * Gram: a graph a width turns columns into rows, casts to float64, takes the shift off, splits the columns into equal blocks and multiplies
 * each pair of blocks of the lower triangle once: 0.57 of the full product at 3,073 columns. Gemm reads rows a fifth faster than columns.
 * Cholesky, right-looking: the diagonal block is factored and inverted here; the panel below is multiplied by the inverse; the trailing lower
 * triangle is updated in strips of columns. The inverse in place of a triangular solve is as good as its block is well conditioned, which
 * blocks of a penalised Gram are unless a pivot is refused anyway.
 */
import './telemetry.ts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { transposed } from '../../ridge/reduce.ts';
import { factorDiagonal, pivotTolerance } from '../../ridge/reference.ts';
import type { LinearAlgebra } from '../../ridge/types.ts';
import { buildModel, elementType, type OnnxNode, type OnnxValue } from './protobuf.ts';

/** Columns of a Gram block at most. */
const gramBlock = 512;
/** Columns of a Cholesky panel, and of a strip of its trailing update. */
const panel = 128;
const strip = 512;
/** Rows of a strip of `subtractProduct`: it stays in the cache between being read, written and copied back. */
const stripRows = 128;

/**
 * @param options.threads threads inside one product; >= 1. The bytes do not depend on it. ONNX Runtime gives each thread some rows of a product with
 * no more columns than rows, which leaves sums alone; else some columns, and where a thread has few of them it cuts their sums into longer
 * pieces, unless they are one piece (of 128) anyway. So every product here has no more columns than rows, or is no longer than 128.
 */
export function onnxLinearAlgebra(options: { readonly threads: number }): LinearAlgebra {
  const open = (model: Uint8Array): Promise<InferenceSession> =>
    InferenceSession.create(model, { intraOpNumThreads: options.threads, interOpNumThreads: 1, logSeverityLevel: 3 });
  const grams = new Map<number, Promise<InferenceSession>>();
  const products = new Map<ProductKind, Promise<InferenceSession>>();
  let scratch = new Float64Array(0);

  const gramSession = (cols: number): Promise<InferenceSession> => {
    const known = grams.get(cols) ?? open(gramModel(cols));
    grams.set(cols, known);
    return known;
  };

  const productSession = (kind: ProductKind): Promise<InferenceSession> => {
    const known = products.get(kind) ?? open(productModel(kind));
    products.set(kind, known);
    return known;
  };

  const scratchOf = (length: number): Float64Array => {
    if (scratch.length < length) scratch = new Float64Array(length);
    return scratch.subarray(0, length);
  };

  /** A B' for A [m, k] and B [n, k], contiguous. The result is valid until the next call. */
  const product = async (a: Float64Array, m: number, b: Float64Array, n: number, k: number): Promise<Float64Array> => {
    const session = await productSession('float64');
    const out = scratchOf(m * n);
    await session.run(
      { a: new Tensor('float64', a, [m, k]), b: new Tensor('float64', b, [n, k]) },
      { out: new Tensor('float64', out, [m, n]) },
    );
    return out;
  };

  return {
    async addGram(total, a, rows, cols, shift) {
      const session = await gramSession(cols);
      const results = await session.run({
        a: new Tensor('float32', a, [rows, cols]),
        shift: new Tensor('float64', shift, [cols, 1]),
      });
      const sizes = blockSizes(cols);
      for (let i = 0, top = 0; i < sizes.length; top += sizes[i++]!)
        for (let j = 0, left = 0; j <= i; left += sizes[j++]!)
          addBlock(total, cols, top, left, blockData(results, i, j), sizes[i]!, sizes[j]!);
    },

    async cholesky(a, n) {
      const tolerance = pivotTolerance(n);
      const original = Float64Array.from({ length: n }, (_, j) => a[j * n + j]!);
      for (let top = 0; top < n; top += panel) {
        const width = Math.min(panel, n - top);
        const next = top + width;
        factorDiagonal(a, n, top, next, top, tolerance, original.subarray(top, next));
        const below = n - next;
        if (below === 0) break;
        // The panel below: L21 = A21 inv(L11)'.
        const packed = new Float64Array(below * width);
        for (let i = 0; i < below; i++) packed.set(a.subarray((next + i) * n + top, (next + i) * n + next), i * width);
        packed.set(await product(packed, below, inverseLower(a, n, top, width), width, width));
        for (let i = 0; i < below; i++) a.set(packed.subarray(i * width, (i + 1) * width), (next + i) * n + top);
        // What is to its right: A22 -= L21 L21', strip by strip from the diagonal down.
        for (let left = 0; left < below; left += strip) {
          const columns = Math.min(strip, below - left);
          const rows = below - left;
          const update = await product(
            packed.subarray(left * width),
            rows,
            packed.subarray(left * width, (left + columns) * width),
            columns,
            width,
          );
          for (let i = 0; i < rows; i++)
            for (let j = 0, at = (next + left + i) * n + next + left; j < columns && j <= i; j++)
              a[at + j]! -= update[i * columns + j]!;
        }
      }
      return a;
    },

    async product(a, b, m, n, k) {
      const left = a.subarray(0, m * k);
      const right = b.subarray(0, n * k);
      // More columns than rows, and the sums would depend on the number of threads.
      if (n > m) return transposed((await product(right, n, Float64Array.from(left), m, k)).slice(), n, m);
      const session = await productSession(left instanceof Float64Array ? 'float64' : 'float32');
      const { out } = await session.run({ a: tensorOf(left, m, k), b: tensorOf(right, n, k) });
      if (!(out?.data instanceof Float64Array)) throw new TypeError('onnxLinearAlgebra: no product');
      return out.data;
    },

    async subtractProduct(c, a, b, m, n, k) {
      const session = await productSession('subtract');
      const right = tensorOf(b.subarray(0, n * k), n, k);
      for (let top = 0; top < m; top += stripRows) {
        const rows = Math.min(stripRows, m - top);
        const own = c.subarray(top * n, (top + rows) * n);
        const out = scratchOf(rows * n);
        await session.run(
          { a: tensorOf(a.subarray(top * k, (top + rows) * k), rows, k), b: right, c: tensorOf(own, rows, n) },
          { out: tensorOf(out, rows, n) },
        );
        own.set(out);
      }
    },
  };
}

/** What a product's model takes: A in this type; `subtract` also C to take it from. */
type ProductKind = 'float32' | 'float64' | 'subtract';

const tensorOf = (data: Float32Array | Float64Array, rows: number, cols: number): Tensor =>
  data instanceof Float64Array ? new Tensor('float64', data, [rows, cols]) : new Tensor('float32', data, [rows, cols]);

/** Equal blocks, so that no sliver is left over; the first may be smaller, so that no block of the lower triangle has more columns than rows. */
function blockSizes(cols: number): number[] {
  const count = Math.ceil(cols / gramBlock);
  const size = Math.ceil(cols / count);
  return [cols - (count - 1) * size, ...Array.from({ length: count - 1 }, () => size)];
}

const blockName = (i: number, j: number): string => `gram_${i}_${j}`;

function gramModel(cols: number): Uint8Array {
  const sizes = blockSizes(cols);
  const split = sizes.map((_, i) => `columns_${i}`);
  const nodes: OnnxNode[] = [
    { op: 'Transpose', inputs: ['a'], outputs: ['columns'], attributes: { perm: { ints: [1, 0] } } },
    { op: 'Cast', inputs: ['columns'], outputs: ['wide'], attributes: { to: { int: elementType('float64') } } },
    { op: 'Sub', inputs: ['wide', 'shift'], outputs: ['shifted'] },
    { op: 'Split', inputs: ['shifted', 'sizes'], outputs: split, attributes: { axis: { int: 0 } } },
  ];
  const outputs: OnnxValue[] = [];
  for (const [i, left] of split.entries())
    for (const [j, right] of split.slice(0, i + 1).entries()) {
      nodes.push({ op: 'Gemm', inputs: [left, right], outputs: [blockName(i, j)], attributes: { transB: { int: 1 } } });
      outputs.push({ name: blockName(i, j), type: 'float64', shape: [sizes[i] ?? 0, sizes[j] ?? 0] });
    }
  return buildModel(
    nodes,
    [
      { name: 'a', type: 'float32', shape: ['rows', cols] },
      { name: 'shift', type: 'float64', shape: [cols, 1] },
    ],
    outputs,
    [{ name: 'sizes', type: 'int64', shape: [sizes.length], data: BigInt64Array.from(sizes, BigInt) }],
  );
}

function productModel(kind: ProductKind): Uint8Array {
  const subtract = kind === 'subtract';
  const wide = kind === 'float32' ? 'wide' : 'a';
  const nodes: OnnxNode[] = [
    {
      op: 'Gemm',
      inputs: subtract ? [wide, 'b', 'c'] : [wide, 'b'],
      outputs: ['out'],
      attributes: { transB: { int: 1 }, ...(subtract && { alpha: { float: -1 } }) },
    },
  ];
  if (kind === 'float32')
    nodes.unshift({ op: 'Cast', inputs: ['a'], outputs: [wide], attributes: { to: { int: elementType('float64') } } });
  const inputs: OnnxValue[] = [
    { name: 'a', type: kind === 'float32' ? 'float32' : 'float64', shape: ['m', 'k'] },
    { name: 'b', type: 'float64', shape: ['n', 'k'] },
  ];
  if (subtract) inputs.push({ name: 'c', type: 'float64', shape: ['m', 'n'] });
  return buildModel(nodes, inputs, [{ name: 'out', type: 'float64', shape: ['m', 'n'] }]);
}

function blockData(results: InferenceSession.OnnxValueMapType, i: number, j: number): Float64Array {
  const data = results[blockName(i, j)]?.data;
  if (!(data instanceof Float64Array)) throw new TypeError(`onnxLinearAlgebra: no block ${i}, ${j}`);
  return data;
}

function addBlock(
  total: Float64Array,
  cols: number,
  top: number,
  left: number,
  block: Float64Array,
  rows: number,
  width: number,
): void {
  for (let i = 0; i < rows; i++)
    for (let j = 0, at = (top + i) * cols + left; j < width; j++) total[at + j]! += block[i * width + j]!;
}

/** The inverse of the lower triangle at (top, top), dense [width, width]. */
function inverseLower(a: Float64Array, n: number, top: number, width: number): Float64Array {
  const inverse = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    const row = (top + i) * n + top;
    const pivot = a[row + i]!;
    inverse[i * width + i] = 1 / pivot;
    // Row i of the inverse gathers the earlier rows, so that both are read in order.
    for (let k = 0; k < i; k++) {
      const factor = a[row + k]! / pivot;
      for (let j = 0; j <= k; j++) inverse[i * width + j]! -= factor * inverse[k * width + j]!;
    }
  }
  return inverse;
}
