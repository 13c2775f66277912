/** What to try: points of the search space, all decided before anything is trained. */
import { NoisefoldError } from '../base/errors.ts';
import { canonicalJson } from '../base/json.ts';
import { philox, stream, unit } from '../base/rng.ts';
import { cardinality, valueAt } from '../config/parameters.ts';
import type { ParameterValues, SamplerName } from '../config/types.ts';
import { directions, scramble, sobolBits, sobolDimensions } from './sobol.ts';
import { valueAtUnit, type Dimension } from './space.ts';

/** After so many repeats in a row a discrete space counts as drawn out, and what is left of it is listed in grid order. */
const patience = 256;

/**
 * The configurations of a study, all different.
 *
 * `random` and `sobol` walk an endless sequence of candidates and skip those that came before (in a space of few values), so trial i is the
 * same whatever `trials` is. In `random`, a parameter's values do not depend on which others are searched. `grid` lists every
 * combination, the last dimension fastest. A space of fewer points than trials gives all of them, so fewer than asked; an
 * empty space gives one trial, with no values.
 * @throws NoisefoldError CONFIG_INVALID if a grid is continuous or larger than `trials`, or Sobol has too many dimensions
 */
export function sample(
  space: readonly Dimension[],
  sampler: SamplerName,
  trials: number,
  seed: number,
): readonly ParameterValues[] {
  const points = space.reduce((product, { distribution }) => product * cardinality(distribution), 1);
  switch (sampler) {
    case 'grid':
      if (!(points <= trials))
        throw new NoisefoldError(
          'CONFIG_INVALID',
          `the grid has ${points === Infinity ? 'infinitely many' : points} points, more than ${trials} trials`,
          {
            where: 'search.trials',
            hint: 'List fewer values with `choice`, raise `trials`, or use the sampler `sobol`.',
          },
        );
      return [...grid(space, points)];
    case 'random':
      return distinct(space, randomUnits(space, seed), trials, points);
    case 'sobol':
      if (space.length > sobolDimensions)
        throw new NoisefoldError(
          'CONFIG_INVALID',
          `${space.length} parameters are searched; the sampler \`sobol\` takes ${sobolDimensions}`,
          {
            where: 'search.sampler',
            hint: 'Use the sampler `random`, or fix some parameters.',
          },
        );
      return distinct(space, sobolUnits(space, seed), trials, points);
    default:
      return sampler satisfies never;
  }
}

/** A candidate: coordinate `d` of point `index`, in [0, 1). */
type Units = (index: number, d: number) => number;

function randomUnits(space: readonly Dimension[], seed: number): Units {
  const keys = space.map(({ path }) => stream(seed, 'search', 'random', path));
  const draw = new Uint32Array(4);
  return (index, d) => {
    philox(keys[d]!, index, 0, 0, 0, draw);
    return unit(draw[0]!);
  };
}

function sobolUnits(space: readonly Dimension[], seed: number): Units {
  const keys = space.map(({ path }) => stream(seed, 'search', 'sobol', path));
  const numbers = space.map((_, d) => directions(d));
  return (index, d) => unit(scramble(sobolBits(index, numbers[d]!), keys[d]!));
}

function distinct(space: readonly Dimension[], units: Units, trials: number, points: number): readonly ParameterValues[] {
  const found = new Map<string, ParameterValues>();
  const wanted = Math.min(trials, points);
  for (let index = 0, repeats = 0; found.size < wanted && repeats < patience; index++) {
    const values = valuesOf(space, ({ distribution }, d) => valueAtUnit(distribution, units(index, d)));
    const key = canonicalJson(values);
    repeats = found.has(key) ? repeats + 1 : 0;
    if (repeats === 0) found.set(key, values);
  }
  if (found.size < wanted && points < Infinity)
    for (const values of grid(space, points)) {
      if (found.size === wanted) break;
      const key = canonicalJson(values);
      if (!found.has(key)) found.set(key, values);
    }
  return [...found.values()];
}

/** Every point of a discrete space, one at a time, the last dimension fastest. */
function* grid(space: readonly Dimension[], points: number): Generator<ParameterValues> {
  const sizes = space.map(({ distribution }) => cardinality(distribution));
  for (let point = 0; point < points; point++) {
    let rest = point;
    const digits = sizes.map(() => 0);
    for (let d = sizes.length - 1; d >= 0; d--) {
      digits[d] = rest % sizes[d]!;
      rest = Math.floor(rest / sizes[d]!);
    }
    yield valuesOf(space, ({ distribution }, d) => valueAt(distribution, digits[d]!));
  }
}

const valuesOf = (space: readonly Dimension[], value: (dimension: Dimension, d: number) => number | string): ParameterValues =>
  Object.fromEntries(space.map((dimension, d) => [dimension.path, value(dimension, d)]));
