/**
 * Training and features as SavedModels that TensorFlow runs. The recorded step is one call: weights and Adam's moments are variables on the
 * device, a batch goes in, the loss comes out.
 *
 * Calls block the thread for the whole step, as ONNX Runtime's do: sessions belong in a process that keeps no promises.
 */
import * as tf from '@tensorflow/tfjs';
import { NoisefoldError } from '../../base/errors.ts';
import { featureWidth, inputWidth, parameterCount } from '../../model/parameters.ts';
import { stepRates } from '../../model/step.ts';
import { valuesOf } from '../backend.ts';
import { checkLength, checkState } from '../check.ts';
import { eagerEngine } from '../eager/engine.ts';
import type { Engine, EngineOptions, FeatureSession, TrainingSession } from '../engine.ts';
import { featureGraph, trainingGraph } from '../trace/programs.ts';
import { backend, type Library, loadLibrary } from './library.ts';
import { openModel } from './model.ts';

/**
 * The compiled engine. With XLA, which is on where there is a GPU, resuming is not promised to end in the same bytes: repeated runs on a CPU
 * were seen to differ, and nobody has looked on a GPU yet.
 */
export function tensorflowEngine(options: EngineOptions): Engine {
  const library = libraryFor(options);
  const { device, version, xla } = library;
  return {
    name: 'tensorflow',
    capabilities: { bitExact: !xla, device, version: xla ? `${version}, XLA` : version },

    async training(network, batchSize, from): Promise<TrainingSession> {
      const count = parameterCount(network);
      const columns = inputWidth(network);
      checkState(from, count);
      const model = await openModel(library, {
        variables: { weights: [count], firstMoment: [count], secondMoment: [count] },
        functions: {
          step: {
            graph: trainingGraph(network, batchSize),
            assigns: { newWeights: 'weights', newFirstMoment: 'firstMoment', newSecondMoment: 'secondMoment' },
          },
        },
      });
      let { step } = from;
      const { weights, firstMoment, secondMoment } = from;
      await model.call(
        'set',
        () => vectors({ weights, firstMoment, secondMoment }),
        () => {},
      );
      const batch = (values: Float32Array): tf.Tensor => tf.tensor2d(values, [batchSize, columns]);
      return {
        async step({ noisy, clean, mask }, learningRate): Promise<number> {
          for (const values of [noisy, clean, mask]) checkLength('a batch', values, batchSize * columns);
          const loss = await model.call(
            'step',
            () => ({
              noisy: batch(noisy),
              clean: batch(clean),
              mask: batch(mask),
              rates: tf.tensor1d(stepRates(learningRate, step + 1)),
            }),
            (results) => valuesOf(results['loss']!)[0] ?? NaN,
          );
          step++;
          return loss;
        },
        state: () =>
          model.call(
            'get',
            () => ({}),
            (results) => ({
              step,
              weights: valuesOf(results['weights']!),
              firstMoment: valuesOf(results['firstMoment']!),
              secondMoment: valuesOf(results['secondMoment']!),
            }),
          ),
        release: () => model.release(),
      };
    },

    async features(network, layers, batchSize, weights): Promise<FeatureSession> {
      const count = parameterCount(network);
      const columns = inputWidth(network);
      checkLength('the weight vector', weights, count);
      const model = await openModel(library, {
        variables: { weights: [count] },
        functions: { features: { graph: featureGraph(network, layers, batchSize) } },
      });
      await model.call(
        'set',
        () => vectors({ weights }),
        () => {},
      );
      return {
        width: featureWidth(network, layers),
        batchSize,
        async run(inputs): Promise<Float32Array> {
          checkLength('a batch', inputs, batchSize * columns);
          return model.call(
            'features',
            () => ({ inputs: tf.tensor2d(inputs, [batchSize, columns]) }),
            (results) => valuesOf(results['features']!),
          );
        },
        release: () => model.release(),
      };
    },
  };
}

/** The same library, operation by operation. */
export function tensorflowEagerEngine(options: EngineOptions): Engine {
  const { device, version } = libraryFor(options);
  return eagerEngine({ name: 'tensorflow-eager', backend, capabilities: { bitExact: device === 'cpu', device, version } });
}

/** The library, on the device that was named. Throws ENGINE_UNAVAILABLE. */
function libraryFor({ threads, device: wanted }: EngineOptions): Library {
  const library = loadLibrary(threads);
  if (wanted === 'cuda' && library.device !== 'gpu')
    throw new NoisefoldError('ENGINE_UNAVAILABLE', `TensorFlow found no GPU (${library.version})`, {
      hint: 'node deploy/tensorflow/install.mjs --cuda installs the TensorFlow for NVIDIA GPUs; noisefold doctor says what it finds.',
    });
  return library;
}

const vectors = (values: Readonly<Record<string, Float32Array>>): tf.NamedTensorMap =>
  Object.fromEntries(Object.entries(values).map(([name, vector]) => [name, tf.tensor1d(vector)]));
