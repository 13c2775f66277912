/** `noisefold data inspect` and `noisefold data generate`: tables, before anything is trained on them. */
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { inspectTables } from '../dataset/describe.ts';
import { generateTps } from '../dataset/generate.ts';
import { readTable } from '../dataset/read.ts';
import { writeText } from '../dataset/write.ts';
import { describedTable } from '../report/description.ts';
import { type CommonArguments, terminalLog } from './context.ts';
import { makeFolderOf } from './output-folder.ts';
import { paintOf, terminalOf } from './display.ts';

interface InspectArguments extends CommonArguments {
  files: string[];
  target: string | undefined;
  id: string | undefined;
  missing: string[];
  delimiter: string | undefined;
  json: boolean;
}

const inspectCommand: CommandModule<CommonArguments, InspectArguments> = {
  command: 'inspect <files..>',
  describe: 'Show the columns of a table: kind, levels, missing values, range; and how to override what was inferred',
  builder: (yargs) =>
    yargs
      .positional('files', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'CSV, CSV.gz or Parquet: the training table, then tables with more rows',
      })
      .check(({ files }) => {
        const twice = files.find((file, i) => files.findIndex((other) => resolve(other) === resolve(file)) < i);
        if (twice !== undefined) throw new Error(`${twice} is named twice: its rows would count twice`);
        return true;
      })
      .option('target', { type: 'string', describe: 'The column to predict' })
      .option('id', { type: 'string', describe: 'The column that identifies a row' })
      .option('missing', {
        type: 'string',
        array: true,
        default: [] as string[],
        describe: 'Field texts that stand for a missing value',
      })
      .option('delimiter', { type: 'string', describe: 'CSV delimiter (default: inferred)' })
      .option('json', { type: 'boolean', default: false, describe: 'Print JSON' })
      .example('$0 data inspect train.csv', 'What would noisefold make of these columns?')
      .example('$0 data inspect train.csv test.csv --target price --id id', 'Both tables, with their roles'),
  handler: async ({ files, target, id, missing, delimiter, json }) => {
    const [first, ...rest] = await Promise.all(files.map((file) => readTable(file, { missing, delimiter })));
    if (first === undefined) return;
    const config = { ...(target === undefined ? {} : { target: { column: target } }), ...(id === undefined ? {} : { id }) };
    const description = inspectTables([first, ...rest], config);
    const width = process.stdout.isTTY ? process.stdout.columns : undefined;
    const paint = paintOf(terminalOf(process.stdout, process.env).colour);
    process.stdout.write(json ? `${JSON.stringify(description, undefined, 2)}\n` : describedTable(description, { width, paint }));
  },
};

interface GenerateArguments extends CommonArguments {
  like: 'tps-feb-2021';
  rows: number;
  'test-rows': number;
  seed: number;
  out: string;
}

const generateCommand: CommandModule<CommonArguments, GenerateArguments> = {
  command: 'generate',
  describe: 'Make a table with a known signal, of the shape of a well-known one',
  builder: (yargs) =>
    yargs
      .option('like', { choices: ['tps-feb-2021'] as const, demandOption: true, describe: 'The shape: columns, levels, target' })
      .option('rows', { type: 'number', default: 300_000, describe: 'Labelled rows' })
      .option('test-rows', { type: 'number', default: 0, describe: 'Rows without target' })
      .option('seed', { type: 'number', default: 1, describe: 'Decides every value' })
      .option('out', { type: 'string', demandOption: true, describe: 'Folder for train.csv and test.csv' })
      .check(({ rows, 'test-rows': testRows }) => {
        if (!(Number.isInteger(rows) && rows >= 1)) throw new Error('--rows is a whole number of at least 1');
        if (!(Number.isInteger(testRows) && testRows >= 0)) throw new Error('--test-rows is a whole number of at least 0');
        return true;
      })
      .example('$0 data generate --like tps-feb-2021 --rows 20000 --test-rows 5000 --out data', 'A small one to try things on'),
  handler: async (args) => {
    const log = terminalLog(args);
    const { train, test } = generateTps(args.rows, args['test-rows'], args.seed);
    const files = [
      { path: join(args.out, 'train.csv'), chunks: train },
      ...(args['test-rows'] === 0 ? [] : [{ path: join(args.out, 'test.csv'), chunks: test }]),
    ];
    for (const { path } of files) await makeFolderOf(path);
    for (const { path, chunks } of files) {
      await writeText(path, chunks);
      log.log('info', `${((await stat(path)).size / 1e6).toFixed(1)} MB`);
      process.stdout.write(`${path}\n`);
    }
  },
};

export const dataCommand: CommandModule<CommonArguments, CommonArguments> = {
  command: 'data',
  describe: 'Look at tables, or make one',
  builder: (yargs) => yargs.command(inspectCommand).command(generateCommand).demandCommand(1, 'which one: inspect or generate?'),
  handler: () => {},
};
