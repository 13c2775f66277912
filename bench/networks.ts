/** The networks that are timed, from small to the reference, and the same programs run operation by operation in tfjs. */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { sequence, stream } from '../src/base/rng.ts';
import type { Batch } from '../src/engine/engine.ts';
import { features } from '../src/model/network.ts';
import { hiddenLayers, initialState, inputWidth } from '../src/model/parameters.ts';
import { stepRates, trainStep } from '../src/model/step.ts';
import type { NetworkSpec } from '../src/model/types.ts';
import type { Contender } from './measure.ts';

export const batchSize = 384;
export const learningRate = 3e-4;

const loss = { emphasis: 0.75, maskWeight: 2 };
/** The competition's table: 56 one-hot columns of 10 sources, 14 numbers. */
const tps = { binary: 56, numerical: 14, categoricalSources: 10, numericalSources: 14, loss };
/** examples/diamonds: cut, color and clarity one-hot, 6 numbers. */
const diamonds = { binary: 20, numerical: 6, categoricalSources: 3, numericalSources: 6, loss };
const transformer = { kind: 'transformer', tokens: 8, heads: 8, layers: 3 } as const;

export const networks: readonly (readonly [name: string, network: NetworkSpec])[] = [
  ['example: mlp 3 x 384', { ...diamonds, model: { kind: 'mlp', units: 384, layers: 3 } }],
  ['small transformer: 8 x 32', { ...tps, model: { ...transformer, tokenSize: 32, feedForward: 128 } }],
  ['reference transformer: 8 x 128', { ...tps, model: { ...transformer, tokenSize: 128, feedForward: 512 } }],
];

/** So small that calls and nodes take much of its step. */
export const smallMlp: (typeof networks)[number] = [
  'small mlp: 3 x 64',
  { ...diamonds, model: { kind: 'mlp', units: 64, layers: 3 } },
];

export const allLayers = (network: NetworkSpec): number[] => Array.from({ length: hiddenLayers(network) }, (_, i) => i);

export type EagerBackend = 'wasm' | 'cpu';

/** Makes tfjs as fast as it goes here: no checks; its wasm with SIMD, which it finds by itself, on one thread, all that it has under Node. */
export function prepareEager(): void {
  tf.enableProdMode();
  setWasmPaths(`${dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  setThreadsCount(1);
}

/** A training step op by op; the state stays in the backend's tensors. */
export function eagerStep(backend: EagerBackend, network: NetworkSpec, { noisy, clean, mask }: Batch): Contender {
  const start = initialState(network, 1);
  const rows: [number, number] = [batchSize, inputWidth(network)];
  let step = 0;
  let state: { weights: tf.Tensor; firstMoment: tf.Tensor; secondMoment: tf.Tensor } | undefined;
  return {
    name: `tfjs ${backend}`,
    async run() {
      await tf.setBackend(backend);
      state ??= {
        weights: tf.tensor1d(start.weights),
        firstMoment: tf.tensor1d(start.firstMoment),
        secondMoment: tf.tensor1d(start.secondMoment),
      };
      const before = state;
      const after = tf.tidy(() => ({
        ...trainStep(network, {
          ...before,
          noisy: tf.tensor2d(noisy, rows),
          clean: tf.tensor2d(clean, rows),
          mask: tf.tensor2d(mask, rows),
          rates: tf.tensor1d(stepRates(learningRate, ++step)),
        }),
      }));
      await after.loss.data();
      tf.dispose([before.weights, before.firstMoment, before.secondMoment, after.loss]);
      state = { weights: after.weights, firstMoment: after.firstMoment, secondMoment: after.secondMoment };
    },
  };
}

/** Features op by op, of one block of inputs. */
export function eagerFeatures(
  backend: EagerBackend,
  network: NetworkSpec,
  inputs: Float32Array,
  blockRows: number,
): () => Promise<void> {
  const { weights } = initialState(network, 1);
  const shape: [number, number] = [blockRows, inputWidth(network)];
  let held: tf.Tensor | undefined;
  return async () => {
    await tf.setBackend(backend);
    const flat = (held ??= tf.tensor1d(weights));
    const hidden = tf.tidy(() => features(network, allLayers(network), flat, tf.tensor2d(inputs, shape)));
    await hidden.data();
    hidden.dispose();
  };
}

/** One-hot-like and standardised-like inputs, half of them corrupted. */
export function randomBatch(network: NetworkSpec, rows = batchSize): Batch {
  const width = inputWidth(network);
  const draw = sequence(stream(1, 'bench'));
  const clean = Float32Array.from({ length: rows * width }, (_, i) =>
    i % width < network.binary ? Number(draw() < 0.3) : 2 * draw() - 1,
  );
  const noisy = clean.map((value, i) => (draw() < 0.5 ? (clean[(i + width) % clean.length] ?? 0) : value));
  return { clean, noisy, mask: clean.map((value, i) => Number(value !== noisy[i])) };
}
