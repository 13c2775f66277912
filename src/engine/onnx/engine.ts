/**
 * Training and features as compiled graphs in ONNX Runtime. The step is recorded once a session from the model's tfjs program; its results
 * are fed back as the next step's operands, so weights and moments are not copied until somebody asks for them.
 *
 * Run calls block the thread for the whole step: sessions belong in a process that keeps no promises.
 */
import { createRequire } from 'node:module';
import * as ort from 'onnxruntime-node';
import { NoisefoldError } from '../../base/errors.ts';
import { featureWidth, inputWidth, parameterCount } from '../../model/parameters.ts';
import { stepRates } from '../../model/step.ts';
import { checkLength, checkState } from '../check.ts';
import type { Engine, EngineOptions, FeatureSession, TrainingSession } from '../engine.ts';
import type { Graph } from '../trace/graph.ts';
import { featureGraph, trainingGraph } from '../trace/programs.ts';
import { lower } from './lower.ts';

const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };

/** The engine on this machine's CPU. @param options threads: those inside one operation; any number gives the same bytes */
export function onnxEngine(options: EngineOptions): Engine {
  return {
    name: 'onnx',
    capabilities: { bitExact: true, device: 'cpu', version: `onnxruntime-node ${version}` },

    async training(network, batchSize, from): Promise<TrainingSession> {
      const count = parameterCount(network);
      const inputs = inputWidth(network);
      checkState(from, count);
      const session = await open(trainingGraph(network, batchSize), options.threads);
      const vector = (values: Float32Array): ort.Tensor => new ort.Tensor('float32', values.slice(), [count]);
      const batchTensor = (values: Float32Array): ort.Tensor => new ort.Tensor('float32', values, [batchSize, inputs]);
      let { step } = from;
      let weights = vector(from.weights);
      let firstMoment = vector(from.firstMoment);
      let secondMoment = vector(from.secondMoment);
      return {
        async step({ noisy, clean, mask }, learningRate): Promise<number> {
          for (const rows of [noisy, clean, mask]) checkLength('a batch', rows, batchSize * inputs);
          const results = await session.run({
            weights,
            firstMoment,
            secondMoment,
            noisy: batchTensor(noisy),
            clean: batchTensor(clean),
            mask: batchTensor(mask),
            rates: new ort.Tensor('float32', stepRates(learningRate, step + 1), [3]),
          });
          ({
            newWeights: weights,
            newFirstMoment: firstMoment,
            newSecondMoment: secondMoment,
          } = results as Record<'newWeights' | 'newFirstMoment' | 'newSecondMoment', ort.Tensor>);
          step++;
          return floats(results['loss'])[0] ?? NaN;
        },
        state: () =>
          Promise.resolve({
            step,
            weights: floats(weights).slice(),
            firstMoment: floats(firstMoment).slice(),
            secondMoment: floats(secondMoment).slice(),
          }),
        release: () => session.release(),
      };
    },

    async features(network, layers, batchSize, weights): Promise<FeatureSession> {
      const count = parameterCount(network);
      const columns = inputWidth(network);
      const width = featureWidth(network, layers);
      checkLength('the weight vector', weights, count);
      const session = await open(featureGraph(network, layers, batchSize), options.threads);
      const held = new ort.Tensor('float32', weights.slice(), [count]);
      const output = new ort.Tensor('float32', new Float32Array(batchSize * width), [batchSize, width]);
      return {
        width,
        batchSize,
        async run(inputs): Promise<Float32Array> {
          checkLength('a batch', inputs, batchSize * columns);
          await session.run(
            { weights: held, inputs: new ort.Tensor('float32', inputs, [batchSize, columns]) },
            { features: output },
          );
          return floats(output);
        },
        release: () => session.release(),
      };
    },
  };
}

interface Session {
  run(feeds: Record<string, ort.Tensor>, fetches?: Record<string, ort.Tensor>): Promise<ort.InferenceSession.OnnxValueMapType>;
  release(): Promise<void>;
}

/** A session that reports its failures as ENGINE_FAILED and can be released twice. */
async function open(graph: Graph, threads: number): Promise<Session> {
  ort.env.logLevel = 'error';
  const session = await failing(
    ort.InferenceSession.create(lower(graph), {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
    }),
  );
  let open = true;
  return {
    run(feeds, fetches) {
      if (!open) return Promise.reject(new NoisefoldError('ENGINE_FAILED', 'the session was used after its release'));
      return failing(fetches === undefined ? session.run(feeds) : session.run(feeds, fetches));
    },
    async release() {
      if (!open) return;
      open = false;
      await failing(session.release());
    },
  };
}

async function failing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new NoisefoldError('ENGINE_FAILED', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

const floats = (tensor: ort.OnnxValue | undefined): Float32Array => (tensor as ort.Tensor).data as Float32Array;
