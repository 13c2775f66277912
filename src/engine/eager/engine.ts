/** The same model, operation by operation on tfjs's own cpu backend: slow, obvious, and what the compiled engine is compared with. */
import * as tf from '@tensorflow/tfjs';
import { NoisefoldError } from '../../base/errors.ts';
import { features } from '../../model/network.ts';
import { featureWidth, inputWidth, parameterCount } from '../../model/parameters.ts';
import { stepRates, trainStep } from '../../model/step.ts';
import type { NetworkSpec } from '../../model/types.ts';
import { checkLength, checkState } from '../check.ts';
import type { Engine, FeatureSession, TrainingSession, TrainingState } from '../engine.ts';

/** The engine; it runs on one thread. */
export function cpuEngine(): Engine {
  return {
    name: 'cpu',
    capabilities: { bitExact: true, device: 'cpu', version: `tfjs ${tf.version_core}` },
    training: (network, batchSize, from) => soon(() => training(network, batchSize, from)),
    features: (network, layers, batchSize, weights) => soon(() => featureSession(network, layers, batchSize, weights)),
  };
}

function training(network: NetworkSpec, batchSize: number, from: TrainingState): TrainingSession {
  checkState(from, parameterCount(network));
  const rows: [number, number] = [batchSize, inputWidth(network)];
  const life = lifetime();
  let state = copyOf(from);
  return {
    step: ({ noisy, clean, mask }, learningRate) =>
      soon(() => {
        life.check();
        for (const values of [noisy, clean, mask]) checkLength('a batch', values, rows[0] * rows[1]);
        return onCpu(() => {
          const results = trainStep(network, {
            weights: tf.tensor1d(state.weights),
            firstMoment: tf.tensor1d(state.firstMoment),
            secondMoment: tf.tensor1d(state.secondMoment),
            noisy: tf.tensor2d(noisy, rows),
            clean: tf.tensor2d(clean, rows),
            mask: tf.tensor2d(mask, rows),
            rates: tf.tensor1d(stepRates(learningRate, state.step + 1)),
          });
          state = {
            step: state.step + 1,
            weights: valuesOf(results.weights),
            firstMoment: valuesOf(results.firstMoment),
            secondMoment: valuesOf(results.secondMoment),
          };
          return valuesOf(results.loss)[0] ?? NaN;
        });
      }),
    state: () =>
      soon(() => {
        life.check();
        return copyOf(state);
      }),
    release: () => life.end(),
  };
}

function featureSession(
  network: NetworkSpec,
  layers: readonly number[],
  batchSize: number,
  weights: Float32Array,
): FeatureSession {
  checkLength('the weights', weights, parameterCount(network));
  const columns = inputWidth(network);
  const held = weights.slice();
  const life = lifetime();
  return {
    width: featureWidth(network, layers),
    batchSize,
    run: (inputs) =>
      soon(() => {
        life.check();
        checkLength('a batch', inputs, batchSize * columns);
        return onCpu(() => valuesOf(features(network, layers, tf.tensor1d(held), tf.tensor2d(inputs, [batchSize, columns]))));
      }),
    release: () => life.end(),
  };
}

/** Runs synchronous tfjs code on the cpu backend and gives the process its backend back. */
function onCpu<T>(work: () => T): T {
  // Keeps tfjs from advising other backends on the console.
  tf.enableProdMode();
  const previous = (tf.getBackend() as string | undefined) ?? 'cpu';
  void tf.setBackend('cpu');
  tf.engine().startScope();
  try {
    return work();
  } finally {
    tf.engine().endScope();
    void tf.setBackend(previous);
  }
}

/** A copy, since tfjs may reuse the memory. */
const valuesOf = (tensor: tf.Tensor): Float32Array => Float32Array.from(tensor.dataSync<'float32'>());

const copyOf = ({ step, weights, firstMoment, secondMoment }: TrainingState): TrainingState => ({
  step,
  weights: weights.slice(),
  firstMoment: firstMoment.slice(),
  secondMoment: secondMoment.slice(),
});

/** Synchronous work behind an asynchronous port: what it throws rejects. */
const soon = <T>(work: () => T): Promise<T> => new Promise((resolve) => resolve(work()));

function lifetime(): { check(): void; end(): Promise<void> } {
  let released = false;
  return {
    check() {
      if (released) throw new NoisefoldError('ENGINE_FAILED', 'the session was used after its release');
    },
    end() {
      released = true;
      return Promise.resolve();
    },
  };
}
