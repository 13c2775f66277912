/**
 * Learning curves of a study: the best features and the two baselines, on the same draws of labels. Of an inductive study, they are those of
 * fold 0's networks on the rows that fold 0 held out: labels and tests both are rows that the network has not seen.
 */
import { rowsOf, type Matrix32 } from '../base/matrix.ts';
import type { RidgeConfig } from '../config/types.ts';
import type { PreparedData } from '../dataset/types.ts';
import type { LearningCurve } from '../report/model.ts';
import { learningCurve, type FeatureRows } from '../ridge/curve.ts';
import type { LinearAlgebra } from '../ridge/types.ts';
import { featuresOf, widthOf, type FeatureSource } from '../train/ensemble.ts';

export interface CurveInput {
  /** The study's, or fold 0's. */
  readonly data: PreparedData;
  readonly ridge: RidgeConfig;
  readonly seed: number;
  readonly linearAlgebra: LinearAlgebra;
  /** Feature sets by trial id; `inputs` for the raw baseline. */
  readonly sets: readonly { readonly name: string; readonly source: Omit<FeatureSource, 'combine'> | 'inputs' }[];
  readonly onSet: (name: string) => void;
}

export async function learningCurves({ data, ridge, seed, linearAlgebra, sets, onSet }: CurveInput): Promise<LearningCurve[]> {
  const curves: LearningCurve[] = [];
  if (ridge.learningCurve.labels.length === 0) return curves;
  for (const { name, source } of sets) {
    onSet(name);
    const { labels, draws } = ridge.learningCurve;
    const points = await learningCurve({
      features: source === 'inputs' ? inputRows(data.inputs) : featureRows(source, data.inputs),
      target:
        data.heldOut === undefined ? data.target : data.target.map((y, row) => (data.folds[row] === data.heldOut ? y : NaN)),
      labels,
      draws,
      seed,
      alphas: ridge.alphas,
      task: data.task,
      linearAlgebra,
    });
    curves.push({ name, points });
  }
  return curves;
}

const inputRows = (inputs: Matrix32): FeatureRows => ({
  width: inputs.cols,
  read: (rows) => Promise.resolve(rowsOf(inputs, rows).data),
});

function featureRows(trained: Omit<FeatureSource, 'combine'>, inputs: Matrix32): FeatureRows {
  const source: FeatureSource = { ...trained, members: trained.members.slice(0, 1), combine: 'concatenate' };
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
