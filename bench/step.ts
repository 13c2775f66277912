/**
 * Milliseconds a training step: the compiled engine with one and two threads, beside the same step in tfjs, operation by operation, on its
 * wasm and cpu backends. Contenders take turns, so that a busy moment of the machine hits all of them; figures are medians.
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import Table from 'cli-table3';
import { sequence, stream } from '../src/base/rng.ts';
import type { Batch, Engine } from '../src/engine/engine.ts';
import { onnxEngine } from '../src/engine/onnx/engine.ts';
import { initialState, inputWidth, parameterCount } from '../src/model/parameters.ts';
import { stepRates, trainStep } from '../src/model/step.ts';
import type { NetworkSpec } from '../src/model/types.ts';

const batchSize = 384;
const shared = {
  binary: 56,
  numerical: 14,
  categoricalSources: 10,
  numericalSources: 14,
  loss: { emphasis: 0.75, maskWeight: 2 },
};
const networks: readonly (readonly [string, NetworkSpec])[] = [
  [
    'small (8 x 32)',
    { ...shared, model: { kind: 'transformer', tokens: 8, tokenSize: 32, heads: 8, feedForward: 128, layers: 3 } },
  ],
  [
    'reference (8 x 128)',
    { ...shared, model: { kind: 'transformer', tokens: 8, tokenSize: 128, heads: 8, feedForward: 512, layers: 3 } },
  ],
];

interface Contender {
  readonly name: string;
  /** Slow ones run fewer steps. */
  readonly rounds: number;
  step(batch: Batch): Promise<number>;
  release(): Promise<void>;
}

async function compiled(threads: number, network: NetworkSpec, rounds: number): Promise<Contender> {
  const engine: Engine = onnxEngine({ threads });
  const session = await engine.training(network, batchSize, initialState(network, 1));
  const name = `onnx, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
  return { name, rounds, step: (batch) => session.step(batch, 3e-4), release: () => session.release() };
}

/** The step op by op; the state stays in the backend's tensors. */
function eager(backend: 'wasm' | 'cpu', network: NetworkSpec, rounds: number): Contender {
  const start = initialState(network, 1);
  let step = 0;
  let state: { weights: tf.Tensor; firstMoment: tf.Tensor; secondMoment: tf.Tensor } | undefined;
  return {
    name: `tfjs ${backend}`,
    rounds,
    async step({ noisy, clean, mask }): Promise<number> {
      await tf.setBackend(backend);
      const rows: [number, number] = [batchSize, inputWidth(network)];
      state ??= {
        weights: tf.tensor1d(start.weights),
        firstMoment: tf.tensor1d(start.firstMoment),
        secondMoment: tf.tensor1d(start.secondMoment),
      };
      const before = state;
      const after = tf.tidy(() => {
        const results = trainStep(network, {
          ...before,
          noisy: tf.tensor2d(noisy, rows),
          clean: tf.tensor2d(clean, rows),
          mask: tf.tensor2d(mask, rows),
          rates: tf.tensor1d(stepRates(3e-4, ++step)),
        });
        return { ...results };
      });
      const value = (await after.loss.data())[0] ?? NaN;
      tf.dispose([before.weights, before.firstMoment, before.secondMoment, after.loss]);
      state = { weights: after.weights, firstMoment: after.firstMoment, secondMoment: after.secondMoment };
      return value;
    },
    release() {
      if (state !== undefined) tf.dispose([state.weights, state.firstMoment, state.secondMoment]);
      return Promise.resolve();
    },
  };
}

function randomBatch(network: NetworkSpec): Batch {
  const width = inputWidth(network);
  const draw = sequence(stream(1, 'bench'));
  const clean = Float32Array.from({ length: batchSize * width }, (_, i) =>
    i % width < network.binary ? Number(draw() < 0.3) : 2 * draw() - 1,
  );
  const noisy = clean.map((value, i) => (draw() < 0.5 ? (clean[(i + width) % clean.length] ?? 0) : value));
  return { clean, noisy, mask: clean.map((value, i) => Number(value !== noisy[i])) };
}

/** Prints the table. @param rounds steps of the compiled contenders */
export async function main(rounds = 20): Promise<void> {
  tf.enableProdMode();
  setWasmPaths(`${dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  setThreadsCount(1);
  const table = new Table({
    head: ['model', 'parameters', 'contender', 'ms a step', 'rows/s', 'steps timed'],
    style: { head: [] },
  });
  for (const [name, network] of networks) {
    const slow = parameterCount(network) > 500_000 ? 1 : 2;
    const contenders = [
      await compiled(1, network, rounds),
      await compiled(2, network, rounds),
      eager('wasm', network, slow),
      eager('cpu', network, slow),
    ];
    const batch = randomBatch(network);
    const times = contenders.map((): number[] => []);
    for (const contender of contenders) for (let i = 0; i < Math.min(3, contender.rounds - 1); i++) await contender.step(batch);
    for (let round = 0; round < rounds; round++)
      for (const [i, contender] of contenders.entries()) {
        if (round >= contender.rounds) continue;
        const start = performance.now();
        await contender.step(batch);
        times[i]?.push(performance.now() - start);
      }
    for (const [i, contender] of contenders.entries()) {
      const sorted = (times[i] ?? []).sort((a, b) => a - b);
      const median = sorted[sorted.length >> 1] ?? NaN;
      const rate = Math.round((batchSize / median) * 1e3);
      table.push([name, parameterCount(network), contender.name, median.toFixed(1), rate, sorted.length]);
      await contender.release();
    }
  }
  console.log(`batch ${batchSize}, Node ${process.version}\n${table.toString()}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(Number(process.argv[2] ?? 20));
