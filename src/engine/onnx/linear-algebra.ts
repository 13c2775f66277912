/**
 * Ridge's LinearAlgebra on ONNX Runtime's double Gemm. What is cubic runs there, in large blocks; what is left to plain loops is a share of
 * about 1/n of the work.
 *
 * Gram: a graph a width turns columns into rows, casts to float64, takes the shift off, splits the columns into equal blocks and multiplies
 * each pair of blocks of the lower triangle once: 0.57 of the full product at 3,073 columns. Gemm reads rows a fifth faster than columns.
 * Cholesky, left-looking: a panel of columns lies packed while the products of those before it are taken off, so that only a panel is written to; its
 * diagonal block is factored and inverted here, and what is below multiplied by the inverse. The inverse in place of a triangular solve is as
 * good as its block is well conditioned, which blocks of a penalised Gram are unless a pivot is refused anyway.
 */
import './telemetry.ts';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { transposed } from '../../ridge/reduce.ts';
import { factorDiagonal, pivotTolerance } from '../../ridge/reference.ts';
import type { LinearAlgebra } from '../../ridge/types.ts';
import { buildModel, elementType, type OnnxNode, type OnnxValue } from './protobuf.ts';

/** Columns of a Gram block at most. */
const gramBlock = 512;
/** Columns of a Cholesky panel: more are more work in plain loops, fewer are more and slower products. */
const panel = 96;
/** Values of a strip of `subtractProduct`: it stays in the cache between being read, written and copied back. */
const stripValues = 2 ** 18;

/**
 * @param options.threads threads inside one product; >= 1. The bytes do not depend on it. ONNX Runtime gives each thread some rows of a product with
 * no more columns than rows, which leaves sums alone; else some columns, and where a thread has few of them it cuts their sums into longer
 * pieces, unless they are one piece (of 128) anyway. So every product here has no more columns than rows, or is no longer than 128.
 */
export function onnxLinearAlgebra(options: { readonly threads: number }): LinearAlgebra {
  const open = (model: Uint8Array): Promise<InferenceSession> =>
    InferenceSession.create(model, {
      intraOpNumThreads: options.threads,
      interOpNumThreads: 1,
      logSeverityLevel: 3,
      // Each session has threads of its own. After a product they would spin, in the way of the next session's and of everybody else.
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
  const grams = new Map<number, Promise<InferenceSession>>();
  const products = new Map<ProductKind, Promise<InferenceSession>>();
  let scratch = new Float64Array(0);
  let panels: Float64Array = new Float64Array(0);

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

  /** Room for the panels of a Cholesky factor, to be given back: fresh memory would have to be cleared each time. */
  const takePanels = (n: number): Float64Array => {
    const length = (n * (n + panel)) / 2;
    const taken: Float64Array = panels.length < length ? new Float64Array(length) : panels;
    panels = new Float64Array(0);
    return taken;
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

  const subtractProduct: LinearAlgebra['subtractProduct'] = async (c, a, b, m, n, k) => {
    const session = await productSession('subtract');
    const right = tensorOf(b.subarray(0, n * k), n, k);
    const strip = Math.max(1, Math.floor(stripValues / n));
    for (let top = 0; top < m; top += strip) {
      const rows = Math.min(strip, m - top);
      const own = c.subarray(top * n, (top + rows) * n);
      const out = scratchOf(rows * n);
      await session.run(
        { a: tensorOf(a.subarray(top * k, (top + rows) * k), rows, k), b: right, c: tensorOf(own, rows, n) },
        { out: tensorOf(out, rows, n) },
      );
      own.set(out);
    }
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
      // Panels that are done, [n - top, panel] each: their rows from some row on are an operand as they lie there.
      const done: Float64Array[] = [];
      const room = takePanels(n);
      for (let top = 0, used = 0; top < n; top += panel) {
        const width = Math.min(panel, n - top);
        const rows = n - top;
        const own = room.subarray(used, (used += rows * width));
        for (let i = 0, to = 0; i < rows; i++) for (let j = 0, at = (top + i) * n + top; j < width; j++) own[to++] = a[at + j]!;
        for (const [index, left] of done.entries()) {
          const from = left.subarray((top - index * panel) * panel);
          await subtractProduct(own, from, from, rows, width, panel);
        }
        factorDiagonal(own, width, 0, width, 0, tolerance, original.subarray(top, top + width));
        const below = own.subarray(width * width);
        if (below.length > 0) below.set(await product(below, rows - width, inverseLower(own, width), width, width));
        for (let i = 0, from = 0; i < rows; i++)
          for (let j = 0, at = (top + i) * n + top; j < width; j++) a[at + j] = own[from++]!;
        done.push(own);
      }
      panels = room;
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

    subtractProduct,
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

/** The inverse of a lower triangle [width, width], dense. */
function inverseLower(a: Float64Array, width: number): Float64Array {
  const inverse = new Float64Array(width * width);
  for (let i = 0; i < width; i++) {
    const row = i * width;
    const pivot = a[row + i]!;
    inverse[row + i] = 1 / pivot;
    // Row i of the inverse gathers the earlier rows, so that both are read in order.
    for (let k = 0; k < i; k++) {
      const factor = a[row + k]! / pivot;
      for (let j = 0; j <= k; j++) inverse[row + j]! -= factor * inverse[k * width + j]!;
    }
  }
  return inverse;
}
