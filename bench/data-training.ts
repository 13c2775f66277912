/** What training spends beside its steps, on a prepared table: batches, checkpoints, and whether its speed lasts. */
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { fileArtifacts } from '../src/artifacts/files.ts';
import type { TrialConfig } from '../src/config/types.ts';
import type { PreparedData } from '../src/dataset/types.ts';
import { onnxEngine } from '../src/engine/onnx/engine.ts';
import { initialState } from '../src/model/parameters.ts';
import { createNoise } from '../src/noise/noise.ts';
import { planStudy } from '../src/plan/plan.ts';
import { createBatches } from '../src/train/batches.ts';
import { snapshotOf, train } from '../src/train/loop.ts';
import { networkOf } from '../src/train/network.ts';
import { saveSnapshot } from '../src/train/resume.ts';
import { parse } from './data-config.ts';
import { median } from './measure.ts';

const seed = 1;
const engine = onnxEngine({ threads: availableParallelism() });

function trialOf(data: PreparedData, size: 'reference' | 'small'): TrialConfig {
  const { trials } = planStudy(parse('.', size), { layout: data.layout, rows: data.inputs.rows });
  const config = trials.at(-1)?.config;
  if (config === undefined) throw new Error('no trial');
  return config;
}

const coreMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3;
};

export interface StepShares {
  readonly batchMs: number;
  readonly stepMs: number;
  /** The batches' share of the steps' core time: what counts where cores are shared. */
  readonly coreShare: number;
}

/** Medians of a batch (its rows, their noise and mask) and of a step of the reference model, which take turns; and their core time in all. */
export async function stepShares(data: PreparedData): Promise<StepShares> {
  const config = trialOf(data, 'reference');
  const { batchSize } = config.training;
  const network = networkOf(data.layout, config);
  const { inputs } = data;
  const batches = createBatches(seed, inputs.rows, batchSize);
  const noise = createNoise({ ...config.noise, layout: data.layout, seed });
  const cells = batchSize * inputs.cols;
  const batch = { noisy: new Float32Array(cells), clean: new Float32Array(cells), mask: new Float32Array(cells) };
  const session = await engine.training(network, batchSize, initialState(network, seed));
  const [making, stepping]: [number[], number[]] = [[], []];
  const cores = { batch: 0, step: 0 };
  for (let step = 0; step < Math.min(60, batches.perEpoch); step++) {
    const [started, before] = [performance.now(), coreMs()];
    const position = batches.locate(step);
    noise.corrupt({ ...position, rows: batches.at(position), inputs, ...batch });
    const [made, between] = [performance.now(), coreMs()];
    await session.step(batch, config.training.learningRate);
    making.push(made - started);
    stepping.push(performance.now() - made);
    cores.batch += between - before;
    cores.step += coreMs() - between;
  }
  await session.release();
  return { batchMs: median(making), stepMs: median(stepping), coreShare: cores.batch / cores.step };
}

/** Median milliseconds to read the reference model's state, write it as a checkpoint and have it on the disk. */
export async function checkpointCost(data: PreparedData, folder: string): Promise<number> {
  const config = trialOf(data, 'reference');
  const network = networkOf(data.layout, config);
  const session = await engine.training(network, config.training.batchSize, initialState(network, seed));
  const artifacts = fileArtifacts(folder);
  const times: number[] = [];
  for (let round = 0; round < 7; round++) {
    const started = performance.now();
    const state = { ...(await session.state()), step: round + 1 };
    await artifacts.put(saveSnapshot(snapshotOf(state), { network, seed, data: data.hash, config }));
    times.push(performance.now() - started);
  }
  await session.release();
  return median(times);
}

/** Rows a second, and a second of all cores together, in each tenth of one epoch of the small transformer, checkpoint included. */
export async function epochSpeed(data: PreparedData): Promise<{ wall: number; cores: number }[]> {
  const config = trialOf(data, 'small');
  const network = networkOf(data.layout, config);
  const { batchSize } = config.training;
  const { perEpoch } = createBatches(seed, data.inputs.rows, batchSize);
  const mark = (rows: number) => ({ rows, at: performance.now(), cores: coreMs() });
  const marks = [mark(0)];
  const artifacts = new Map<number, Uint8Array>();
  await train({
    data,
    network,
    config,
    seed,
    engine,
    from: snapshotOf(initialState(network, seed)),
    toStep: perEpoch,
    signal: new AbortController().signal,
    clock: { now: () => performance.now() },
    onProgress: ({ step }) => {
      const last = marks.at(-1)?.rows ?? 0;
      if (step * batchSize >= last + (perEpoch * batchSize) / 10 || step === perEpoch) marks.push(mark(step * batchSize));
    },
    save: (snapshot) =>
      Promise.resolve(
        void artifacts.set(snapshot.state.step, saveSnapshot(snapshot, { network, seed, data: data.hash, config })),
      ),
  });
  return marks.slice(1).map(({ rows, at, cores }, i) => {
    const before = marks[i] ?? mark(0);
    return {
      wall: (1e3 * (rows - before.rows)) / (at - before.at),
      cores: (1e3 * (rows - before.rows)) / (cores - before.cores),
    };
  });
}
