/** The parameters that may be searched, under their short names, and what their distributions can give. */
import type { Distribution, ParameterValues, Searchable, SweepConfig } from './types.ts';

export interface Parameter {
  /** As in ParameterValues: `noise.numerical`, `noise.levels.3-8`, `noise.columns.carat`, `model.tokens`, `training.learningRate`. */
  readonly name: string;
  /** Where it stands in the configuration file. */
  readonly path: readonly string[];
  readonly space: Searchable<number>;
}

export type SearchedSections = Partial<Pick<SweepConfig, 'noise' | 'model' | 'training'>>;

export const transformerSizes = ['tokens', 'tokenSize', 'heads', 'feedForward', 'layers'] as const;
export const mlpSizes = ['units', 'layers'] as const;
export const trainingScalars = ['epochs', 'batchSize', 'learningRate', 'learningRateDecay'] as const;

/** Every parameter of the sections that are there, in a stable order: noise, model, training; within levels and columns numbers
 * ascending, then names in file order (the order of JavaScript's keys). */
export function parameters({ noise, model, training }: SearchedSections): readonly Parameter[] {
  const found: Parameter[] = [];
  const add = (name: string, path: readonly string[], space: Searchable<number>) => found.push({ name, path, space });
  if (noise !== undefined) {
    const { numerical, categorical, levels, columns } = noise.swapProbability;
    const root = ['noise', 'swapProbability'];
    add('noise.numerical', [...root, 'numerical'], numerical);
    add('noise.categorical', [...root, 'categorical'], categorical);
    for (const [key, space] of Object.entries(levels)) add(`noise.levels.${key}`, [...root, 'levels', key], space);
    for (const [key, space] of Object.entries(columns)) add(`noise.columns.${key}`, [...root, 'columns', key], space);
  }
  if (model?.kind === 'transformer') for (const key of transformerSizes) add(`model.${key}`, ['model', key], model[key]);
  if (model?.kind === 'mlp') for (const key of mlpSizes) add(`model.${key}`, ['model', key], model[key]);
  if (training !== undefined) for (const key of trainingScalars) add(`training.${key}`, ['training', key], training[key]);
  return found;
}

const sections = ['noise.numerical', 'noise.categorical', 'noise.levels.', 'noise.columns.', 'model.', 'training.'];

/** A trial's values in the order above, wherever they were kept meanwhile: JSON with sorted keys has another. Columns and sizes by name. */
export function inOrder(values: ParameterValues): ParameterValues {
  const place = (name: string): number => sections.findIndex((section) => name.startsWith(section));
  const byName = new Intl.Collator('en', { numeric: true }).compare;
  return Object.fromEntries(Object.entries(values).sort(([a], [b]) => place(a) - place(b) || byName(a, b)));
}

export const isDistribution = (space: Searchable<number>): space is Distribution => typeof space === 'object';

/** How many values a space has: 1 for a fixed one, Infinity for a continuous one. */
export function cardinality(space: Searchable<number>): number {
  if (!isDistribution(space)) return 1;
  if ('choice' in space) return space.choice.length;
  if ('integer' in space) return space.integer[1] - space.integer[0] + 1;
  return Infinity;
}

/** The k-th of the values that a fixed or discrete space has, 0 <= k < cardinality. Throws a RangeError on a continuous one. */
export function valueAt(space: Searchable<number>, k: number): number | string {
  if (!isDistribution(space)) return space;
  if ('integer' in space) return space.integer[0] + k;
  const value = 'choice' in space ? space.choice[k] : undefined;
  if (value === undefined) throw new RangeError('valueAt: the space is continuous, or has fewer values');
  return value;
}
