/**
 * Features from one trained network, or from several (one a fold) put together: each network reads the rows in its own encoding. All
 * networks of a study start from the same weights and see their rows in an order of the same seed, so that unit i of one fold does much what
 * unit i of another does, as long as their inputs are the same columns; what `average` loses where they are not, docs/protocols.md says.
 */
import { NoisefoldError } from '../base/errors.ts';
import type { Matrix32 } from '../base/matrix.ts';
import type { FeaturesConfig, FoldFeatures } from '../config/types.ts';
import type { Engine } from '../engine/engine.ts';
import { featureWidth, inputWidth } from '../model/parameters.ts';
import type { NetworkSpec } from '../model/types.ts';
import { type FeatureBlock, streamFeatures } from './features.ts';
import { featureLayers } from './network.ts';

/** A trained network. */
export interface Member {
  readonly network: NetworkSpec;
  readonly weights: Float32Array;
}

export interface FeatureSource {
  readonly engine: Engine;
  readonly features: FeaturesConfig;
  /** How several members' features become a row's. */
  readonly combine: FoldFeatures;
  readonly members: readonly Member[];
}

/** Features a row of a network's own. */
export const memberWidth = ({ layers, inputs }: FeaturesConfig, network: NetworkSpec): number =>
  featureWidth(network, featureLayers({ layers }, network)) + (inputs ? inputWidth(network) : 0);

/** Features a row. Throws MODEL_SHAPE where members' features are to be averaged, but differ in width. */
export function widthOf({ features, combine, members }: Pick<FeatureSource, 'features' | 'combine' | 'members'>): number {
  const widths = members.map(({ network }) => memberWidth(features, network));
  if (combine === 'concatenate') return widths.reduce((sum, width) => sum + width, 0);
  const [first = 0] = widths;
  if (widths.some((width) => width !== first))
    throw new NoisefoldError('MODEL_SHAPE', `the folds have ${widths.join(', ')} features a row, which cannot be averaged`, {
      where: 'features.folds',
      hint: 'Encoded inputs differ where a level is seen in some folds only: use features.folds: concatenate, or features.inputs: false.',
    });
  return first;
}

/**
 * The features of all rows, in order.
 * @param inputs the rows in the encoding of each member, in the order of the members
 */
export async function* featuresOf(source: FeatureSource, inputs: readonly Matrix32[]): AsyncGenerator<FeatureBlock, void, void> {
  const { engine, features, members, combine } = source;
  const width = widthOf(source);
  const streams = members.map(({ network, weights }, i) => {
    const own = inputs[i];
    if (own === undefined) throw new NoisefoldError('INTERNAL', `member ${i} has no inputs`);
    const layers = featureLayers(features, network);
    return streamFeatures({ engine, network, weights, layers, inputs: own, withInputs: features.inputs });
  });
  const [only] = streams;
  if (only === undefined) return;
  if (streams.length === 1) {
    yield* only;
    return;
  }
  try {
    let joined = new Float32Array(0);
    for (;;) {
      const blocks: FeatureBlock[] = [];
      for (const stream of streams) {
        const next = await stream.next();
        if (next.done === true) return;
        blocks.push(next.value);
      }
      const { start, rows } = blocks[0]!;
      if (joined.length !== rows * width) joined = new Float32Array(rows * width);
      if (combine === 'concatenate') sideBySide(blocks, width, joined);
      else meanOf(blocks, joined);
      yield { start, rows, width, features: joined };
    }
  } finally {
    for (const stream of streams) await stream.return();
  }
}

function sideBySide(blocks: readonly FeatureBlock[], width: number, out: Float32Array): void {
  let from = 0;
  for (const { rows, width: own, features } of blocks) {
    for (let row = 0; row < rows; row++) out.set(features.subarray(row * own, (row + 1) * own), row * width + from);
    from += own;
  }
}

function meanOf(blocks: readonly FeatureBlock[], out: Float32Array): void {
  for (let i = 0; i < out.length; i++) {
    let sum = 0;
    for (const { features } of blocks) sum += features[i]!;
    out[i] = sum / blocks.length;
  }
}

/**
 * The penalty for combined features that does what `alpha` does on one member's: k like feature sets side by side have k times the inner
 * products of one, so they need k times the penalty.
 */
export const combinedAlpha = (alpha: number, { combine, members }: Pick<FeatureSource, 'combine' | 'members'>): number =>
  combine === 'concatenate' ? alpha * members.length : alpha;
