/** `noisefold data inspect` and `noisefold data generate`: tables, before anything is trained on them. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import Table from 'cli-table3';
import color from 'picocolors';
import type { CommandModule } from 'yargs';
import { thousands } from '../base/units.ts';
import { type ColumnDescription, inspectTables, type TableDescription } from '../dataset/describe.ts';
import { generateTps } from '../dataset/generate.ts';
import { readTable } from '../dataset/read.ts';
import { writeText } from '../dataset/write.ts';
import { type CommonArguments, terminalLog } from './context.ts';

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
    process.stdout.write(json ? `${JSON.stringify(description, undefined, 2)}\n` : render(description));
  },
};

const roleColour: Readonly<Record<ColumnDescription['role'], (text: string) => string>> = {
  categorical: color.cyan,
  numerical: color.green,
  target: color.magenta,
  id: color.yellow,
  dropped: color.dim,
};

function render({ rows, columns, override }: TableDescription): string {
  const table = new Table({
    head: ['column', 'kind', 'why', 'levels', 'missing', 'range', 'examples'].map((title) => color.bold(title)),
    colAligns: ['left', 'left', 'left', 'right', 'right', 'left', 'left'],
    style: { head: [], border: [], compact: true },
  });
  for (const { name, role, reason, levels, more, missing, min, max, examples } of columns)
    table.push([
      name,
      roleColour[role](role),
      reason,
      `${thousands(levels)}${more ? '+' : ''}`,
      missing === 0 ? '' : thousands(missing),
      min === undefined || max === undefined ? '' : `${min} to ${max}`,
      examples.map(shortened).join(', '),
    ]);
  const warnings = columns.flatMap(({ warnings: own }) => own.map((warning) => `${color.yellow('!')} ${warning}\n`));
  return [
    `${thousands(rows)} rows, ${columns.length} columns\n${table.toString()}\n`,
    ...(warnings.length === 0 ? [] : ['\n', ...warnings]),
    `\nTo decide otherwise, in the configuration:\n\n${override}`,
  ].join('');
}

const shortened = (text: string): string => (text.length > 24 ? `${text.slice(0, 23)}…` : text);

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
