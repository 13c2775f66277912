/**
 * Learning curves of a study: the best features and the two baselines, on the same draws of labels. Of an inductive study, they are those of
 * fold 0's networks on the rows that fold 0 held out: labels and tests both are rows that the network has not seen.
 */
import { rowsOf, type Matrix32 } from '../base/matrix.ts';
import type { RidgeConfig } from '../config/types.ts';
import type { PreparedData } from '../dataset/types.ts';
import { curveRows, learningCurve, type FeatureRows } from '../ridge/curve.ts';
import type { Working } from '../ridge/solve.ts';
import type { LearningCurvePoint, LinearAlgebra } from '../ridge/types.ts';
import { featuresOf, widthOf, type FeatureSource } from '../train/ensemble.ts';

export interface CurveInput {
  /** The study's, or fold 0's. */
  readonly data: PreparedData;
  readonly ridge: RidgeConfig;
  readonly seed: number;
  readonly linearAlgebra: LinearAlgebra;
  /** `inputs` for the raw baseline. */
  readonly source: Omit<FeatureSource, 'combine'> | 'inputs';
  /** Told the share that is done. */
  readonly working: Working;
}

/** Of one feature set. Throws RIDGE_SINGULAR, what the engine throws, and what `working` does. */
export function learningCurveOf({ data, ridge, source, ...rest }: CurveInput): Promise<LearningCurvePoint[]> {
  return learningCurve({
    ...rest,
    ...ridge.learningCurve,
    features: source === 'inputs' ? inputRows(data.inputs) : featureRows(source, data.inputs),
    target: curveTarget(data),
    alphas: ridge.alphas,
    task: data.task,
  });
}

/** Multiplications of a learning curve, about. */
export function curveWork({ data, ridge, source }: Pick<CurveInput, 'data' | 'ridge' | 'source'>): number {
  const width = source === 'inputs' ? data.inputs.cols : widthOf(oneOf(source));
  const labelled = curveTarget(data).reduce((sum, y) => sum + (Number.isNaN(y) ? 0 : 1), 0);
  return curveRows(width, labelled, ridge.learningCurve.labels, ridge.learningCurve.draws) * width ** 2;
}

const curveTarget = (data: PreparedData): Float64Array =>
  data.heldOut === undefined ? data.target : data.target.map((y, row) => (data.folds[row] === data.heldOut ? y : NaN));

/** The first network alone. */
const oneOf = (trained: Omit<FeatureSource, 'combine'>): FeatureSource => ({
  ...trained,
  members: trained.members.slice(0, 1),
  combine: 'concatenate',
});

const inputRows = (inputs: Matrix32): FeatureRows => ({
  width: inputs.cols,
  read: (rows) => Promise.resolve(rowsOf(inputs, rows).data),
});

function featureRows(trained: Omit<FeatureSource, 'combine'>, inputs: Matrix32): FeatureRows {
  const source = oneOf(trained);
  const width = widthOf(source);
  return {
    width,
    async read(rows) {
      const all = new Float32Array(rows.length * width);
      for await (const { start, features } of featuresOf(source, [rowsOf(inputs, rows)])) all.set(features, start * width);
      return all;
    },
  };
}
