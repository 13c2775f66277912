/** What a study leaves for use: the model bundle, every row's features, and predictions for the rows without target. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Matrix32, rowsOf } from '../base/matrix.ts';
import type { Log } from '../base/ports.ts';
import { thousands } from '../base/units.ts';
import { type ModelBundle, writeBundle } from '../checkpoint/bundle.ts';
import type { SweepConfig, TrialConfig } from '../config/types.ts';
import type { Prepared } from '../dataset/prepare.ts';
import { inverseTarget } from '../dataset/target.ts';
import { openCsv, openNpy, openParquet, type RowIds, type RowWriter } from '../dataset/write.ts';
import type { Engine } from '../engine/engine.ts';
import { featureWidth } from '../model/parameters.ts';
import type { NetworkSpec } from '../model/types.ts';
import { createGramBlocks } from '../ridge/gram.ts';
import { fitAll, predict, type RidgeWeights } from '../ridge/solve.ts';
import type { LinearAlgebra } from '../ridge/types.ts';
import { type FeatureBlock, streamFeatures } from '../train/features.ts';
import { featureLayers, networkOf } from '../train/network.ts';
import { rowIds } from './context.ts';
import { shown } from './study-folder.ts';
import { version } from './version.ts';

export interface BestOptions {
  /** Where the files go; made if need be. */
  readonly folder: string;
  readonly sweep: SweepConfig;
  readonly prepared: Prepared;
  /** The trial's id, configuration, final weights (flat), and the alpha to refit with. */
  readonly trial: { readonly id: string; readonly config: TrialConfig; readonly weights: Float32Array; readonly alpha: number };
  readonly engine: Engine;
  readonly linearAlgebra: LinearAlgebra;
  readonly log: Log;
}

/** Paths of what was written. */
export interface BestFiles {
  readonly bundle: string;
  readonly npy: string;
  readonly parquet: string;
  /** Only where there are rows without target. */
  readonly predictions?: string;
}

/** A trained network as a source of features. */
export interface FeatureSource {
  readonly engine: Engine;
  readonly network: NetworkSpec;
  readonly config: Pick<TrialConfig, 'features'>;
  readonly weights: Float32Array;
}

export const widthOf = ({ network, config }: Pick<FeatureSource, 'network' | 'config'>): number =>
  featureWidth(network, featureLayers(config.features, network)) +
  (config.features.inputs ? network.binary + network.numerical : 0);

export function featuresOf({ engine, network, config, weights }: FeatureSource, inputs: Matrix32): AsyncIterable<FeatureBlock> {
  const { features } = config;
  return streamFeatures({
    engine,
    network,
    weights,
    layers: featureLayers(features, network),
    inputs,
    withInputs: features.inputs,
  });
}

/**
 * Writes bundle, features.npy, features.parquet (ids first; train rows, then test rows) and predictions.csv. Ridge is refitted on all labelled
 * rows in the pass that writes the features; a second pass predicts the others. Throws RIDGE_SINGULAR, DISK_FULL's cause, and what the engine throws.
 */
export async function exportBest(options: BestOptions): Promise<BestFiles> {
  const { folder, sweep, prepared, trial, engine, linearAlgebra, log } = options;
  const { data } = prepared;
  const source: FeatureSource = {
    engine,
    network: networkOf(data.layout, trial.config),
    config: trial.config,
    weights: trial.weights,
  };
  const ids = rowIds(sweep.data.id, prepared.ids);
  const files = { bundle: folder, npy: join(folder, 'features.npy'), parquet: join(folder, 'features.parquet') };
  log.log('info', `Writing ${thousands(data.inputs.rows)} rows of ${thousands(widthOf(source))} features to ${shown(folder)}`);

  const ridgeWeights = await writeFeatures(source, data, files, ids, { linearAlgebra, alpha: trial.alpha });
  await writeBundle(folder, bundleOf(sweep, prepared, trial, source.network, ridgeWeights));

  const predictions = join(folder, 'predictions.csv');
  const unlabelled = Uint32Array.from(data.target.keys()).filter((row) => Number.isNaN(data.target[row]));
  if (unlabelled.length === 0) {
    await rm(predictions, { force: true });
    return files;
  }
  const scores = await predictRows(source, ridgeWeights, rowsOf(data.inputs, unlabelled));
  await writePredictions(
    predictions,
    ids.name,
    Array.from(unlabelled, (row) => ids.values[row] ?? ''),
    scores,
    prepared.target,
  );
  return { ...files, predictions };
}

/** One pass over all rows: both files, and ridge on the labelled ones. */
async function writeFeatures(
  source: FeatureSource,
  { inputs, target, folds }: Prepared['data'],
  files: { readonly npy: string; readonly parquet: string },
  ids: RowIds,
  { linearAlgebra, alpha }: { readonly linearAlgebra: LinearAlgebra; readonly alpha: number },
): Promise<RidgeWeights> {
  const width = widthOf(source);
  const writers: RowWriter[] = [];
  try {
    writers.push(await openNpy(files.npy, inputs.rows, width));
    writers.push(await openParquet(files.parquet, ids, width));
    const grams = createGramBlocks(1, width, linearAlgebra);
    const together = folds.map((fold) => Math.min(fold, 0));
    for await (const { start, rows, features } of featuresOf(source, inputs)) {
      for (const writer of writers) await writer.write(start, rows, width, features);
      await grams.accumulate(features, target.subarray(start, start + rows), together.subarray(start, start + rows));
    }
    const weights = await fitAll(await grams.finish(), linearAlgebra, alpha);
    for (const writer of writers) await writer.close();
    return weights;
  } finally {
    for (const writer of writers) await writer.discard();
  }
}

/** Ridge scores of every row, in the transformed unit. */
export async function predictRows(source: FeatureSource, weights: RidgeWeights, inputs: Matrix32): Promise<Float64Array> {
  const scores = new Float64Array(inputs.rows);
  for await (const { start, rows, features } of featuresOf(source, inputs)) scores.set(predict(weights, features, rows), start);
  return scores;
}

/**
 * A CSV of id and prediction, in the target's own unit. For a binary target `score` is the ridge score clipped to [0, 1], and `prediction` the
 * level on its side of 0.5.
 */
export async function writePredictions(
  path: string,
  idName: string,
  ids: readonly (bigint | string)[],
  scores: Float64Array,
  { task, transform, levels }: Prepared['target'],
): Promise<void> {
  const csv = await openCsv(path, task === 'binary' ? [idName, 'score', 'prediction'] : [idName, 'prediction']);
  try {
    const values = inverseTarget(scores, transform);
    for (const [row, id] of ids.entries()) {
      const value = values[row] ?? NaN;
      if (task === 'binary')
        await csv.record([id, Math.min(1, Math.max(0, value)), (levels ?? ['0', '1'])[value >= 0.5 ? 1 : 0]]);
      else await csv.record([id, value]);
    }
    await csv.close();
  } finally {
    await csv.discard();
  }
}

function bundleOf(
  { study, seed, data: { id, missing, delimiter } }: SweepConfig,
  { data, preprocessor, target }: Prepared,
  trial: BestOptions['trial'],
  network: NetworkSpec,
  ridgeWeights: RidgeWeights,
): ModelBundle {
  return {
    noisefold: version,
    study,
    seed,
    trial: trial.id,
    data: data.hash,
    config: trial.config,
    network,
    target,
    ...(id === undefined ? {} : { id }),
    reading: { missing, ...(delimiter === undefined ? {} : { delimiter }) },
    ridge: { alpha: trial.alpha },
    preprocessor,
    weights: trial.weights,
    ridgeWeights,
  };
}
