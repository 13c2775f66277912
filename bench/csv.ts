/**
 * Reading CSV: our strict reader beside npm's best-known parser (papaparse) and its fastest (udsv), and pandas where there is a Python that has it. Everyone
 * goes from a file to the same typed columns, checked by their sums. Each reading is a process of its own, as a user's is: cold, and with a
 * peak memory that is its own.
 *
 * npm run bench -- csv [--rows 300000] [--rounds 5] [--python PYTHON]
 */
import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import Papa from 'papaparse';
import { inferSchema, initParser } from 'udsv';
import { generateTps } from '../src/dataset/generate.ts';
import { readTable } from '../src/dataset/read.ts';
import type { Column } from '../src/dataset/types.ts';
import { type BenchOptions, figure, median, printHeading, printTable, ratio } from './measure.ts';

interface Reading {
  readonly seconds: number;
  /** Peak resident memory of the process, before and after the reading. */
  readonly idleMb: number;
  readonly peakMb: number;
  /** Of all numbers, and of all texts' lengths. */
  readonly sum: number;
}

/** A column of numbers, or of texts. */
type Values = Float64Array | readonly (string | null)[];

const readers = {
  async noisefold(path: string): Promise<Values[]> {
    return (await readTable(path, { missing: [] })).columns.map((column: Column) => column.values);
  },
  /** Rows of texts; which columns hold numbers is told by the first row. */
  async papaparse(path: string): Promise<Values[]> {
    const [, ...rows] = Papa.parse<string[]>(readFileSync(path, 'utf8'), { skipEmptyLines: true }).data;
    return (rows[0] ?? []).map((first, i) =>
      Number.isNaN(Number(first)) ? rows.map((row) => row[i] ?? null) : Float64Array.from(rows, (row) => Number(row[i])),
    );
  },
  async udsv(path: string): Promise<Values[]> {
    const text = readFileSync(path, 'utf8');
    const schema = inferSchema(text);
    // It takes a column that begins with the letter N for answers of yes and no.
    for (const column of schema.cols) if (column.type.startsWith('b')) column.type = 's';
    const columns = initParser(schema).typedCols<(number | string)[]>(text);
    return columns.map((values) =>
      typeof values[0] === 'number' ? Float64Array.from(values as number[]) : (values as string[]),
    );
  },
} as const satisfies Record<string, (path: string) => Promise<Values[]>>;

const pandas = `
import json, resource, sys, time
import pandas
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
table = pandas.read_csv(sys.argv[1])
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
total = sum(float(c.sum()) if c.dtype.kind in "if" else int(c.str.len().sum()) for _, c in table.items())
print(json.dumps({"seconds": seconds, "idleMb": idle / 1024, "peakMb": peak / 1024, "sum": total}))
`;

const peakMb = (): number => process.resourceUsage().maxRSS / 1024;

async function read(name: keyof typeof readers, path: string): Promise<Reading> {
  const idleMb = peakMb();
  const started = performance.now();
  const columns = await readers[name](path);
  const seconds = (performance.now() - started) / 1e3;
  const peak = peakMb();
  let sum = 0;
  for (const values of columns) for (const value of values) sum += typeof value === 'number' ? value : (value?.length ?? 0);
  return { seconds, idleMb, peakMb: peak, sum };
}

/** The sums are of the same numbers in the same order, but for pandas' pairwise addition. */
const sameSum = (a: number, b: number): boolean => Math.abs(a - b) <= 1e-9 * Math.abs(a);

export async function main({ rows = 300_000, rounds = 5, python }: BenchOptions = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-bench-'));
  try {
    const file = join(folder, 'train.csv');
    await pipeline(Readable.from(generateTps(rows, 0, 1).train), createWriteStream(file));
    const megabytes = statSync(file).size / 1e6;
    printHeading(`Reading ${rows.toLocaleString('en')} rows of 26 columns, ${megabytes.toFixed(1)} MB, into typed columns.`, [
      'papaparse',
      'udsv',
    ]);
    const commands: (readonly [name: string, command: string, args: readonly string[]])[] = [
      ...Object.keys(readers).map((each) => [each, process.execPath, [...process.execArgv, script, each, file]] as const),
      ...(python === undefined ? [] : [['pandas', python, ['-c', pandas, file]] as const]),
    ];
    const readings = commands.map((): Reading[] => []);
    for (let round = 0; round < rounds; round++)
      for (const [i, [, command, args]] of commands.entries())
        readings[i]?.push(JSON.parse(execFileSync(command, args, { encoding: 'utf8' })) as Reading);
    const of = (i: number, key: keyof Reading): number => median((readings[i] ?? []).map((reading) => reading[key]));
    const expected = of(0, 'sum');
    for (const [i, [each]] of commands.entries())
      if (!sameSum(expected, of(i, 'sum'))) throw new Error(`${each} read other values: ${of(i, 'sum')}, not ${expected}`);
    const seconds = of(0, 'seconds');
    printTable(
      ['reader', 'seconds', 'rows/s', 'MB/s', 'peak MB', 'MB before', 'time, ours = 1'],
      commands.map(([each], i) => {
        const own = of(i, 'seconds');
        const rates = [figure(rows / own), figure(megabytes / own)];
        return [each, figure(own), ...rates, figure(of(i, 'peakMb')), figure(of(i, 'idleMb')), ratio(own / seconds)];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const script = fileURLToPath(import.meta.url);
if (process.argv[1] === script) {
  const [name = '', path = ''] = process.argv.slice(2);
  console.log(JSON.stringify(await read(name as keyof typeof readers, path)));
}
