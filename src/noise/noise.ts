/**
 * Swap noise: a cell is corrupted by the value that the same column has in another row of the batch (the donor).
 *
 * Swapping keeps every column's marginal distribution, so it needs no scale, and works for numbers and categories alike; what it
 * breaks is the dependence between columns, which is what the autoencoder must learn to repair it (Jahrer, Porto Seguro, 2017).
 *
 * Flavours:
 * - `group`: the unit is the source column. All its encoded columns (a one-hot group; a number and its missing indicator) come from
 *   one donor, drawn for each row and source column, so corrupted groups stay valid.
 * - `reference`: one permutation of the batch's rows gives every row one donor for all its cells, and every encoded column is swapped
 *   on its own, so a one-hot group can end with no or two levels set. As in the first-place solution that DESIGN names.
 *
 * The mask marks changed cells, not swapped ones: a donor with the same value leaves nothing to find. So the effective corruption of
 * a column is its swap probability times the chance that two rows differ in it.
 *
 * Draws are counter-based (base/rng.ts), keyed by (epoch, row, column), row being the index in the whole table. A draw is compared
 * with the probability; it does not depend on it. So trials of a study that differ in probabilities only share their random numbers:
 * a cell that is swapped at p is swapped from the same donor at every larger p.
 */
import { NoisefoldError } from '../base/errors.ts';
import type { Matrix32 } from '../base/matrix.ts';
import { permutation, philox, sequence, stream } from '../base/rng.ts';
import type { NoiseFlavour } from '../config/types.ts';
import type { EncodedLayout } from '../dataset/types.ts';

export interface CorruptRequest {
  readonly epoch: number;
  /** Index of the batch in its epoch; keys the permutation of the reference flavour. */
  readonly batch: number;
  /** [batch size]: the row in `inputs` of each batch position. */
  readonly rows: Uint32Array;
  /** Encoded inputs of the whole table. */
  readonly inputs: Matrix32;
  /** [batch size, inputs.cols] each; overwritten. `mask` gets 1 where `noisy` differs from `clean`, else 0. */
  readonly noisy: Float32Array;
  readonly clean: Float32Array;
  readonly mask: Float32Array;
}

export interface Noise {
  /** The swap probability of a source column, by its index in the layout's sources. */
  readonly probabilities: readonly number[];
  /** Fills the three arrays of a batch. Returns the number of changed cells. */
  corrupt(request: CorruptRequest): number;
}

export interface NoiseOptions {
  readonly flavour: NoiseFlavour;
  readonly layout: EncodedLayout;
  /** By name of the source column, each in [0, 1]. */
  readonly swapProbability: Readonly<Record<string, number>>;
  readonly seed: number;
}

/** Swap noise for one layout. Throws CONFIG_INVALID when a source column has no probability, or one outside [0, 1]. */
export function createNoise({ flavour, layout, swapProbability, seed }: NoiseOptions): Noise {
  const probabilities = layout.sources.map(({ name }) => {
    const p = Object.hasOwn(swapProbability, name) ? swapProbability[name] : undefined;
    if (p === undefined || !(p >= 0 && p <= 1))
      throw new NoisefoldError('CONFIG_INVALID', `swapProbability must be a number from 0 to 1, but is ${String(p)}`, {
        where: `column ${name}`,
        hint: 'Give every source column a probability, by its kind, its number of levels or its name.',
      });
    return p;
  });
  const swap = flavours[flavour](layout, probabilities, seed);
  return {
    probabilities,
    corrupt(request) {
      const { rows, inputs, noisy, clean, mask } = request;
      const { cols, data } = inputs;
      for (let i = 0; i < rows.length; i++) {
        const start = rows[i]! * cols;
        clean.set(data.subarray(start, start + cols), i * cols);
      }
      noisy.set(clean);
      mask.fill(0);
      return swap(request);
    },
  };
}

/** Swaps cells of `noisy`, which equals `clean` on entry, and marks them in `mask`, which is 0 on entry. Returns the number of changed cells. */
type Swap = (request: CorruptRequest) => number;

/** A draw of 32 bits is below this with the probability p. */
const threshold = (p: number): number => p * 2 ** 32;

const flavours: Record<NoiseFlavour, (layout: EncodedLayout, probabilities: readonly number[], seed: number) => Swap> = {
  group: groupSwap,
  reference: referenceSwap,
};

/** Four words a call serve two source columns: (swap?, donor) of each. */
function groupSwap(layout: EncodedLayout, probabilities: readonly number[], seed: number): Swap {
  const key = stream(seed, 'noise');
  const thresholds = Float64Array.from(probabilities, threshold);
  const groups = layout.sources.map((source) => Uint32Array.from(source.encoded));
  const words = new Uint32Array(4);
  return ({ epoch, rows, inputs: { cols }, noisy, clean, mask }) => {
    const others = rows.length - 1;
    if (others === 0) return 0;
    let changed = 0;
    for (let i = 0; i < rows.length; i++) {
      const own = i * cols;
      for (let s = 0; s < groups.length; s++) {
        const lane = (s & 1) << 1;
        if (lane === 0) philox(key, epoch, rows[i]!, s >> 1, 0, words);
        if (words[lane]! >= thresholds[s]!) continue;
        const other = Math.floor(words[lane + 1]! * 2 ** -32 * others);
        const donor = (other < i ? other : other + 1) * cols;
        const group = groups[s]!;
        for (let g = 0; g < group.length; g++) {
          const column = group[g]!;
          const value = clean[donor + column]!;
          if (value === clean[own + column]!) continue;
          noisy[own + column] = value;
          mask[own + column] = 1;
          changed++;
        }
      }
    }
    return changed;
  };
}

/** Four words a call serve four encoded columns. */
function referenceSwap(layout: EncodedLayout, probabilities: readonly number[], seed: number): Swap {
  const key = stream(seed, 'noise');
  const donorKey = stream(seed, 'noise', 'donors');
  const thresholds = new Float64Array(layout.binary + layout.numerical);
  layout.sources.forEach((source, s) => {
    for (const column of source.encoded) thresholds[column] = threshold(probabilities[s] ?? 0);
  });
  const words = new Uint32Array(4);
  return ({ epoch, batch, rows, inputs: { cols }, noisy, clean, mask }) => {
    const donors = permutation(rows.length, sequence(donorKey, epoch, batch));
    let changed = 0;
    for (let i = 0; i < rows.length; i++) {
      const own = i * cols;
      const donor = donors[i]! * cols;
      for (let column = 0; column < cols; column++) {
        const lane = column & 3;
        if (lane === 0) philox(key, epoch, rows[i]!, column >> 2, 0, words);
        if (words[lane]! >= thresholds[column]!) continue;
        const value = clean[donor + column]!;
        if (value === clean[own + column]!) continue;
        noisy[own + column] = value;
        mask[own + column] = 1;
        changed++;
      }
    }
    return changed;
  };
}
