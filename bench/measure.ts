/** What every bench does alike: say where it ran, let contenders take turns, print medians as a table. */
import { createRequire } from 'node:module';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';

const require = createRequire(import.meta.url);

/** What a bench can be told; each takes what concerns it. */
export interface BenchOptions {
  readonly rounds?: number;
  readonly rows?: number;
  readonly trials?: number;
  readonly workers?: number;
  /** An interpreter with pandas, scikit-learn and optuna, to have them measured in the same run. */
  readonly python?: string;
}

export function benchOptions(args: readonly string[]): BenchOptions {
  const text = { type: 'string' } as const;
  const options = { rounds: text, rows: text, trials: text, workers: text, python: text };
  const { python, ...numbers } = parseArgs({ args: [...args], options }).values;
  const positive = Object.entries(numbers).map(([name, value]) => {
    if (!(Number(value) > 0)) throw new Error(`--${name} is a number above 0`);
    return [name, Number(value)] as const;
  });
  return { ...Object.fromEntries(positive), ...(python !== undefined && { python }) };
}

/** Prints what was measured and on what: processor, cores, memory, Node, packages, and how busy the machine was. */
export function printHeading(what: string, packages: readonly string[] = []): void {
  const versions = packages.map((name) => `${name} ${versionOf(name)}`);
  const gigabytes = Math.round(totalmem() / 2 ** 30);
  console.log(what);
  console.log(
    `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} cores, ${gigabytes} GiB; ${platform()}`,
  );
  console.log([`Node ${process.version.slice(1)}`, ...versions, `load before: ${loadavg()[0]?.toFixed(2) ?? '?'}`].join(', '));
}

const platform = (): string => `${process.platform} ${process.arch}`;

function versionOf(name: string): string {
  return (require(`${name}/package.json`) as { version: string }).version;
}

export function printTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const numeric = head.map((_, i) =>
    rows.every((row) => typeof row[i] === 'number' || /^[\d,.]+( x)?$|^$|^-$/.test(row[i] ?? '')),
  );
  const table = new Table({
    head: [...head],
    colAligns: numeric.map((is) => (is ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows.map((row) => [...row]));
  console.log(`${table.toString()}\n`);
}

export const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? NaN)) / 2;
};

/** A number for a table, with as many digits as it deserves. */
export const figure = (value: number): string =>
  Number.isFinite(value)
    ? value < 10
      ? value.toFixed(2)
      : value < 100
        ? value.toFixed(1)
        : Math.round(value).toLocaleString('en')
    : '-';

export const ratio = (value: number): string => `${figure(value)} x`;

export interface Contender {
  readonly name: string;
  /** One measured piece of work. */
  run(): Promise<unknown>;
}

/**
 * Median milliseconds of each contender's run, in the order given. They take turns, so that a busy moment of the machine hits all of
 * them; each runs once before the clock counts. Slow ones sit out when `budgetMs` is used up, but not before three turns.
 */
export async function takeTurns(contenders: readonly Contender[], rounds: number, budgetMs = 10_000): Promise<number[]> {
  const times = contenders.map((): number[] => []);
  for (const contender of contenders) await contender.run();
  for (let round = 0; round < rounds; round++)
    for (const [i, contender] of contenders.entries()) {
      const own = times[i] ?? [];
      if (round >= 3 && own.reduce((sum, ms) => sum + ms, 0) > budgetMs) continue;
      const started = performance.now();
      await contender.run();
      own.push(performance.now() - started);
    }
  return times.map(median);
}
