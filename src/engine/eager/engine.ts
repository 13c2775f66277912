/** The same model, operation by operation on tfjs's own cpu backend: slow, obvious, and what the compiled engine is compared with. */
import * as tf from '@tensorflow/tfjs';
import { NoisefoldError } from '../../base/errors.ts';
import { features } from '../../model/network.ts';
import { featureWidth, inputWidth, parameterCount } from '../../model/parameters.ts';
import { stepRates, trainStep } from '../../model/step.ts';
import type { Engine, FeatureSession, TrainingSession } from '../engine.ts';

/** The engine; it runs on one thread. */
export function cpuEngine(): Engine {
  return {
    name: 'cpu',
    capabilities: { bitExact: true, device: 'cpu', version: `tfjs ${tf.version_core}` },

    async training(network, batchSize, from): Promise<TrainingSession> {
      const count = parameterCount(network);
      for (const vector of [from.weights, from.firstMoment, from.secondMoment]) checkLength('the training state', vector, count);
      const rows: [number, number] = [batchSize, inputWidth(network)];
      const life = lifetime();
      let state = {
        step: from.step,
        weights: from.weights.slice(),
        firstMoment: from.firstMoment.slice(),
        secondMoment: from.secondMoment.slice(),
      };
      return {
        async step({ noisy, clean, mask }, learningRate): Promise<number> {
          life.check();
          for (const values of [noisy, clean, mask]) checkLength('a batch', values, rows[0] * rows[1]);
          const next = onCpu(() => {
            const results = trainStep(network, {
              weights: tf.tensor1d(state.weights),
              firstMoment: tf.tensor1d(state.firstMoment),
              secondMoment: tf.tensor1d(state.secondMoment),
              noisy: tf.tensor2d(noisy, rows),
              clean: tf.tensor2d(clean, rows),
              mask: tf.tensor2d(mask, rows),
              rates: tf.tensor1d(stepRates(learningRate, state.step + 1)),
            });
            return {
              weights: values(results.weights),
              firstMoment: values(results.firstMoment),
              secondMoment: values(results.secondMoment),
              loss: values(results.loss)[0] ?? NaN,
            };
          });
          const { loss, ...vectors } = next;
          state = { step: state.step + 1, ...vectors };
          return loss;
        },
        async state() {
          life.check();
          const { step, weights, firstMoment, secondMoment } = state;
          return { step, weights: weights.slice(), firstMoment: firstMoment.slice(), secondMoment: secondMoment.slice() };
        },
        release: life.end,
      };
    },

    async features(network, layers, batchSize, weights): Promise<FeatureSession> {
      checkLength('the weights', weights, parameterCount(network));
      const columns = inputWidth(network);
      const held = weights.slice();
      const life = lifetime();
      return {
        width: featureWidth(network, layers),
        batchSize,
        async run(inputs): Promise<Float32Array> {
          life.check();
          checkLength('a batch', inputs, batchSize * columns);
          return onCpu(() => values(features(network, layers, tf.tensor1d(held), tf.tensor2d(inputs, [batchSize, columns]))));
        },
        release: life.end,
      };
    },
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
const values = (tensor: tf.Tensor): Float32Array<ArrayBuffer> => Float32Array.from(tensor.dataSync<'float32'>());

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

function checkLength(what: string, array: Float32Array, expected: number): void {
  if (array.length !== expected) throw new NoisefoldError('MODEL_SHAPE', `${what} has ${array.length} numbers, not ${expected}`);
}
