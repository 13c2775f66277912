/** The golden vectors that bench/golden.py made with PyTorch: the reference network at a small size, in float32 and in float64. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { decodeSafetensors } from '../../src/base/safetensors.ts';
import type { Batch, TrainingState } from '../../src/engine/engine.ts';
import { offsets, parameterSpecs } from '../../src/model/parameters.ts';
import type { NetworkSpec } from '../../src/model/types.ts';

export const goldenNames = ['transformer', 'mlp'] as const;
export type GoldenName = (typeof goldenNames)[number];
export type Precision = 'float32' | 'float64';

export interface Golden {
  readonly network: NetworkSpec;
  readonly learningRate: number;
  readonly batchSize: number;
  /** The weights before the first step; no moments. */
  readonly start: TrainingState;
  readonly batches: readonly Batch[];
  /** Results by name: features, losses, gradient.NAME, trained.NAME. */
  numbers(precision: Precision, name: string): Float32Array | Float64Array;
  /** The flat vector of `gradient` or `trained`. */
  flat(precision: Precision, group: 'gradient' | 'trained'): Float64Array;
}

export const goldenFile = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export function readGolden(name: GoldenName): Golden {
  const { tensors, metadata } = decodeSafetensors(readFileSync(goldenFile(`${name}.golden.safetensors`)));
  const state = decodeSafetensors(readFileSync(goldenFile(`${name}.safetensors`))).tensors;
  const network = JSON.parse(metadata['network'] ?? '') as NetworkSpec;
  const slices = offsets(parameterSpecs(network));
  const numbers = (key: string, from = tensors): Float32Array | Float64Array => {
    const tensor = from[key];
    if (tensor?.dtype !== 'F32' && tensor?.dtype !== 'F64') throw new Error(`${name}: there is no ${key}`);
    return tensor.data;
  };
  const weights = Float32Array.from(slices.flatMap((slice) => [...numbers(slice.name, state)]));
  const [steps = 0, batchSize = 0, columns = 0] = tensors['clean']?.shape ?? [];
  const part = (key: string, step: number): Float32Array =>
    Float32Array.from(numbers(key)).slice(step * batchSize * columns, (step + 1) * batchSize * columns);
  return {
    network,
    learningRate: Number(metadata['learningRate']),
    batchSize,
    start: { step: 0, weights, firstMoment: new Float32Array(weights.length), secondMoment: new Float32Array(weights.length) },
    batches: Array.from({ length: steps }, (_, step) => ({
      clean: part('clean', step),
      noisy: part('noisy', step),
      mask: part('mask', step),
    })),
    numbers: (precision, key) => numbers(`${precision}.${key}`),
    flat: (precision, group) => Float64Array.from(slices.flatMap((slice) => [...numbers(`${precision}.${group}.${slice.name}`)])),
  };
}

/**
 * Which weights are an attention's key biases. Softmax does not change when a constant is added to all logits of a query, and a key bias adds
 * one: their gradients are 0 in exact arithmetic. What a machine finds there is rounding, which Adam scales up to steps of the full learning rate.
 */
export function keyBiases(network: NetworkSpec): (index: number) => boolean {
  const spans = offsets(parameterSpecs(network))
    .filter(({ name }) => name.endsWith('in_proj_bias'))
    .map(({ offset, size }) => [offset + size / 3, offset + (2 * size) / 3] as const);
  return (index) => spans.some(([from, to]) => index >= from && index < to);
}

/** |a - b| / |b| in L2, over the indices that are not left out. */
export function relativeDistance(a: ArrayLike<number>, b: ArrayLike<number>, leaveOut: (index: number) => boolean): number {
  let [difference, size] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    if (leaveOut(i)) continue;
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}

export const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(b).reduce((largest, value, i) => Math.max(largest, Math.abs(a[i]! - value)), 0);
