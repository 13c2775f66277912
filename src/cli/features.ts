/** `noisefold features`: a trained model's features, and predictions, for the rows of a file. */
import type { CommandModule } from 'yargs';
import { NoisefoldError } from '../base/errors.ts';
import { thousands } from '../base/units.ts';
import type { BundleMember, ModelBundle } from '../checkpoint/bundle.ts';
import { type EngineName, engineNames } from '../config/types.ts';
import { transform } from '../dataset/encode.ts';
import { columnNamed } from '../dataset/table.ts';
import { idsOf } from '../dataset/prepare.ts';
import { readTable } from '../dataset/read.ts';
import type { Table } from '../dataset/types.ts';
import { openFeatures } from '../dataset/write.ts';
import { type FeatureSource, featuresOf, widthOf } from '../train/ensemble.ts';
import { predictRows, writePredictions } from './best.ts';
import { atLeastOne, autoEngine, type CommonArguments, levelsNote, openMachine, rowIds, terminalLog } from './context.ts';
import { readModel } from './model.ts';
import { makeFolderOf, requireOtherFile } from './output-folder.ts';

interface FeaturesArguments extends CommonArguments {
  model: string;
  data: string;
  out: string | undefined;
  predictions: string | undefined;
  engine: EngineName;
  threads: number | undefined;
}

export const featuresCommand: CommandModule<CommonArguments, FeaturesArguments> = {
  command: 'features',
  describe: "Write a trained model's features, and its predictions, for the rows of a file",
  builder: (yargs) =>
    yargs
      .option('model', { type: 'string', demandOption: true, describe: 'A model: the folder of a study, or its best/' })
      .option('data', {
        type: 'string',
        demandOption: true,
        describe: "Rows with the model's input columns: CSV, CSV.gz or Parquet",
      })
      .option('out', { type: 'string', describe: 'Features: .parquet, .npy or .csv' })
      .option('predictions', { type: 'string', describe: "Predictions by the model's ridge: .csv" })
      .option('engine', { choices: engineNames, default: autoEngine, describe: 'What runs the network' })
      .option('threads', { type: 'number', coerce: atLeastOne('--threads'), describe: 'Engine threads (default: one a core)' })
      .check(({ out, predictions }) => {
        if (out === undefined && predictions === undefined) throw new Error('Name at least one of --out and --predictions');
        return true;
      })
      .example('$0 features --model runs/diamonds/best --data new.csv --out new.parquet', 'Features of new rows')
      .example('$0 features --model runs/diamonds/best --data new.csv --predictions new-prices.csv', 'Their predicted prices'),
  handler: async (args) => {
    const log = terminalLog(args);
    const { model, data, out, predictions } = args;
    if (out !== undefined && !/\.(npy|parquet|csv)$/.test(out))
      throw new NoisefoldError('USAGE', `${out} is none of .parquet, .npy and .csv`, { where: '--out' });
    const bundle = await readModel(model, log);
    for (const file of [out, predictions])
      if (file !== undefined) {
        await makeFolderOf(file);
        await requireOtherFile(file, data);
      }
    const table = await readTable(data, bundle.reading);
    const encodings = bundle.members.map((member) => encoded(member, bundle.reading, table));
    const inputs = encodings.map((encoding) => encoding.inputs);
    for (const warning of new Set(encodings.flatMap(({ warnings }) => warnings))) log.log('warn', warning);
    const id = bundle.id !== undefined && columnNamed(table, bundle.id) !== undefined ? bundle.id : undefined;
    if (bundle.id !== undefined && id === undefined)
      log.log('info', `No column ${bundle.id} in ${data}: rows are numbered from 1.`);
    const ids = rowIds(id, idsOf(table, id));
    const { engine } = await openMachine(args.engine, args.threads, log);
    const source: FeatureSource = { engine, features: bundle.config.features, combine: bundle.combine, members: bundle.members };

    if (out !== undefined) {
      const width = widthOf(source);
      const writer = await openFeatures(out, ids, width);
      if (writer === undefined) return;
      try {
        for await (const { start, rows, features } of featuresOf(source, inputs))
          await writer.write(start, rows, width, features);
        await writer.close();
      } finally {
        await writer.discard();
      }
      log.log('info', `${thousands(table.rows)} rows of ${thousands(width)} features`);
      process.stdout.write(`${out}\n`);
    }
    if (predictions !== undefined) {
      const scores = await predictRows(source, bundle.ridgeWeights, inputs);
      await writePredictions(predictions, ids.name, [...ids.values], scores, bundle.target);
      const levels = levelsNote(bundle.target);
      if (levels !== undefined) log.log('info', levels);
      process.stdout.write(`${predictions}\n`);
    }
  },
};

/** As transform; what is advised does not speak of a configuration, since a bundle's cannot be changed. */
function encoded({ preprocessor }: BundleMember, reading: ModelBundle['reading'], table: Table): ReturnType<typeof transform> {
  try {
    return transform(preprocessor, table);
  } catch (thrown) {
    if (!(thrown instanceof NoisefoldError) || (thrown.code !== 'DATA_NOT_NUMERIC' && thrown.code !== 'DATA_NOT_FINITE'))
      throw thrown;
    const words = ['an empty field', ...reading.missing.map((word) => `"${word}"`)].join(', ');
    throw new NoisefoldError(thrown.code, thrown.message, {
      ...(thrown.where === undefined ? {} : { where: thrown.where }),
      hint: `The model was trained on numbers in this column. What it reads as a missing value: ${words}.`,
      cause: thrown,
    });
  }
}
