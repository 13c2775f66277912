/** What a study leaves for use: the model bundle, every row's features, and predictions for the rows without target. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Matrix32, rowsOf } from '../base/matrix.ts';
import type { Log } from '../base/ports.ts';
import { thousands } from '../base/units.ts';
import { type ModelBundle, writeBundle } from '../checkpoint/bundle.ts';
import type { SweepConfig, TrialConfig } from '../config/types.ts';
import type { Prepared } from '../dataset/prepare.ts';
import { dataHash, encodings, inputsOf } from '../dataset/study-data.ts';
import { inverseTarget } from '../dataset/target.ts';
import { openCsv, openNpy, openParquet, type RowIds, type RowWriter } from '../dataset/write.ts';
import type { Engine } from '../engine/engine.ts';
import { createGramBlocks } from '../ridge/gram.ts';
import { fitAll, idle, predict, type RidgeWeights, type Working } from '../ridge/solve.ts';
import type { LinearAlgebra } from '../ridge/types.ts';
import { combinedAlpha, type FeatureSource, featuresOf, type Member, widthOf } from '../train/ensemble.ts';
import { rowIds } from './context.ts';
import { shown } from './study-folder.ts';
import { version } from './version.ts';

export interface BestOptions {
  /** Where the files go; made if need be. */
  readonly folder: string;
  readonly sweep: SweepConfig;
  readonly prepared: Prepared;
  /** The trial's id and configuration, its networks (one, or one a fold), and the alpha that was best for one of them. */
  readonly trial: {
    readonly id: string;
    readonly config: TrialConfig;
    readonly members: readonly Member[];
    readonly alpha: number;
  };
  readonly engine: Engine;
  readonly linearAlgebra: LinearAlgebra;
  readonly log: Log;
  /** Told the share that is done after each block of rows; a rejection leaves no file half written. */
  readonly working?: Working;
}

/** Paths of what was written. */
export interface BestFiles {
  readonly bundle: string;
  readonly npy: string;
  readonly parquet: string;
  /** Only where there are rows without target. */
  readonly predictions?: string;
}

/**
 * Writes bundle, features.npy, features.parquet (ids first; train rows, then test rows) and predictions.csv. Ridge is refitted on all labelled
 * rows in the pass that writes the features; a second pass predicts the others. Throws RIDGE_SINGULAR, DISK_FULL's cause, and what the engine throws.
 */
export async function exportBest(options: BestOptions): Promise<BestFiles> {
  const { folder, sweep, prepared, trial, engine, linearAlgebra, log, working = idle } = options;
  const { data } = prepared;
  const inputs = inputsOf(prepared);
  const source: FeatureSource = {
    engine,
    features: trial.config.features,
    combine: sweep.features.folds,
    members: trial.members,
  };
  const alpha = combinedAlpha(trial.alpha, source);
  const ids = rowIds(sweep.data.id, prepared.ids);
  const files = { bundle: folder, npy: join(folder, 'features.npy'), parquet: join(folder, 'features.parquet') };
  log.log('info', `Writing ${thousands(data.inputs.rows)} rows of ${thousands(widthOf(source))} features to ${shown(folder)}`);

  const unlabelled = Uint32Array.from(data.target.keys()).filter((row) => Number.isNaN(data.target[row]));
  const toDo = data.target.length + unlabelled.length;
  const ridgeWeights = await writeFeatures(source, inputs, data, files, ids, {
    linearAlgebra,
    alpha,
    between: (rows) => working(rows / toDo),
  });
  await writeBundle(folder, bundleOf(sweep, prepared, trial.id, trial.config, source, alpha, ridgeWeights));

  const predictions = join(folder, 'predictions.csv');
  if (unlabelled.length === 0) {
    await rm(predictions, { force: true });
    return files;
  }
  const scores = await predictRows(
    source,
    ridgeWeights,
    inputs.map((own) => rowsOf(own, unlabelled)),
    (rows) => working((data.target.length + rows) / toDo),
  );
  await writePredictions(
    predictions,
    ids.name,
    Array.from(unlabelled, (row) => ids.values[row] ?? ''),
    scores,
    prepared.target,
  );
  return { ...files, predictions };
}

/** Told how many rows are done, after each block of them; a rejection ends the pass. */
type Between = (rows: number) => Promise<void>;

/** One pass over all rows: both files, and ridge on the labelled ones. */
async function writeFeatures(
  source: FeatureSource,
  inputs: readonly Matrix32[],
  { target, folds }: Prepared['data'],
  files: { readonly npy: string; readonly parquet: string },
  ids: RowIds,
  { linearAlgebra, alpha, between }: { readonly linearAlgebra: LinearAlgebra; readonly alpha: number; readonly between: Between },
): Promise<RidgeWeights> {
  const width = widthOf(source);
  const writers: RowWriter[] = [];
  try {
    writers.push(await openNpy(files.npy, target.length, width));
    writers.push(await openParquet(files.parquet, ids, width));
    const grams = createGramBlocks(1, width, linearAlgebra);
    const together = folds.map((fold) => Math.min(fold, 0));
    for await (const { start, rows, features } of featuresOf(source, inputs)) {
      for (const writer of writers) await writer.write(start, rows, width, features);
      await grams.accumulate(features, target.subarray(start, start + rows), together.subarray(start, start + rows));
      await between(start + rows);
    }
    const weights = await fitAll(await grams.finish(), linearAlgebra, alpha);
    for (const writer of writers) await writer.close();
    return weights;
  } finally {
    for (const writer of writers) await writer.discard();
  }
}

/** Multiplications of exportBest, about; to write a value takes as long as some hundred of them. */
export function bestWork(
  { inputs, target }: Prepared['data'],
  source: Pick<FeatureSource, 'features' | 'combine' | 'members'>,
): number {
  const width = widthOf(source);
  const labelled = target.reduce((sum, y) => sum + (Number.isNaN(y) ? 0 : 1), 0);
  return (labelled * width ** 2) / 2 + width ** 3 / 3 + 600 * inputs.rows * width;
}

/** Ridge scores of every row, in the transformed unit. `inputs`: the rows in the encoding of each network. */
export async function predictRows(
  source: FeatureSource,
  weights: RidgeWeights,
  inputs: readonly Matrix32[],
  between: Between = idle,
): Promise<Float64Array> {
  const scores = new Float64Array(inputs[0]?.rows ?? 0);
  for await (const { start, rows, features } of featuresOf(source, inputs)) {
    scores.set(predict(weights, features, rows), start);
    await between(start + rows);
  }
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
  prepared: Prepared,
  trial: string,
  config: TrialConfig,
  { combine, members }: FeatureSource,
  alpha: number,
  ridgeWeights: RidgeWeights,
): ModelBundle {
  return {
    noisefold: version,
    study,
    seed,
    trial,
    data: dataHash(prepared),
    config,
    target: prepared.target,
    ...(id === undefined ? {} : { id }),
    reading: { missing, ...(delimiter === undefined ? {} : { delimiter }) },
    ridge: { alpha },
    members: encodings(prepared).flatMap(({ preprocessor }, i) => {
      const member = members[i];
      return member === undefined ? [] : [{ preprocessor, ...member }];
    }),
    combine: members.length === 1 ? 'concatenate' : combine,
    ridgeWeights,
  };
}
