/** `noisefold ridge`: what a set of features is worth, by cross-validated ridge. */
import Table from 'cli-table3';
import type { CommandModule } from 'yargs';
import { NoisefoldError } from '../base/errors.ts';
import { plusMinus, significant, thousands } from '../base/units.ts';
import { defaults } from '../config/defaults.ts';
import type { TargetConfig } from '../config/types.ts';
import { assignFolds } from '../dataset/split.ts';
import { type TargetAdvice, targetOf } from '../dataset/target.ts';
import type { Table as DataTable } from '../dataset/types.ts';
import { readTable } from '../dataset/read.ts';
import { learningCurve } from '../ridge/curve.ts';
import { scorePath } from '../ridge/score.ts';
import type { LearningCurvePoint, Metrics, RidgeScore } from '../ridge/types.ts';
import { streamInputs } from '../train/features.ts';
import { atLeastOne, type CommonArguments, openLinearAlgebra, terminalLog, threadsOf } from './context.ts';
import { type FeatureFile, readFeatures } from './feature-file.ts';

interface RidgeArguments extends CommonArguments {
  features: string;
  data: string[];
  target: string;
  task: TargetConfig['task'];
  log: boolean;
  drop: string[];
  missing: string[];
  delimiter: string | undefined;
  folds: number;
  'fold-kind': 'plain' | 'shuffled';
  seed: number;
  alphas: readonly number[];
  'learning-curve': boolean;
  threads: number | undefined;
  json: boolean;
}

export const ridgeCommand: CommandModule<CommonArguments, RidgeArguments> = {
  command: 'ridge',
  describe: 'Score features by cross-validated ridge regression',
  builder: (yargs) =>
    yargs
      .option('features', { type: 'string', demandOption: true, describe: 'The features: .npy, .parquet or .csv' })
      .option('target', {
        type: 'string',
        demandOption: true,
        describe: 'The column to predict, in --data or in the features file',
      })
      .option('data', {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'Tables whose rows are, one after the other, those of the features; the first has the target',
      })
      .option('task', {
        choices: ['regression', 'binary'] as const,
        default: 'regression' as const,
        describe: 'What the target is',
      })
      .option('log', { type: 'boolean', default: false, describe: 'Predict log(target); errors are then in that unit' })
      .option('drop', {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'Columns of the features file that are no features',
      })
      .option('missing', {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'Field texts that stand for a missing value, as data.missing of a study',
      })
      .option('delimiter', { type: 'string', describe: 'CSV delimiter, as data.delimiter of a study (default: inferred)' })
      .option('folds', {
        type: 'number',
        coerce: atLeastOne('--folds'),
        default: defaults.ridge.folds.count,
        describe: 'Cross-validation folds',
      })
      .option('fold-kind', {
        choices: ['plain', 'shuffled'] as const,
        default: 'shuffled' as const,
        describe: 'Runs of rows, or rows by the seed',
      })
      .option('seed', {
        type: 'number',
        default: defaults.seed,
        describe: 'Decides shuffled folds and the draws of the learning curve',
      })
      .option('alphas', {
        type: 'string',
        default: defaults.ridge.alphas.join(','),
        coerce: parseAlphas,
        describe: 'Penalties to try, separated by commas',
      })
      .option('learning-curve', { type: 'boolean', default: false, describe: 'Also the error against the number of labels' })
      .option('threads', { type: 'number', coerce: atLeastOne('--threads'), describe: 'Threads (default: one a core)' })
      .option('json', { type: 'boolean', default: false, describe: 'Print JSON' })
      .example(
        '$0 ridge --features runs/x/best/features.npy --data train.csv test.csv --target price --log',
        'Score the features of a study',
      )
      .example('$0 ridge --features table.parquet --target y --alphas 1,10,100', 'Features and target in one file'),
  handler: async (args) => {
    const log = terminalLog(args);
    const { missing, delimiter } = args;
    const tables = await Promise.all(args.data.map((path) => readTable(path, { missing, delimiter })));
    const features = await readFeatures(args.features, [args.target, ...args.drop], { missing, delimiter });
    const { leftOut } = features;
    if (leftOut.length > 0)
      log.log(
        'info',
        `Columns that are not features: ${leftOut.slice(0, 20).join(', ')}${leftOut.length > 20 ? `, and ${leftOut.length - 20} more` : ''}`,
      );
    const target = targetFor(features, tables, args);
    const folds = assignFolds(target, { count: args.folds, kind: args['fold-kind'] }, undefined, args.seed, '--folds');
    const linearAlgebra = await openLinearAlgebra(threadsOf(args.threads), log);
    const { matrix } = features;
    const common = { target, task: args.task, alphas: args.alphas, linearAlgebra };

    const labelled = folds.reduce((sum, fold) => sum + (fold < 0 ? 0 : 1), 0);
    log.log(
      'info',
      `${thousands(labelled)} labelled rows of ${thousands(matrix.rows)}, ${thousands(matrix.cols)} features, ${args.folds} folds`,
    );
    const { score } = await scorePath({
      ...common,
      width: matrix.cols,
      foldCount: args.folds,
      folds,
      batches: () => streamInputs(matrix),
    });
    const curve = args['learning-curve']
      ? await learningCurve({
          ...common,
          features: {
            width: matrix.cols,
            read: (rows) => {
              const picked = new Float32Array(rows.length * matrix.cols);
              rows.forEach((row, i) =>
                picked.set(matrix.data.subarray(row * matrix.cols, (row + 1) * matrix.cols), i * matrix.cols),
              );
              return Promise.resolve(picked);
            },
          },
          labels: defaults.ridge.learningCurve.labels,
          draws: defaults.ridge.learningCurve.draws,
          seed: args.seed,
        })
      : undefined;
    if (args.json)
      process.stdout.write(
        `${JSON.stringify({ score, ...(curve === undefined ? {} : { learningCurve: curve }) }, undefined, 2)}\n`,
      );
    else process.stdout.write(render(score, curve, args.task));
  },
};

function parseAlphas(text: string): readonly number[] {
  const alphas = text.split(',').map(Number);
  const wrong = alphas.findIndex((alpha) => !(alpha > 0 && Number.isFinite(alpha)));
  if (wrong >= 0) throw new Error(`--alphas: "${text.split(',')[wrong] ?? ''}" is not a number above 0`);
  return [...new Set(alphas)].sort((a, b) => a - b);
}

const byOption: TargetAdvice = {
  column: '--target',
  regression: 'give --task regression',
  binary: '--task binary',
  untransformed: 'Leave out --log',
};

/** [rows of the features], NaN where there is none. Throws DATA_UNKNOWN_COLUMN, DATA_TARGET, DATA_MISMATCH. */
function targetFor(features: FeatureFile, tables: readonly DataTable[], args: RidgeArguments): Float64Array {
  const config: TargetConfig = { column: args.target, task: args.task, transform: args.log ? 'log' : 'none' };
  const [first] = tables;
  if (first === undefined) {
    if (features.table === undefined)
      throw new NoisefoldError('USAGE', 'a .npy file has no target column', {
        where: '--target',
        hint: 'Name the table that has it: --data train.csv',
      });
    return targetOf(features.table, config, byOption).values;
  }
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  if (rows !== features.matrix.rows)
    throw new NoisefoldError(
      'DATA_MISMATCH',
      `${args.features} has ${features.matrix.rows} rows, and ${args.data.join(' + ')} ${rows}`,
      {
        where: '--data',
        hint: 'The features of a study are those of its train file, then of its test file: --data train.csv test.csv',
      },
    );
  const target = new Float64Array(rows).fill(NaN);
  target.set(targetOf(first, config, byOption).values);
  return target;
}

/** Mean over folds and its standard error. */
export function overFolds(
  score: RidgeScore,
  alpha: number,
  metric: (metrics: Metrics) => number,
): { mean: number; standardError: number; values: number[] } {
  const values = score.folds.flatMap(({ metrics }) => (metrics[alpha] === undefined ? [] : [metric(metrics[alpha])]));
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, standardError: Math.sqrt(variance / values.length), values };
}

export const metricName = (task: TargetConfig['task']): string => (task === 'binary' ? 'AUC' : 'RMSE');
export const mainMetric =
  (task: TargetConfig['task']) =>
  (metrics: Metrics): number =>
    task === 'binary' ? (metrics.auc ?? NaN) : metrics.rmse;

function render(score: RidgeScore, curve: readonly LearningCurvePoint[] | undefined, task: TargetConfig['task']): string {
  const style = { head: [], border: [], compact: true };
  const others: readonly [string, (metrics: Metrics) => number][] =
    task === 'binary'
      ? [['accuracy', ({ accuracy }) => accuracy ?? NaN]]
      : [
          ['MAE', ({ mae }) => mae],
          ['R2', ({ r2 }) => r2],
        ];
  const path = new Table({ head: ['alpha', metricName(task), ...others.map(([name]) => name), ''], style });
  score.alphas.forEach((alpha, index) => {
    const { mean, standardError } = overFolds(score, index, mainMetric(task));
    const rest = others.map(([, metric]) => significant(overFolds(score, index, metric).mean));
    path.push([String(alpha), plusMinus(mean, standardError), ...rest, index === score.best ? 'best' : '']);
  });
  const best = overFolds(score, score.best, mainMetric(task));
  const lines = [
    path.toString(),
    `${metricName(task)} ${plusMinus(best.mean, best.standardError)} at alpha ${score.alphas[score.best]}; by fold: ${best.values.map((value) => significant(value)).join(' ')}`,
  ];
  if (curve !== undefined) {
    const table = new Table({ head: ['labels', metricName(task), 'draws'], style });
    for (const { labels, mean, standardError, draws } of curve)
      table.push([thousands(labels), plusMinus(mean, standardError), String(draws)]);
    lines.push('', curve.length === 0 ? 'Too few labelled rows for a learning curve.' : table.toString());
  }
  return `${lines.join('\n')}\n`;
}
