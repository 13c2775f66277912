/**
 * Training and features as compiled graphs in ONNX Runtime. The step is recorded once a session from the model's tfjs program; its results
 * are fed back as the next step's operands, so weights and moments are not copied until somebody asks for them.
 *
 * Run calls block the thread for the whole step: sessions belong in a process that keeps no promises.
 */
import { createRequire } from 'node:module';
import { featureWidth, inputWidth, parameterCount } from '../../model/parameters.ts';
import { stepRates } from '../../model/step.ts';
import type { NetworkSpec } from '../../model/types.ts';
import { checkLength, checkState } from '../check.ts';
import type { Engine, EngineOptions, FeatureSession, TrainingSession, TrainingState } from '../engine.ts';
import { featureGraph, trainingGraph } from '../trace/programs.ts';
import { cpuDevice, type Device, type Held } from './device.ts';

const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };

/** The engine on this machine's CPU. @param options threads: those inside one operation; any number gives the same bytes */
export const onnxEngine = ({ threads }: Pick<EngineOptions, 'threads'>): Engine => onnxEngineOn(cpuDevice(threads));

/** The engine on a device. */
export function onnxEngineOn(device: Device): Engine {
  return {
    name: 'onnx',
    capabilities: { bitExact: device.bitExact, device: device.name, version: `onnxruntime-node ${version}` },
    training: (network, batchSize, from) => training(device, network, batchSize, from),
    features: (network, layers, batchSize, weights) => features(device, network, layers, batchSize, weights),
  };
}

const results = { weights: 'newWeights', firstMoment: 'newFirstMoment', secondMoment: 'newSecondMoment' } as const;
type Vector = keyof typeof results;
const vectors = Object.keys(results) as Vector[];

async function training(device: Device, network: NetworkSpec, batchSize: number, from: TrainingState): Promise<TrainingSession> {
  const cells = batchSize * inputWidth(network);
  checkState(from, parameterCount(network));
  const session = await device.open(trainingGraph(network, batchSize), Object.values(results));
  let { step } = from;
  const held: Record<Vector, Float32Array | Held> = {
    weights: from.weights.slice(),
    firstMoment: from.firstMoment.slice(),
    secondMoment: from.secondMoment.slice(),
  };
  const read = async (vector: Float32Array | Held): Promise<Float32Array> =>
    vector instanceof Float32Array ? vector.slice() : session.read(vector);
  return {
    async step({ noisy, clean, mask }, learningRate): Promise<number> {
      for (const rows of [noisy, clean, mask]) checkLength('a batch', rows, cells);
      const found = await session.run({ ...held, noisy, clean, mask, rates: stepRates(learningRate, step + 1) });
      for (const vector of vectors) {
        const before = held[vector];
        held[vector] = found.kept(results[vector]);
        if (!(before instanceof Float32Array)) session.discard(before);
      }
      step++;
      return found.numbers('loss')[0] ?? NaN;
    },
    state: async () => ({
      step,
      weights: await read(held.weights),
      firstMoment: await read(held.firstMoment),
      secondMoment: await read(held.secondMoment),
    }),
    async release() {
      for (const vector of Object.values(held)) if (!(vector instanceof Float32Array)) session.discard(vector);
      await session.release();
    },
  };
}

async function features(
  device: Device,
  network: NetworkSpec,
  layers: readonly number[],
  batchSize: number,
  weights: Float32Array,
): Promise<FeatureSession> {
  const cells = batchSize * inputWidth(network);
  checkLength('the weight vector', weights, parameterCount(network));
  const session = await device.open(featureGraph(network, layers, batchSize), []);
  const held = weights.slice();
  return {
    width: featureWidth(network, layers),
    batchSize,
    async run(inputs): Promise<Float32Array> {
      checkLength('a batch', inputs, cells);
      return (await session.run({ weights: held, inputs })).numbers('features');
    },
    release: () => session.release(),
  };
}
