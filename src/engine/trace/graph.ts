/**
 * A recorded computation: a small vocabulary of operations on tensors of fixed shape. It knows neither tfjs, which it is recorded from,
 * nor the runtime it is lowered to.
 */

export type ElementType = 'float32' | 'int32' | 'bool';

/** A tensor that flows along the graph; two values are the same when they are the same object. */
export interface Value {
  readonly shape: readonly number[];
  readonly type: ElementType;
  /** Set for constants: the elements row-major, or one element that fills the shape. */
  readonly constant?: Float32Array | Int32Array | Uint8Array;
}

/** No attributes. */
export type None = Readonly<Record<string, never>>;

interface Reduction {
  /** Ascending, from 0. */
  readonly axes: readonly number[];
  readonly keepDimensions: boolean;
}

/** The operations and their attributes. Shapes that an operation produces stand in its outputs. */
export interface Operations {
  // elementwise, one operand
  exp: None;
  log: None;
  neg: None;
  abs: None;
  sqrt: None;
  reciprocal: None;
  relu: None;
  sigmoid: None;
  tanh: None;
  softplus: None;
  /** 1 where the operand is positive, else 0. */
  step: None;
  cast: None;
  // elementwise, operands broadcast
  add: None;
  sub: None;
  mul: None;
  div: None;
  max: None;
  min: None;
  pow: None;
  greater: None;
  /** condition ? second : third */
  where: None;
  // shape
  reshape: None;
  broadcast: None;
  transpose: { readonly permutation: readonly number[] };
  tile: { readonly repeats: readonly number[] };
  concat: { readonly axis: number };
  /** One output a part. */
  split: { readonly axis: number; readonly sizes: readonly number[] };
  slice: { readonly begin: readonly number[] };
  // reductions
  sum: Reduction;
  mean: Reduction;
  softmax: { readonly axis: number };
  // products
  /** a b (+ c), matrices, either transposed. */
  gemm: { readonly transposeA: boolean; readonly transposeB: boolean };
  /** scale * a b a batch element. Batch dimensions lead, or (three dimensions) stand in the middle. */
  product: {
    readonly transposeA: boolean;
    readonly transposeB: boolean;
    readonly batchMiddleA: boolean;
    readonly batchMiddleB: boolean;
    readonly scale: number;
  };
  /** x, scale, shift -> normalised over the last dimension, mean, 1/sd. */
  layerNorm: { readonly epsilon: number };
}

export type Operation = keyof Operations;

interface NodeOf<O extends Operation> {
  readonly operation: O;
  readonly attributes: Operations[O];
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

/** One application of an operation. */
export type Node = { [O in Operation]: NodeOf<O> }[Operation];

export interface Graph {
  readonly inputs: Readonly<Record<string, Value>>;
  readonly outputs: Readonly<Record<string, Value>>;
  /** In an order in which every operand is made before it is used. */
  readonly nodes: readonly Node[];
}

/** The number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

export const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((length, i) => length === b[i]);

/** A constant of one repeated element. */
export function filled(value: number, shape: readonly number[], type: ElementType = 'float32'): Value {
  return {
    shape,
    type,
    constant: type === 'float32' ? Float32Array.of(value) : type === 'int32' ? Int32Array.of(value) : Uint8Array.of(value),
  };
}

/** The element that fills a constant; undefined for other constants and for everything that is computed. */
export const fillOf = ({ constant }: Value): number | undefined => (constant?.length === 1 ? constant[0] : undefined);
