/**
 * tfjs kernels, by name, as operations of the recorded graph. The table holds what the networks, their gradients and Adam use, and their
 * near neighbours; every other kernel is refused by name when it is met (trace.ts).
 */
import { backend_util, slice_util, util } from '@tensorflow/tfjs';
import { NoisefoldError } from '../../base/errors.ts';
import { batchedProductKernel, layerNormKernel } from '../../model/operations.ts';
import { filled, fillOf, sizeOf, type ElementType, type None, type Operation, type Operations, type Value } from './graph.ts';

/** Adds a node with one output and gives that. */
export type Emit = <O extends Operation>(
  operation: O,
  inputs: readonly Value[],
  shape: readonly number[],
  attributes: Operations[O],
  type?: ElementType,
) => Value;

export interface KernelCall {
  /** Operands by name; for kernels that take a list, `0`, `1` and so on. Optional ones may be missing. */
  readonly inputs: Readonly<Record<string, Value | undefined>>;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly emit: Emit;
  /** Adds a node with several outputs. */
  readonly emitMany: <O extends Operation>(
    operation: O,
    inputs: readonly Value[],
    shapes: readonly (readonly number[])[],
    attributes: Operations[O],
  ) => Value[];
}

export type Kernel = (call: KernelCall) => Value | Value[];

type WithoutAttributes = { [O in Operation]: Operations[O] extends None ? O : never }[Operation];

const unary =
  (operation: WithoutAttributes): Kernel =>
  ({ inputs, emit }) => {
    const x = operand(inputs, 'x');
    return emit(operation, [x], x.shape, {}, x.type);
  };

const binary =
  (operation: WithoutAttributes, type?: ElementType): Kernel =>
  ({ inputs, emit }) => {
    const a = operand(inputs, 'a');
    const b = operand(inputs, 'b');
    return emit(operation, [a, b], broadcast(a.shape, b.shape), {}, type ?? a.type);
  };

const reduction =
  (operation: 'sum' | 'mean'): Kernel =>
  ({ inputs, attributes, emit }) => {
    const x = operand(inputs, 'x');
    const axes = util.parseAxisParam((attributes['axis'] ?? undefined) as number | number[], [...x.shape]).sort((a, b) => a - b);
    const keepDimensions = attributes['keepDims'] === true;
    const shape = keepDimensions
      ? x.shape.map((length, i) => (axes.includes(i) ? 1 : length))
      : x.shape.filter((_, i) => !axes.includes(i));
    return emit(operation, [x], shape, { axes, keepDimensions }, x.type);
  };

const constantLike =
  (value: number): Kernel =>
  ({ inputs }) => {
    const x = operand(inputs, 'x');
    return filled(value, x.shape, x.type);
  };

export const kernels: Readonly<Record<string, Kernel>> = {
  Exp: unary('exp'),
  Log: unary('log'),
  Neg: unary('neg'),
  Abs: unary('abs'),
  Sqrt: unary('sqrt'),
  Reciprocal: unary('reciprocal'),
  Relu: unary('relu'),
  Sigmoid: unary('sigmoid'),
  Tanh: unary('tanh'),
  Softplus: unary('softplus'),
  Rsqrt: ({ inputs, emit }) => {
    const x = operand(inputs, 'x');
    return emit('reciprocal', [emit('sqrt', [x], x.shape, {})], x.shape, {});
  },
  Square: ({ inputs, emit }) => {
    const x = operand(inputs, 'x');
    return emit('mul', [x, x], x.shape, {}, x.type);
  },
  Log1p: ({ inputs, emit }) => {
    const x = operand(inputs, 'x');
    return emit('log', [emit('add', [x, filled(1, [])], x.shape, {})], x.shape, {});
  },
  Step: ({ inputs, attributes, emit }) => {
    const x = operand(inputs, 'x');
    const alpha = (attributes['alpha'] as number | undefined) ?? 0;
    if (alpha === 0) return emit('step', [x], x.shape, {});
    return emit(
      'where',
      [emit('greater', [x, filled(0, [])], x.shape, {}, 'bool'), filled(1, []), filled(alpha, [])],
      x.shape,
      {},
    );
  },
  Add: binary('add'),
  Sub: binary('sub'),
  Multiply: binary('mul'),
  RealDiv: binary('div'),
  Maximum: binary('max'),
  Minimum: binary('min'),
  Pow: binary('pow'),
  Greater: binary('greater', 'bool'),
  SquaredDifference: ({ inputs, emit }) => {
    const a = operand(inputs, 'a');
    const b = operand(inputs, 'b');
    const shape = broadcast(a.shape, b.shape);
    const difference = emit('sub', [a, b], shape, {}, a.type);
    return emit('mul', [difference, difference], shape, {}, a.type);
  },
  AddN: ({ inputs, emit }) => list(inputs).reduce((total, x) => emit('add', [total, x], x.shape, {}, x.type)),
  Select: ({ inputs, emit }) => {
    const [condition, t, e] = [operand(inputs, 'condition'), operand(inputs, 't'), operand(inputs, 'e')];
    return emit('where', [condition, t, e], t.shape, {}, t.type);
  },
  Identity: ({ inputs }) => operand(inputs, 'x'),
  Cast: ({ inputs, attributes, emit }) => {
    const x = operand(inputs, 'x');
    const type = attributes['dtype'] as ElementType;
    if (type === x.type) return x;
    const fill = fillOf(x);
    return fill === undefined ? emit('cast', [x], x.shape, {}, type) : filled(fill, x.shape, type);
  },
  Fill: ({ attributes }) =>
    filled(
      attributes['value'] as number,
      attributes['shape'] as number[],
      (attributes['dtype'] as ElementType | undefined) ?? 'float32',
    ),
  ZerosLike: constantLike(0),
  OnesLike: constantLike(1),
  Reshape: ({ inputs, attributes, emit }) => {
    const x = operand(inputs, 'x');
    return emit('reshape', [x], util.inferFromImplicitShape(attributes['shape'] as number[], sizeOf(x.shape)), {}, x.type);
  },
  ExpandDims: ({ inputs, attributes, emit }) => {
    const x = operand(inputs, 'input');
    const dimension = attributes['dim'] as number;
    return emit('reshape', [x], x.shape.toSpliced(dimension < 0 ? x.shape.length + 1 + dimension : dimension, 0, 1), {}, x.type);
  },
  Transpose: ({ inputs, attributes, emit }) => {
    const x = operand(inputs, 'x');
    const permutation = attributes['perm'] as number[];
    return emit(
      'transpose',
      [x],
      permutation.map((from) => x.shape[from]!),
      { permutation: [...permutation] },
      x.type,
    );
  },
  Tile: ({ inputs, attributes, emit }) => {
    const x = operand(inputs, 'x');
    const repeats = attributes['reps'] as number[];
    return emit(
      'tile',
      [x],
      x.shape.map((length, i) => length * repeats[i]!),
      { repeats: [...repeats] },
      x.type,
    );
  },
  Concat: ({ inputs, attributes, emit }) => {
    const parts = list(inputs);
    const [first] = parts;
    if (first === undefined || parts.length === 1) return first ?? filled(0, [0]);
    const [axis] = util.parseAxisParam(attributes['axis'] as number, [...first.shape]) as [number];
    return emit(
      'concat',
      parts,
      first.shape.with(
        axis,
        parts.reduce((total, part) => total + part.shape[axis]!, 0),
      ),
      { axis },
      first.type,
    );
  },
  Pack: ({ inputs, attributes, emit }) => {
    const axis = attributes['axis'] as number;
    const parts = list(inputs).map((part) => emit('reshape', [part], part.shape.toSpliced(axis, 0, 1), {}, part.type));
    const first = parts[0]!;
    return emit('concat', parts, first.shape.with(axis, parts.length), { axis }, first.type);
  },
  SplitV: ({ inputs, attributes, emitMany }) => {
    const x = operand(inputs, 'x');
    const [axis] = util.parseAxisParam(attributes['axis'] as number, [...x.shape]) as [number];
    const sizes = backend_util.prepareSplitSize({ shape: [...x.shape] } as never, attributes['numOrSizeSplits'] as number, axis);
    return emitMany(
      'split',
      [x],
      sizes.map((size) => x.shape.with(axis, size)),
      { axis, sizes },
    );
  },
  Slice: ({ inputs, attributes, emit }) => {
    const x = operand(inputs, 'x');
    const [begin, size] = slice_util.parseSliceParams(
      { shape: [...x.shape] } as never,
      attributes['begin'] as number[],
      attributes['size'] as number[],
    ) as [number[], number[]];
    return emit('slice', [x], size, { begin }, x.type);
  },
  Sum: reduction('sum'),
  Mean: reduction('mean'),
  Softmax: ({ inputs, attributes, emit }) => {
    const x = operand(inputs, 'logits');
    const dimension = attributes['dim'] as number;
    return emit('softmax', [x], x.shape, { axis: dimension < 0 ? dimension + x.shape.length : dimension });
  },
  BatchMatMul: (call) => matMul(call),
  _FusedMatMul: (call) => {
    const y = matMul(call, call.inputs['bias']);
    const activation = call.attributes['activation'];
    if (activation === 'linear') return y;
    if (activation === 'relu') return call.emit('relu', [y], y.shape, {});
    throw unsupported(`_FusedMatMul with activation ${String(activation)}`);
  },
  [layerNormKernel]: ({ inputs, attributes, emitMany }) => {
    const x = operand(inputs, 'x');
    const rows = x.shape.with(-1, 1);
    const epsilon = attributes['epsilon'] as number;
    return emitMany('layerNorm', [x, operand(inputs, 'scale'), operand(inputs, 'shift')], [x.shape, rows, rows], { epsilon });
  },
  [batchedProductKernel]: ({ inputs, attributes, emit }) => {
    const a = operand(inputs, 'a');
    const b = operand(inputs, 'b');
    const flags = attributes as unknown as Operations['product'];
    const swapped = ([m, batch, k]: readonly number[]): number[] => [batch!, m!, k!];
    const shapeA = flags.batchMiddleA ? swapped(a.shape) : a.shape;
    const shapeB = flags.batchMiddleB ? swapped(b.shape) : b.shape;
    return emit('product', [a, b], [shapeA[0]!, shapeA[flags.transposeA ? 2 : 1]!, shapeB[flags.transposeB ? 1 : 2]!], {
      ...flags,
    });
  },
};

/** The error for a kernel that is not in the table. */
export const unsupported = (kernel: string): NoisefoldError =>
  new NoisefoldError('ENGINE_UNSUPPORTED_KERNEL', `the tfjs kernel ${kernel} has no lowering to the compiled graph`, {
    hint: 'Write the step without it, or add it to src/engine/trace/kernels.ts.',
  });

/** Matrix products: one gemm where the batch dimensions are all 1, else a product a batch element. */
function matMul({ inputs, attributes, emit }: KernelCall, bias?: Value): Value {
  const a = operand(inputs, 'a');
  const b = operand(inputs, 'b');
  const transposeA = attributes['transposeA'] === true;
  const transposeB = attributes['transposeB'] === true;
  const m = a.shape.at(transposeA ? -1 : -2)!;
  const n = b.shape.at(transposeB ? -2 : -1)!;
  const leading = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2));
  if (sizeOf(leading) === 1) {
    const matrix = (x: Value): Value => (x.shape.length === 2 ? x : emit('reshape', [x], x.shape.slice(-2), {}));
    const y = emit('gemm', bias === undefined ? [matrix(a), matrix(b)] : [matrix(a), matrix(b), bias], [m, n], {
      transposeA,
      transposeB,
    });
    return leading.length === 0 ? y : emit('reshape', [y], [...leading, m, n], {});
  }
  const flags = { transposeA, transposeB, batchMiddleA: false, batchMiddleB: false, scale: 1 };
  const y = emit('product', [a, b], [...leading, m, n], flags);
  return bias === undefined ? y : emit('add', [y, bias], y.shape, {});
}

const broadcast = (a: readonly number[], b: readonly number[]): number[] =>
  backend_util.assertAndGetBroadcastShape([...a], [...b]);

const list = (inputs: KernelCall['inputs']): Value[] => Object.values(inputs).filter((value) => value !== undefined);

function operand(inputs: KernelCall['inputs'], name: string): Value {
  const value = inputs[name];
  if (value === undefined) throw new RangeError(`a kernel was called without its operand ${name}`);
  return value;
}
