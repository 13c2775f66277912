/**
 * The same model, operation by operation on one of tfjs's backends: cpu is slow, obvious, and what all others are compared with; wasm is
 * the portable fallback; tensorflow is what the compiled engine of that name is measured against. Weights and moments stay in the
 * backend's tensors from step to step.
 */
import * as tf from '@tensorflow/tfjs';
import { features } from '../../model/network.ts';
import { featureWidth, inputWidth, parameterCount } from '../../model/parameters.ts';
import { stepRates, trainStep } from '../../model/step.ts';
import type { NetworkSpec } from '../../model/types.ts';
import { lifetime, soon, valuesOf, withBackend } from '../backend.ts';
import { checkLength, checkState } from '../check.ts';
import type { Engine, EngineCapabilities, FeatureSession, TrainingSession, TrainingState } from '../engine.ts';

export interface EagerBackend {
  /** What the engine is called. */
  readonly name: Engine['name'];
  /** tfjs's name of a backend that is initialised. */
  readonly backend: string;
  readonly capabilities: EngineCapabilities;
}

export function eagerEngine({ name, backend, capabilities }: EagerBackend): Engine {
  return {
    name,
    capabilities,
    training: (network, batchSize, from) => soon(() => training(backend, network, batchSize, from)),
    features: (network, layers, batchSize, weights) => soon(() => featureSession(backend, network, layers, batchSize, weights)),
  };
}

/** tfjs's plain JavaScript; it runs on one thread. */
export const cpuEngine = (): Engine =>
  eagerEngine({
    name: 'cpu',
    backend: 'cpu',
    capabilities: { bitExact: true, device: 'cpu', version: `tfjs ${tf.version_core}` },
  });

function training(backend: string, network: NetworkSpec, batchSize: number, from: TrainingState): TrainingSession {
  checkState(from, parameterCount(network));
  const rows: [number, number] = [batchSize, inputWidth(network)];
  let { step } = from;
  let held = withBackend(backend, () => ({
    weights: keptVector(from.weights),
    firstMoment: keptVector(from.firstMoment),
    secondMoment: keptVector(from.secondMoment),
  }));
  const life = lifetime(() => tf.dispose(held));
  return {
    step: ({ noisy, clean, mask }, learningRate) =>
      soon(() => {
        life.check();
        for (const values of [noisy, clean, mask]) checkLength('a batch', values, rows[0] * rows[1]);
        return withBackend(backend, () => {
          const { loss, weights, firstMoment, secondMoment } = trainStep(network, {
            ...held,
            noisy: tf.tensor2d(noisy, rows),
            clean: tf.tensor2d(clean, rows),
            mask: tf.tensor2d(mask, rows),
            rates: tf.tensor1d(stepRates(learningRate, step + 1)),
          });
          tf.dispose(held);
          held = { weights: tf.keep(weights), firstMoment: tf.keep(firstMoment), secondMoment: tf.keep(secondMoment) };
          step++;
          return valuesOf(loss)[0] ?? NaN;
        });
      }),
    state: () =>
      soon(() => {
        life.check();
        return withBackend(backend, () => ({
          step,
          weights: valuesOf(held.weights),
          firstMoment: valuesOf(held.firstMoment),
          secondMoment: valuesOf(held.secondMoment),
        }));
      }),
    release: () => life.end(),
  };
}

function featureSession(
  backend: string,
  network: NetworkSpec,
  layers: readonly number[],
  batchSize: number,
  weights: Float32Array,
): FeatureSession {
  checkLength('the weights', weights, parameterCount(network));
  const columns = inputWidth(network);
  const held = withBackend(backend, () => keptVector(weights));
  const life = lifetime(() => tf.dispose(held));
  return {
    width: featureWidth(network, layers),
    batchSize,
    run: (inputs) =>
      soon(() => {
        life.check();
        checkLength('a batch', inputs, batchSize * columns);
        return withBackend(backend, () => valuesOf(features(network, layers, held, tf.tensor2d(inputs, [batchSize, columns]))));
      }),
    release: () => life.end(),
  };
}

/** A vector of its own, since tfjs keeps the array that it is given. */
const keptVector = (values: Float32Array): tf.Tensor => tf.keep(tf.tensor1d(values.slice()));
