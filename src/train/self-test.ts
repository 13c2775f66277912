/**
 * A short test of an engine on the machine that it runs on: some steps of a tiny transformer and the features that they end in, against
 * numbers that the cpu engine gave (a test holds them to it). It takes milliseconds once the engine is loaded, and finds a device, driver or
 * library that computes something else, not one that is a little less exact: the contract suite does that.
 */
import { asNoisefoldError } from '../base/errors.ts';
import { sequence, stream } from '../base/rng.ts';
import type { Batch, Engine, TrainingState } from '../engine/engine.ts';
import { initialState, inputWidth } from '../model/parameters.ts';
import type { NetworkSpec } from '../model/types.ts';

export type SelfTestResult =
  | { readonly ok: true; /** Wall time. */ readonly ms: number }
  | { readonly ok: false; /** What differed, or what was thrown, in one line. */ readonly reason: string };

/** What an engine computes here. */
export interface SelfTestNumbers {
  /** The loss of each step. */
  readonly losses: readonly number[];
  /** All layers' features of the last row, by the weights after the last step. */
  readonly features: readonly number[];
}

const network: NetworkSpec = {
  model: { kind: 'transformer', tokens: 2, tokenSize: 4, heads: 2, feedForward: 6, layers: 2 },
  binary: 4,
  numerical: 3,
  categoricalSources: 2,
  numericalSources: 3,
  loss: { emphasis: 0.75, maskWeight: 2 },
};
const layers = [0, 1];
const rows = 5;
const steps = 6;
const learningRate = 0.01;

/** From the cpu engine. */
export const expected: SelfTestNumbers = {
  losses: [2.1710911, 1.7341445, 1.8463759, 1.7974646, 1.807904, 1.8075241],
  features: [
    -1.180132, 1.494413, -0.7205658, 0.2651049, -0.4362027, -1.305237, 1.365288, 0.4094491, -1.153244, 1.407253, -0.6966487,
    0.3106901, -0.5042413, -1.294011, 1.251446, 0.4654589,
  ],
};

/** Room for products in TensorFloat-32, which GPUs may use: its mantissa has 10 bits. A wrong kernel is off by far more. */
const tolerance = 5e-3;

/** Runs the test; whatever goes wrong is a result, nothing is thrown. */
export async function selfTest(engine: Engine): Promise<SelfTestResult> {
  const started = performance.now();
  try {
    const { losses, features, state } = await runSelfTest(engine);
    const difference =
      differing('the loss of step', losses, expected.losses) ?? differing('feature', features, expected.features);
    if (difference !== undefined) return { ok: false, reason: difference };
    if (engine.capabilities.bitExact) {
      const again = await runSelfTest(engine);
      if (!sameBytes(state, again.state)) return { ok: false, reason: 'the same steps ended in other bytes the second time' };
    }
    return { ok: true, ms: performance.now() - started };
  } catch (thrown) {
    const error = asNoisefoldError(thrown);
    return { ok: false, reason: `${error.code}: ${error.message.split('\n')[0] ?? ''}` };
  }
}

/** The numbers alone. Throws what the engine throws. */
export async function runSelfTest(engine: Engine): Promise<SelfTestNumbers & { readonly state: TrainingState }> {
  const training = await engine.training(network, rows, initialState(network, 1));
  const losses: number[] = [];
  let state: TrainingState;
  try {
    for (let step = 0; step < steps; step++) losses.push(await training.step(batch(step), learningRate));
    state = await training.state();
  } finally {
    await training.release();
  }
  const session = await engine.features(network, layers, rows, state.weights);
  try {
    const features = await session.run(batch(steps).clean);
    return { losses, features: [...features.slice((rows - 1) * session.width, rows * session.width)], state };
  } finally {
    await session.release();
  }
}

/** Rows of 0/1 and of numbers in [-2, 2), about half of whose cells come from the next row. */
function batch(step: number): Batch {
  const width = inputWidth(network);
  const draw = sequence(stream(1, 'self-test'), step);
  const clean = Float32Array.from({ length: rows * width }, (_, i) =>
    i % width < network.binary ? Number(draw() < 0.4) : 4 * draw() - 2,
  );
  const noisy = clean.map((value, i) => (draw() < 0.5 ? (clean[(i + width) % clean.length] ?? 0) : value));
  return { clean, noisy, mask: clean.map((value, i) => Number(value !== noisy[i])) };
}

function differing(what: string, found: readonly number[], wanted: readonly number[]): string | undefined {
  if (found.length !== wanted.length) return `${found.length} numbers where there should be ${wanted.length}`;
  for (const [i, value] of found.entries()) {
    const other = wanted[i] ?? NaN;
    // Written so that NaN differs.
    if (!(Math.abs(value - other) <= tolerance * Math.max(1, Math.abs(other)))) return `${what} ${i} is ${value}, not ${other}`;
  }
  return undefined;
}

function sameBytes(a: TrainingState, b: TrainingState): boolean {
  return (['weights', 'firstMoment', 'secondMoment'] as const).every((key) =>
    a[key].every((value, i) => Object.is(value, b[key][i])),
  );
}
