/**
 * Features from the mean of the weights at the ends of the last k epochs, which evens out what the last steps happened to do (stochastic
 * weight averaging: Izmailov et al. 2018, "Averaging weights leads to wider optima"; latest k: Kaddour 2022, "Stop wasting my time").
 *
 * Training itself goes on from the last weights and never sees the mean. The k weight vectors are kept, not their running mean: so the mean
 * is that of the last k epochs also where training is stopped anywhere, or goes on to more epochs than were planned.
 */
import type { TrainingState } from '../engine/engine.ts';

/** The weights at the ends of the last epochs, oldest first; empty where nothing is averaged. */
export type RecentWeights = readonly Float32Array[];

/** Adds the weights at an epoch's end, and drops what is older than the last `keep` epochs. Nothing is kept for a `keep` of 1. */
export const withRecent = (recent: RecentWeights, weights: Float32Array, keep: number): RecentWeights =>
  keep > 1 ? [...recent, weights].slice(-keep) : [];

/** The weights to use: the mean of the recent ones, summed in float64 from the oldest on; without any, those of the state. */
export function finalWeights({ state, recent }: { readonly state: TrainingState; readonly recent: RecentWeights }): Float32Array {
  const [first] = recent;
  if (first === undefined) return state.weights;
  const sum = Float64Array.from(first);
  for (const weights of recent.slice(1)) for (let i = 0; i < sum.length; i++) sum[i]! += weights[i]!;
  return Float32Array.from(sum, (value) => value / recent.length);
}
