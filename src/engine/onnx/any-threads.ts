/**
 * A recorded graph so written that ONNX Runtime's CPU provider gives the same bytes with any number of threads up to `mostThreads`.
 *
 * Threads share an operation by elements, rows or columns, which leaves most operations alone. Three things are not (seen with onnxruntime-node 1.30 on x86-64; the
 * constants are those of its matrix library, MLAS: mlasi.h, sgemm.cpp). Other architectures were not tried; and where a processor has cores of two kinds ONNX Runtime makes
 * four shares a thread, so that there it holds up to a quarter of `mostThreads`.
 *
 * - A product is shared by columns where it has more of them than rows. A thread with 64 columns or fewer cuts its sums into longer pieces than one with more, unless
 *   they are one piece (of 128) anyway. So such a product is made transposed: shared by rows, each with all of its columns.
 * - A thread with a single row or column adds up in another order than one with several. So no product is so small that a share of it could be.
 * - Softplus (like the logarithm, which no step has) takes its share by vectors of sixteen and what is left over element by element, by another approximation. It is put
 *   together from operations that do not.
 */
import { filled, type Graph, type Node, type Operation, type Operations, type Value } from '../trace/graph.ts';

/** More are not used: a batch of some hundred rows has little to do for more. */
export const mostThreads = 16;

/** Terms that are added up in one piece, however a product is shared. */
const piece = 128;
/** A share of so many columns is a narrow one. */
const narrow = 64;
/** Columns are shared in groups. */
const group = 16;
/** From so many columns on no share is narrow. */
const wide = (narrow / group + 1) * group * mostThreads;
/** A product of fewer multiplications is one thread's. */
const shared = 65_536;

export const forAnyThreads = (graph: Graph): Graph => ({
  ...graph,
  nodes: graph.nodes
    .flatMap((node) => (node.operation === 'softplus' ? softplus(node) : [node]))
    .flatMap((node) => (node.operation === 'gemm' ? sharedByRows(node) : [node]))
    .flatMap((node) => (node.operation === 'gemm' ? thick(node) : [node])),
});

type NodeOf<O extends Operation> = Extract<Node, { operation: O }>;
type Product = NodeOf<'gemm'>;

/** Rows and columns of a product, and how many terms each of its sums has. */
function sizes({ inputs: [a], outputs: [y], attributes: { transposeA } }: Product): {
  rows: number;
  columns: number;
  terms: number;
} {
  const [rows = 0, columns = 0] = y?.shape ?? [];
  return { rows, columns, terms: a?.shape[transposeA ? 0 : 1] ?? 0 };
}

function sharedByRows(node: Product): readonly Node[] {
  const { rows, columns, terms } = sizes(node);
  // A row of many columns is a case of its own, and the same for each of them.
  if (rows === 1 || columns <= rows || columns >= wide || terms <= piece || rows * columns * terms < shared) return [node];
  const [a, b, bias] = node.inputs as [Value, Value, Value?];
  const { transposeA, transposeB } = node.attributes;
  const { nodes, make } = recorder();
  const down = bias === undefined ? [] : [make('reshape', {}, [bias], [columns, 1])];
  const turned = make('gemm', { transposeA: !transposeB, transposeB: !transposeA }, [b, a, ...down], [columns, rows]);
  return [...nodes, { operation: 'transpose', attributes: { permutation: [1, 0] }, inputs: [turned], outputs: node.outputs }];
}

/** With rows and columns of zeros, where a share could be too thin. */
function thick(node: Product): readonly Node[] {
  const { rows, columns, terms } = sizes(node);
  const [high, across] = [Math.max(rows, 2 * mostThreads), Math.max(columns, 2)];
  if (columns > rows || (rows === high && columns === across) || rows * columns * terms < shared) return [node];
  const [a, b, bias] = node.inputs as [Value, Value, Value?];
  const { transposeA, transposeB } = node.attributes;
  const { nodes, make } = recorder();
  const lengthened = (operand: Value, axis: 0 | 1, length: number): Value => {
    const more = length - (operand.shape[axis] ?? 0);
    if (more === 0) return operand;
    const to = (size: number): number[] => operand.shape.map((all, i) => (i === axis ? size : all));
    return make('concat', { axis }, [operand, filled(0, to(more))], to(length));
  };
  const operands = [lengthened(a, transposeA ? 1 : 0, high), lengthened(b, transposeB ? 0 : 1, across)];
  const part = make('slice', { begin: [0, 0] }, [make('gemm', node.attributes, operands, [high, across])], [rows, columns]);
  const last = bias === undefined ? filled(0, []) : bias;
  return [...nodes, { operation: 'add', attributes: {}, inputs: [part, last], outputs: node.outputs }];
}

/**
 * log(1 + e^x) = max(x, 0) + log(1 + t) with t = e^-|x| in (0, 1], and log(1 + t) = 2 artanh(u) = 2 (u + u^3 / 3 + u^5 / 5 + ...) with u = t / (2 + t) in (0, 1/3]. What is left
 * out after u^13 / 13 is 1.4e-8 of the sum at most, a quarter of float32's last bit.
 */
function softplus(node: NodeOf<'softplus'>): readonly Node[] {
  const [x] = node.inputs as [Value];
  const { nodes, make } = recorder();
  const of = (operation: Elementwise, ...operands: readonly (Value | number)[]): Value =>
    make(
      operation,
      {},
      operands.map((operand) => (typeof operand === 'number' ? filled(operand, []) : operand)),
      x.shape,
    );
  const t = of('exp', of('neg', of('abs', x)));
  const u = of('div', t, of('add', t, 2));
  const square = of('mul', u, u);
  let series = of('add', of('mul', square, 2 / 13), 2 / 11);
  for (const odd of [9, 7, 5, 3, 1]) series = of('add', of('mul', series, square), 2 / odd);
  const last: Node = { operation: 'add', attributes: {}, inputs: [of('relu', x), of('mul', series, u)], outputs: node.outputs };
  return [...nodes, last];
}

type Elementwise = 'exp' | 'neg' | 'abs' | 'div' | 'add' | 'mul' | 'relu';

interface Recorder {
  readonly nodes: readonly Node[];
  readonly make: <O extends Operation>(
    operation: O,
    attributes: Operations[O],
    inputs: readonly Value[],
    shape: readonly number[],
  ) => Value;
}

function recorder(): Recorder {
  const nodes: Node[] = [];
  return {
    nodes,
    make(operation, attributes, inputs, shape) {
      const output: Value = { shape, type: 'float32' };
      nodes.push({ operation, attributes, inputs, outputs: [output] } as unknown as Node);
      return output;
    },
  };
}
