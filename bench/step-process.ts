/**
 * An engine in a process of its own, since TensorFlow reads threads and flags once a process. Arguments: engine ("as-it-comes" is tfjs wasm;
 * "stacked" is onnx with several trials in one graph), threads, index of the network, and for "stacked" the number of trials. Each line of its
 * input asks for something and is answered by a line of JSON; torch_step.py does the same.
 *
 *   open 384    a session for batches of 384 rows, and a first step, which compiles where steps do
 *   turn 400    steps for at least 400 ms, after one that does not count
 */
import { createInterface } from 'node:readline';
import type { Engine } from '../src/engine/engine.ts';
import { loadEngine } from '../src/engine/registry.ts';
import { initialState } from '../src/model/parameters.ts';
import { eagerStep, learningRate, networks, prepareEager, randomBatch, smallMlp } from './networks.ts';
import { stackedTraining } from './stacked-step.ts';

export interface Opened {
  readonly version: string;
  /** Tracing, lowering and compiling, the first step included: XLA compiles then. */
  readonly openMs: number;
}

export interface Turn {
  /** Of a step: wall clock, and the core time of the whole process. */
  readonly ms: number;
  readonly coreMs: number;
  /** Core milliseconds of the turn. */
  readonly turnCoreMs: number;
}

interface Step {
  readonly version: string;
  step(): Promise<unknown>;
  release(): Promise<void>;
}

const [name = '', threads, index, trials] = process.argv.slice(2);
const network = [...networks, smallMlp][Number(index)]![1];
const coreMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
};

async function openStep(rows: number): Promise<Step> {
  const batch = randomBatch(network, rows);
  if (name === 'as-it-comes') {
    prepareEager();
    const { run } = eagerStep('wasm', network, batch);
    return { version: '', step: run, release: () => Promise.resolve() };
  }
  if (name === 'stacked') {
    const each = <T>(value: T): T[] => Array<T>(Number(trials)).fill(value);
    const session = await stackedTraining(Number(threads), network, rows, Number(trials), initialState(network, 1));
    return { version: '', step: () => session.step(each(batch), each(learningRate)), release: () => session.release() };
  }
  const engine = await loadEngine(name as Engine['name'], { threads: Number(threads) });
  const session = await engine.training(network, rows, initialState(network, 1));
  const step = (): Promise<number> => session.step(batch, learningRate);
  return { version: engine.capabilities.version, step, release: () => session.release() };
}

let current: Step | undefined;
let lastMs = Infinity;

async function timedStep(step: Step): Promise<void> {
  const started = performance.now();
  await step.step();
  lastMs = performance.now() - started;
}

async function turn(step: Step, atLeastMs: number): Promise<Turn> {
  const coreBefore = coreMs();
  // Caches are others' and threads asleep after the others' turns. What takes a second does not notice.
  if (lastMs < 1000) await timedStep(step);
  const [started, core] = [performance.now(), coreMs()];
  let steps = 0;
  do {
    await timedStep(step);
    steps++;
  } while (performance.now() - started < atLeastMs);
  return { ms: (performance.now() - started) / steps, coreMs: (coreMs() - core) / steps, turnCoreMs: coreMs() - coreBefore };
}

for await (const line of createInterface({ input: process.stdin })) {
  const [verb, number] = line.split(' ');
  let answer: Opened | Turn;
  if (verb === 'open') {
    await current?.release();
    const started = performance.now();
    current = await openStep(Number(number));
    await timedStep(current);
    answer = { version: current.version, openMs: performance.now() - started };
  } else answer = await turn(current!, Number(number));
  console.log(JSON.stringify(answer));
}
process.exit(0);
