/**
 * What successive halving saves, and what it finds. Every trial of a sweep on diamonds is scored after 1, 3, 9 and 27 epochs, by four sweeps whose trainings are beginnings of one another. So
 * it is known what each would have come to, and what any choice of rungs finds: the place of its best among all, against as many epochs spent on fewer trials, trained to the end (the mean
 * over all subsets of that many). One choice is run besides, to see that it finds what the scores say, and how long it takes.
 *
 * npm run bench -- halving [--trials 27] [--rounds 3]     a round a seed
 */
import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { rungSize } from '../src/plan/rungs.ts';
import { meanOf } from '../src/scheduler/scores.ts';
import { openStore } from '../src/store/sqlite.ts';
import { type BenchOptions, figure, printHeading, printTable } from './measure.ts';

const budgets = [1, 3, 9, 27] as const;
const whole = 27;
const factor = 3;
const units = 128;

const sweepOf = (study: string, seed: number, trials: number, epochs: number, halving = ''): string => `
study: ${study}
seed: ${seed}
data: { train: diamonds.csv.gz, target: { column: price, task: regression, transform: log } }
noise: { swapProbability: { categorical: { uniform: [0.05, 0.7] }, numerical: { uniform: [0.05, 0.7] } } }
model: { kind: mlp, units: ${units}, layers: 3 }
training: { epochs: ${epochs}, batchSize: 384, learningRateDecay: 0.95 }
ridge: { learningCurve: { labels: [] } }
search: { trials: ${trials}${halving} }
`;

const root = fileURLToPath(new URL('../', import.meta.url));
const program = join(root, 'dist/main.js');
const table = fileURLToPath(new URL('../examples/diamonds/diamonds.csv.gz', import.meta.url));

interface Swept {
  /** From the first lease to the last result. */
  readonly seconds: number;
  /** By trial, at its best rung. */
  readonly scores: ReadonlyMap<string, number>;
}

async function sweep(folder: string, study: string, text: string): Promise<Swept> {
  writeFileSync(join(folder, `${study}.yaml`), text);
  await promisify(execFile)(process.execPath, [program, 'sweep', join(folder, `${study}.yaml`), '--out', folder]);
  const store = openStore(join(folder, study, 'study.db'), { readonly: true });
  const changes = store.transitions();
  const tasks = store.tasks().filter(({ task }) => task.toStep > 0);
  store.close();
  const times = (status: string): number[] => changes.flatMap(({ to, atMs }) => (to === status ? [atMs] : []));
  return {
    seconds: (Math.max(...times('done')) - Math.min(...times('leased'))) / 1e3,
    scores: new Map(
      tasks.map(({ task: { trial } }) => [
        trial,
        meanOf(
          tasks.filter(({ task }) => task.trial === trial),
          'rmse',
        ) ?? NaN,
      ]),
    ),
  };
}

export async function main({ trials = 27, rounds = 3 }: BenchOptions): Promise<void> {
  execFileSync(process.execPath, [join(root, '.config/build.mjs'), '--if-stale'], { stdio: 'inherit' });
  printHeading(
    `${trials} trials, mlp 3 x ${units} on diamonds, one worker a core; rungs of ${budgets.join(', ')} epochs, factor ${factor}`,
  );
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-bench-'));
  try {
    copyFileSync(table, join(folder, 'diamonds.csv.gz'));
    for (let seed = 1; seed <= rounds; seed++) await compare(folder, seed, trials);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(folder: string, seed: number, trials: number): Promise<void> {
  const after = new Map<number, Swept>();
  for (const epochs of budgets) {
    const study = `seed-${seed}-epochs-${epochs}`;
    after.set(epochs, await sweep(folder, study, sweepOf(study, seed, trials, epochs)));
  }
  const scoreOf = (trial: string, epochs: number): number => after.get(epochs)?.scores.get(trial) ?? NaN;
  const all = [...(after.get(whole)?.scores ?? [])].sort(([, a], [, b]) => a - b);
  const sorted = all.map(([, score]) => score);
  const rows = budgets.map((first) => {
    const found = halve(
      all.map(([trial]) => trial),
      first,
      scoreOf,
    );
    const fewer = Math.max(1, Math.floor(found.epochs / whole));
    return [
      first === whole ? 'every trial to the end' : `halved, from ${first}`,
      ...[figure(found.epochs), figure((trials * whole) / found.epochs)],
      ...[found.best.toFixed(4), String(sorted.filter((score) => score < found.best).length + 1)],
      ...[`${fewer}`, expectedBest(sorted, fewer).toFixed(4)],
    ];
  });
  printTable(
    [
      `seed ${seed}`,
      'epochs',
      'times fewer',
      'best RMSE',
      'its place among all',
      'trials to the end for that',
      'their best, on average',
    ],
    rows,
  );
  for (const epochs of budgets.slice(0, -1)) {
    const pairs = all.map(([trial, score]) => [scoreOf(trial, epochs), score] as const);
    console.log(`after ${epochs} epochs: rank correlation with the end ${spearman(pairs).toFixed(2)}`);
  }
  // The default: two rungs.
  const from = 9;
  const study = `seed-${seed}-halved`;
  const halved = await sweep(
    folder,
    study,
    sweepOf(study, seed, trials, whole, `, halving: { factor: ${factor}, rungs: ${budgets.length - budgets.indexOf(from)} }`),
  );
  const [said, is] = [
    halve(
      all.map(([trial]) => trial),
      from,
      scoreOf,
    ).best,
    Math.min(...halved.scores.values()),
  ];
  const seconds = after.get(whole)?.seconds ?? NaN;
  console.log(
    `halved from ${from} epochs, run: best ${is === said ? 'as' : 'NOT as'} the scores say; ${figure(halved.seconds)} s against ${figure(seconds)} s, ${figure(seconds / halved.seconds)} times\n`,
  );
}

/** The best of all scores that halving from a first rung gets to see, and the epochs that it trains. */
function halve(
  trials: readonly string[],
  first: number,
  scoreOf: (trial: string, epochs: number) => number,
): { readonly best: number; readonly epochs: number } {
  let [here, best, epochs, before] = [trials, Infinity, 0, 0];
  for (const [rung, budget] of budgets.slice(budgets.findIndex((budget) => budget === first)).entries()) {
    here = here.slice(0, rungSize(trials.length, factor, rung));
    epochs += here.length * (budget - before);
    before = budget;
    here = [...here].sort((a, b) => scoreOf(a, budget) - scoreOf(b, budget));
    best = Math.min(best, ...here.map((trial) => scoreOf(trial, budget)));
  }
  return { best, epochs };
}

/** The mean over all subsets of `size` of their smallest. @param sorted ascending */
function expectedBest(sorted: readonly number[], size: number): number {
  let [mean, left] = [0, 1];
  for (const [i, score] of sorted.entries()) {
    // The share of the subsets without any of those before it that have this one.
    const has = Math.min(1, size / (sorted.length - i));
    mean += left * has * score;
    left *= 1 - has;
  }
  return mean;
}

function spearman(pairs: readonly (readonly [number, number])[]): number {
  const ranksOf = (values: readonly number[]): number[] => {
    const sorted = [...values].sort((a, b) => a - b);
    return values.map((value) => sorted.indexOf(value));
  };
  const [a, b] = [ranksOf(pairs.map(([x]) => x)), ranksOf(pairs.map(([, y]) => y))];
  const n = pairs.length;
  const squares = a.reduce((sum, rank, i) => sum + (rank - (b[i] ?? 0)) ** 2, 0);
  return 1 - (6 * squares) / (n * (n * n - 1));
}
