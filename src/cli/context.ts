/** What several commands are made of: the real clock, engines, and a study's configuration with its data. */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { asNoisefoldError, NoisefoldError } from '../base/errors.ts';
import type { Clock, Log } from '../base/ports.ts';
import { thousands } from '../base/units.ts';
import { checkTables, idleLevels, lackedByTest, tableFiles, tableProblems, type TableFacts } from '../config/columns.ts';
import { pairProblem } from '../config/engine.ts';
import { invalid, placed, type GivenConfig } from '../config/given.ts';
import { readSweep, resolvePaths, type SweepReading } from '../config/parse.ts';
import { joinPath } from '../config/paths.ts';
import type { Problem } from '../config/source.ts';
import type { DataConfig, DeviceName, EngineName, SweepConfig } from '../config/types.ts';
import { type Prepared, prepareData } from '../dataset/prepare.ts';
import { readTable } from '../dataset/read.ts';
import { requireAverageable } from '../dataset/study-data.ts';
import type { Table } from '../dataset/types.ts';
import type { RowIds } from '../dataset/write.ts';
import type { Engine } from '../engine/engine.ts';
import { loadEngine } from '../engine/registry.ts';
import { referenceLinearAlgebra } from '../ridge/reference.ts';
import type { LinearAlgebra } from '../ridge/types.ts';
import { givenConfig } from './settings.ts';

const startedMs = Date.now() - performance.now();

/** It does not jump when the machine's clock is set: leases and waits hold until then, and an hour back would be an hour's wait. */
export const realClock: Clock = { now: () => Math.round(startedMs + performance.now()) };

/** Options of every command. */
export interface CommonArguments {
  readonly quiet: boolean;
  readonly verbose: boolean;
}

/** Messages for a person, on standard error; standard output is for results. */
export function terminalLog({ quiet, verbose }: CommonArguments): Log {
  return {
    log(level, message) {
      if (level === 'debug' && !verbose) return;
      if (level === 'info' && quiet) return;
      process.stderr.write(`${level === 'warn' ? 'warning: ' : level === 'error' ? 'error: ' : ''}${message}\n`);
    },
  };
}

/** The default of --engine. */
export const autoEngine: EngineName = 'auto';

/** This command line, to be given again. */
export function commandAgain(argv: readonly string[] = process.argv.slice(2), env: NodeJS.ProcessEnv = process.env): string {
  const quoted = argv.map((arg) => (/^[\w./:=@%+,-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`));
  return [...(env['npm_command'] === 'exec' ? ['npx'] : []), 'noisefold', ...quoted].join(' ');
}

export interface Machine {
  readonly engine: Engine;
  readonly linearAlgebra: LinearAlgebra;
  readonly threads: number;
}

export const threadsOf = (threads: number | 'auto' | undefined): number =>
  threads === undefined || threads === 'auto' ? availableParallelism() : threads;

/** That an engine and a device, of which the command line named one at least, go together. Throws USAGE. */
export function requirePair(pair: { readonly engine: EngineName; readonly device: DeviceName }): void {
  const problem = pairProblem(pair);
  if (problem === undefined) return;
  throw new NoisefoldError('USAGE', problem, {
    hint: `What --engine and --device leave out is the configuration's (workers.engine, workers.device), or auto.`,
  });
}

/** The engine and the linear algebra of this process. Throws USAGE, ENGINE_UNAVAILABLE. */
export async function openMachine(
  name: EngineName,
  threads: number | 'auto' | undefined,
  log: Log,
  device: DeviceName = 'auto',
): Promise<Machine> {
  requirePair({ engine: name, device });
  const count = threadsOf(threads);
  return {
    engine: await loadEngine(name, { threads: count, device }, log),
    linearAlgebra: await openLinearAlgebra(count, log),
    threads: count,
  };
}

/** ONNX Runtime's products; plain loops where it does not load. */
export async function openLinearAlgebra(threads: number, log: Log): Promise<LinearAlgebra> {
  try {
    return (await import('../engine/onnx/linear-algebra.ts')).onnxLinearAlgebra({ threads });
  } catch {
    log.log('warn', 'onnxruntime-node does not load; ridge runs in plain loops, some ten times slower');
    return referenceLinearAlgebra;
  }
}

/** For yargs' coerce: how many of something. What is thrown here becomes a USAGE error. */
export const atLeastOne =
  (option: string) =>
  (value: number): number => {
    if (!(Number.isInteger(value) && value >= 1)) throw new Error(`${option} must be a whole number, at least 1`);
    return value;
  };

export interface StudyInputs {
  /** With data paths relative to where the command runs. */
  readonly config: SweepConfig;
  /** The configuration file as it is on disk. */
  readonly text: string;
  /** Data, preprocessor, ids, target, and the warnings (logged already). */
  readonly prepared: Prepared;
}

/**
 * Reads a configuration and its data, and prepares them; warnings go to the log. Throws CONFIG_NOT_FOUND, CONFIG_INVALID and every DATA_ code.
 * @param settings `path=value` overrides, as of --set
 */
export async function loadStudyInputs(path: string, log: Log, settings: readonly string[] = []): Promise<StudyInputs> {
  const { config, given } = await loadConfig(path, settings);
  return { config, text: given.written, prepared: await loadData(config, given, log) };
}

/** Reads and prepares a study's data. Throws every DATA_ code, and CONFIG_INVALID with all that does not fit the tables. */
export async function loadData(config: SweepConfig, given: GivenConfig, log: Log): Promise<Prepared> {
  const tables = await readTables(config.data);
  checkTables(given, config, factsOf(tables));
  const prepared = prepareData(tables, {
    data: config.data,
    folds: config.ridge.folds,
    seed: config.seed,
    protocol: config.protocol,
  });
  requireAverageable(prepared, config.features);
  const { data, trainRows, testRows, warnings } = prepared;
  const categorical = data.layout.sources.filter(({ kind }) => kind === 'categorical');
  for (const warning of [...warnings, ...idleLevels(config.noise, categorical)]) log.log('warn', warning);
  const { sources, binary, numerical } = data.layout;
  const rows = testRows === 0 ? thousands(trainRows) : `${thousands(trainRows)} + ${thousands(testRows)}`;
  const inputs = `${binary + numerical} inputs (${binary} binary, ${numerical} numerical)`;
  log.log('info', `${config.study}: ${rows} rows, ${sources.length} columns, ${inputs}`);
  const levels = levelsNote(prepared.target);
  if (levels !== undefined) log.log('info', levels);
  return prepared;
}

const factsOf = ({ train, test }: { readonly train: Table; readonly test: Table | undefined }): TableFacts => ({
  columns: train.columns.map(({ name }) => name),
  test: test?.columns.map(({ name }) => name),
  rows: train.rows + (test?.rows ?? 0),
});

/** Which level of a binary target is which number; undefined for any other target. */
export const levelsNote = ({ column, levels }: Prepared['target']): string | undefined =>
  levels === undefined ? undefined : `"${column}": a score of 1 stands for "${levels[1]}", 0 for "${levels[0]}"`;

/** The configuration alone, checked, with its paths resolved. Throws CONFIG_NOT_FOUND, CONFIG_INVALID, USAGE. */
export async function loadConfig(
  path: string,
  settings: readonly string[] = [],
): Promise<{ readonly config: SweepConfig; readonly given: GivenConfig }> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException;
    const what =
      code === 'ENOENT' ? 'there is no such file' : code === 'EISDIR' ? 'this is a folder' : `the file cannot be read (${code})`;
    throw new NoisefoldError('CONFIG_NOT_FOUND', what, {
      where: path,
      hint: 'Name the YAML file of a sweep, such as examples/diamonds/sweep.yaml.',
      cause,
    });
  });
  const given = givenConfig(text, path, settings);
  const reading = readSweep(given);
  if (reading.config === undefined) throw await refusedConfig(reading, given, dirname(path));
  return { config: resolvePaths(reading.config, dirname(path)), given };
}

/**
 * What is wrong with a configuration, held against its tables all the same, if they can be found: a misspelt column is told with a misspelt key.
 * @param folder what paths are relative to
 */
async function refusedConfig(
  { found, value, sections }: SweepReading,
  given: GivenConfig,
  folder: string,
): Promise<NoisefoldError> {
  const { train, test, ...options } = tableFiles(value);
  const problems: Problem[] = [];
  const read = async (key: 'train' | 'test', file: string | undefined): Promise<Table | undefined> => {
    if (file === undefined) return undefined;
    const path = joinPath(folder, file);
    return readTable(path, options).catch((thrown: unknown) => {
      const { where, message } = asNoisefoldError(thrown);
      problems.push({ path: ['data', key], message: `${where === undefined ? '' : `${where}: `}${message}` });
      return undefined;
    });
  };
  const [table, tests] = [await read('train', train), await read('test', test)];
  if (table !== undefined) {
    const facts = factsOf({ train: table, test: tests });
    problems.push(...tableProblems(value, sections.training, facts), ...lackedByTest(value, facts));
  }
  return invalid(given.file, [...found, ...placed(given, problems)]);
}

export async function readTables(data: DataConfig): Promise<{ readonly train: Table; readonly test: Table | undefined }> {
  const options = { delimiter: data.delimiter, missing: data.missing };
  const train = await readTable(data.train, options);
  return { train, test: data.test === undefined ? undefined : await readTable(data.test, options) };
}

/** Ids for feature files: as int64 where all of them are whole numbers, else as text. Without an id column, `row`: the row's number in its file. */
export function rowIds(column: string | undefined, ids: readonly string[]): RowIds {
  const name = column ?? 'row';
  const whole = ids.every((id) => /^(0|-?[1-9]\d{0,17})$/.test(id));
  return whole ? { name, type: 'integer', values: BigInt64Array.from(ids, BigInt) } : { name, type: 'text', values: ids };
}
