/** A tiny table and an engine that is quick and depends on all it is given, to the bit. */
import type { Clock } from '../../src/base/ports.ts';
import { sequence, stream } from '../../src/base/rng.ts';
import type { TrialConfig } from '../../src/config/types.ts';
import type { EncodedLayout, PreparedData } from '../../src/dataset/types.ts';
import type { Engine, TrainingState } from '../../src/engine/engine.ts';
import { featureWidth } from '../../src/model/parameters.ts';

const layout: EncodedLayout = {
  binary: 3,
  numerical: 2,
  names: ['cut=a', 'cut=b', 'cut=c', 'carat', 'depth'],
  sources: [
    { name: 'cut', kind: 'categorical', levels: 3, encoded: [0, 1, 2] },
    { name: 'carat', kind: 'numerical', levels: 0, encoded: [3] },
    { name: 'depth', kind: 'numerical', levels: 0, encoded: [4] },
  ],
};

/** A table with a target that is almost linear in its inputs; the last tenth of the rows has none. */
export function tinyData(rows = 60, task: PreparedData['task'] = 'regression', foldCount = 3): PreparedData {
  const draw = sequence(stream(1, 'tiny'));
  const data = new Float32Array(rows * 5);
  const target = new Float64Array(rows).fill(NaN);
  const folds = new Int32Array(rows).fill(-1);
  for (let r = 0; r < rows; r++) {
    const level = Math.floor(draw() * 3);
    data[r * 5 + level] = 1;
    const carat = (data[r * 5 + 3] = draw() * 2 - 1);
    const depth = (data[r * 5 + 4] = draw() * 2 - 1);
    if (r >= rows * 0.9) continue;
    const signal = level + 2 * carat - depth + 0.1 * draw();
    target[r] = task === 'binary' ? Number(signal + draw() > 1.5) : signal;
    folds[r] = r % foldCount;
  }
  return { hash: `tiny-${task}-${rows}`, layout, inputs: { rows, cols: 5, data }, target, task, folds, foldCount };
}

export const tinyConfig: TrialConfig = {
  noise: { flavour: 'group', swapProbability: { cut: 0.5, carat: 0.3, depth: 0.2 } },
  model: { kind: 'mlp', units: 4, layers: 2 },
  training: {
    epochs: 4,
    batchSize: 8,
    learningRate: 0.01,
    learningRateDecay: 0.9,
    loss: { emphasis: 0.75, maskWeight: 2 },
    checkpointEveryEpochs: 2,
  },
  features: { layers: 'all', inputs: false },
};

export function tinyState(parameters = 11): TrainingState {
  const draw = sequence(stream(2, 'state'));
  return {
    step: 0,
    weights: Float32Array.from({ length: parameters }, draw),
    firstMoment: new Float32Array(parameters),
    secondMoment: new Float32Array(parameters),
  };
}

export interface FakeEngineOptions {
  /** Replaces the loss of a step, by its number from 1. */
  readonly loss?: (step: number, loss: number) => number;
  /** Called before each step, with its number from 1. */
  readonly beforeStep?: (step: number) => void;
  /** The weights become this after each step. */
  readonly poison?: number;
}

/** Momentum towards a mixture of the batch's cells: no learning, but every number counts. Features are sums over the inputs. */
export function fakeEngine({ loss = (_, value) => value, beforeStep = () => {}, poison }: FakeEngineOptions = {}): Engine & {
  readonly open: { training: number; features: number };
} {
  const open = { training: 0, features: 0 };
  return {
    open,
    name: 'cpu',
    capabilities: { bitExact: true, device: 'fake', version: '0' },
    training(_network, _batchSize, from) {
      open.training++;
      let { step } = from;
      const [w, m, v] = [from.weights.slice(), from.firstMoment.slice(), from.secondMoment.slice()];
      return Promise.resolve({
        step({ noisy, clean, mask }, learningRate) {
          beforeStep(step + 1);
          step++;
          let sum = 0;
          for (let c = 0; c < noisy.length; c++) {
            const k = c % w.length;
            const error = (w[k] ?? 0) * (noisy[c] ?? 0) - (clean[c] ?? 0) + 0.5 * (mask[c] ?? 0);
            sum += error * error;
            m[k] = 0.9 * (m[k] ?? 0) + 0.1 * error;
            v[k] = 0.99 * (v[k] ?? 0) + 0.01 * error * error;
            w[k] = poison ?? (w[k] ?? 0) - learningRate * (m[k] ?? 0);
          }
          return Promise.resolve(loss(step, sum / noisy.length));
        },
        state: () => Promise.resolve({ step, weights: w.slice(), firstMoment: m.slice(), secondMoment: v.slice() }),
        release() {
          open.training--;
          return Promise.resolve();
        },
      });
    },
    features(network, layers, batchSize, weights) {
      open.features++;
      const width = featureWidth(network, layers);
      const cols = network.binary + network.numerical;
      const out = new Float32Array(batchSize * width);
      return Promise.resolve({
        width,
        batchSize,
        run(inputs) {
          for (let i = 0; i < batchSize; i++)
            for (let f = 0; f < width; f++) {
              let sum = f;
              for (let c = 0; c < cols; c++) sum += (weights[(c + f) % weights.length] ?? 0) * (inputs[i * cols + c] ?? 0);
              out[i * width + f] = sum;
            }
          return Promise.resolve(out);
        },
        release() {
          open.features--;
          return Promise.resolve();
        },
      });
    },
  };
}

/** A clock that moves on by so many milliseconds whenever it is read. */
export function tickingClock(ms = 1): Clock {
  let now = 0;
  return { now: () => (now += ms) };
}
