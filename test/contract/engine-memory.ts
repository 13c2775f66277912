/**
 * Prints, as JSON, how much memory and how many tensors more there are after 2,000 steps than after the first ones, and after 15 released
 * sessions than after the first ones. A process of its own, so that the figures are of nothing else; it needs --expose-gc. Arguments as in engine-elsewhere.ts.
 *
 * Sizes are chosen so that whatever is kept of each step, or of each session, adds up to more than the bound.
 */
import * as tf from '@tensorflow/tfjs';
import { initialState } from '../../src/model/parameters.ts';
import type { NetworkSpec } from '../../src/model/types.ts';
import { batchOf } from '../model/batch.ts';
import { engineOfArguments } from './engine-elsewhere.ts';

export const boundBytes = 40e6;

export interface Grown {
  readonly tensors: number;
  readonly bytes: number;
}

const narrow: NetworkSpec = {
  binary: 12,
  numerical: 4,
  categoricalSources: 3,
  numericalSources: 4,
  loss: { emphasis: 0.75, maskWeight: 2 },
  model: { kind: 'mlp', units: 8, layers: 1 },
};
/** 24 KB a batch: 49 MB in all steps. */
const rows = 128;
const steps = 2_000;
/** 250,000 parameters: a session holds 3 MB of weights and moments, 45 MB in all sessions. */
const wide: NetworkSpec = { ...narrow, binary: 36, model: { kind: 'mlp', units: 2_048, layers: 1 } };
const sessions = 15;

/** The heap of V8 grows and shrinks when it likes; what is kept of each step grows by as much every time. So the least of a few windows counts. */
async function grownBy(work: () => Promise<void>, windows = 4): Promise<Grown> {
  const grown = await grownOnce(work);
  if (grown.bytes < boundBytes || windows === 1) return grown;
  const again = await grownBy(work, windows - 1);
  return { tensors: grown.tensors + again.tensors, bytes: Math.min(grown.bytes, again.bytes) };
}

async function grownOnce(work: () => Promise<void>): Promise<Grown> {
  const held = (): Grown => {
    gc?.();
    return { tensors: tf.memory().numTensors, bytes: process.memoryUsage.rss() };
  };
  const before = held();
  await work();
  const after = held();
  return { tensors: after.tensors - before.tensors, bytes: after.bytes - before.bytes };
}

if (process.argv[1] === import.meta.filename) {
  const engine = await engineOfArguments();
  const session = await engine.training(narrow, rows, initialState(narrow, 1));
  const batch = batchOf(narrow, rows, 1);
  const train = async (count: number): Promise<void> => {
    for (let step = 0; step < count; step++) await session.step(batch, 1e-3);
  };
  // The heap of V8 takes what it wants at first.
  await train(1_000);
  const bySteps = await grownBy(() => train(steps));
  await session.release();

  const start = initialState(wide, 1);
  const few = batchOf(wide, 4, 1);
  const open = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const training = await engine.training(wide, 4, start);
      await training.step(few, 1e-3);
      await training.release();
      const features = await engine.features(wide, [0], 4, start.weights);
      await features.run(few.clean);
      await features.release();
    }
  };
  await open(5);
  console.log(JSON.stringify({ steps: bySteps, sessions: await grownBy(() => open(sessions)) }));
  process.exit(0);
}
