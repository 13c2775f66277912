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
  readonly minutes?: number;
  /** Events a second that are offered. */
  readonly rate?: number;
  /** A folder for the processor profile of what is measured. */
  readonly profile?: string;
  /** Only networks whose name has this in it. */
  readonly network?: string;
  /** An interpreter with pandas, scikit-learn and optuna, to have them measured in the same run. */
  readonly python?: string;
}

export function benchOptions(args: readonly string[]): BenchOptions {
  const text = { type: 'string' } as const;
  const numeric = { rounds: text, rows: text, trials: text, workers: text, minutes: text, rate: text };
  const options = { ...numeric, network: text, python: text, profile: text };
  const { python, network, profile, ...numbers } = parseArgs({ args: [...args], options }).values;
  const positive = Object.entries(numbers).map(([name, value]) => {
    if (!(Number(value) > 0)) throw new Error(`--${name} is a number above 0`);
    return [name, Number(value)] as const;
  });
  const texts = { network, python, profile };
  return Object.fromEntries([...positive, ...Object.entries(texts).filter(([, value]) => value !== undefined)]) as BenchOptions;
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
  readonly run: () => Promise<unknown>;
}

/** A turn repeats what is quick for at least so long. */
const turnMs = 250;

/**
 * Median milliseconds of each contender's run, in the order given. They take turns, so that a busy moment of the machine hits all of
 * them. A turn begins with a run that does not count (but for the slow), since after the others' turns caches are theirs and threads asleep.
 * Slow ones sit out when `budgetMs` is used up, but not before three turns.
 */
export async function takeTurns(contenders: readonly Contender[], rounds: number, budgetMs = 10_000): Promise<number[]> {
  const times = contenders.map((): number[] => []);
  const spent = contenders.map(() => 0);
  const quick: boolean[] = [];
  for (const { run } of contenders) quick.push((await millisecondsOf(run)) < 4 * turnMs);
  for (let round = 0; round < rounds; round++)
    for (const [i, { run }] of contenders.entries()) {
      if (round >= 3 && (spent[i] ?? 0) > budgetMs) continue;
      if (quick[i]) await run();
      let all = 0;
      let runs = 0;
      do {
        all += await millisecondsOf(run);
        runs++;
      } while (all < turnMs);
      times[i]?.push(all / runs);
      spent[i] = (spent[i] ?? 0) + all;
    }
  return times.map(median);
}

async function millisecondsOf(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}
