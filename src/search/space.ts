/** The search space: one dimension for every parameter that is a distribution. */
import { isDistribution, parameters } from '../config/parameters.ts';
import type { Distribution, SweepConfig } from '../config/types.ts';

export interface Dimension {
  /** As in ParameterValues: `noise.numerical`, `training.learningRate`. */
  readonly path: string;
  readonly distribution: Distribution;
}

/** The searched parameters in a stable order: noise (kinds, levels, columns), model, training. Empty where everything is fixed. */
export const searchSpace = (config: SweepConfig): readonly Dimension[] =>
  parameters(config).flatMap(({ name, space }) => (isDistribution(space) ? [{ path: name, distribution: space }] : []));

/**
 * The value at a point of the unit interval: the inverse of the distribution's cumulative function.
 * @param u in [0, 1)
 * @returns for `uniform` and `logUniform` a number of four significant digits within the two ends, so that configurations can be read and
 * typed; equal steps of u give equally likely values
 */
export function valueAtUnit(distribution: Distribution, u: number): number | string {
  if ('choice' in distribution) {
    const value = distribution.choice[Math.floor(u * distribution.choice.length)];
    if (value === undefined) throw new RangeError('valueAtUnit: no choices, or u outside [0, 1)');
    return value;
  }
  if ('integer' in distribution) {
    const [low, high] = distribution.integer;
    return low + Math.floor(u * (high - low + 1));
  }
  if ('uniform' in distribution) {
    const [low, high] = distribution.uniform;
    return readable(low + u * (high - low), low, high);
  }
  const [low, high] = distribution.logUniform;
  return readable(low * (high / low) ** u, low, high);
}

function readable(value: number, low: number, high: number): number {
  const rounded = Number(value.toPrecision(4));
  return rounded >= low && rounded < high ? rounded : Math.min(Math.max(value, low), high);
}
