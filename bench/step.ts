/**
 * Milliseconds a training step of 384 rows: the compiled engine with one and two threads, beside the same step in tfjs, operation by
 * operation, on its wasm backend, and on its plain JavaScript one where that ends in seconds.
 *
 * npm run bench -- step [--rounds 15]
 */
import type { Batch, Engine } from '../src/engine/engine.ts';
import { onnxEngine } from '../src/engine/onnx/engine.ts';
import { initialState, parameterCount } from '../src/model/parameters.ts';
import type { NetworkSpec } from '../src/model/types.ts';
import { type BenchOptions, type Contender, figure, printHeading, printTable, ratio, takeTurns } from './measure.ts';
import { batchSize, eagerStep, learningRate, networks, prepareEager, randomBatch } from './networks.ts';

interface Compiled extends Contender {
  /** Tracing, lowering and compiling, once a session. */
  readonly openMs: number;
  release(): Promise<void>;
}

async function compiled(threads: number, network: NetworkSpec, batch: Batch): Promise<Compiled> {
  const engine: Engine = onnxEngine({ threads });
  const start = initialState(network, 1);
  const opened = performance.now();
  const session = await engine.training(network, batchSize, start);
  const openMs = performance.now() - opened;
  return {
    name: `onnx, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    openMs,
    run: () => session.step(batch, learningRate),
    release: () => session.release(),
  };
}

export async function main({ rounds = 15 }: BenchOptions = {}): Promise<void> {
  prepareEager();
  printHeading(`A training step of ${batchSize} rows: forward, gradients, Adam.`, [
    'onnxruntime-node',
    '@tensorflow/tfjs',
    '@tensorflow/tfjs-backend-wasm',
  ]);
  const rows: string[][] = [];
  for (const [name, network] of networks) {
    const batch = randomBatch(network);
    const parameters = parameterCount(network);
    const engines = [await compiled(1, network, batch), await compiled(2, network, batch)];
    const wasm = eagerStep('wasm', network, batch);
    const contenders = [...engines, wasm, ...(parameters < 500_000 ? [eagerStep('cpu', network, batch)] : [])];
    const times = await takeTurns(contenders, rounds);
    const slowest = times[contenders.indexOf(wasm)] ?? NaN;
    for (const [i, contender] of contenders.entries()) {
      const ms = times[i] ?? NaN;
      const shown = i === 0 ? [name, parameters.toLocaleString('en')] : ['', ''];
      rows.push([
        ...shown,
        contender.name,
        figure(ms),
        figure((batchSize / ms) * 1e3),
        ratio(slowest / ms),
        figure(engines[i]?.openMs ?? NaN),
      ]);
    }
    for (const engine of engines) await engine.release();
  }
  printTable(['network', 'parameters', 'engine', 'ms a step', 'rows/s', 'speed of wasm', 'ms to compile'], rows);
}
