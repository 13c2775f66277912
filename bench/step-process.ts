/**
 * An engine in a process of its own, since TensorFlow reads threads and flags once a process. Arguments: engine, threads, index of the network.
 * Does a step for each message, and answers when it is done.
 */
import type { Engine } from '../src/engine/engine.ts';
import { loadEngine } from '../src/engine/registry.ts';
import { initialState } from '../src/model/parameters.ts';
import { batchSize, learningRate, networks, randomBatch } from './networks.ts';

export interface Opened {
  readonly version: string;
  /** Tracing, lowering and compiling, the first step included: XLA compiles then. */
  readonly openMs: number;
}

if (process.send !== undefined) {
  const say = (message: Opened | 'done'): void => void process.send?.(message);
  const [name, threads, index] = process.argv.slice(2);
  const network = networks[Number(index)]![1];
  const engine = await loadEngine(name as Engine['name'], { threads: Number(threads) });
  const batch = randomBatch(network);
  const start = initialState(network, 1);
  const opened = performance.now();
  const session = await engine.training(network, batchSize, start);
  await session.step(batch, learningRate);
  say({ version: engine.capabilities.version, openMs: performance.now() - opened });
  process.on('message', () => void session.step(batch, learningRate).then(() => say('done')));
  process.on('disconnect', () => process.exit(0));
}
