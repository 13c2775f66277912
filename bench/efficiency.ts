/**
 * What a second worker is worth: a sweep of small networks on diamonds with one thread a worker, by one worker and by two. And what the machine itself gives a second process: a sweep of half
 * the trials alone, and two of them at once that know nothing of each other; bare training steps of the same network, by one process and by two. Seconds from the first
 * lease to the last result, so without reading the table and without the report. Sweeps run as they are installed, from dist/, which is built anew where src/ is newer: what the process of each
 * task costs before its first step is part of it, and through tsx that is four times as much.
 *
 * npm run bench -- efficiency [--trials 8] [--rounds 3]
 */
import { execFile, execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openStore } from '../src/store/sqlite.ts';
import { type BenchOptions, figure, median, printHeading, printTable } from './measure.ts';
import { batchSize } from './networks.ts';
import { startProcess } from './step-contender.ts';

const sweepOf = (trials: number, workers: number): string => `
study: efficiency
seed: 1
data: { train: diamonds.csv.gz, target: { column: price, task: regression, transform: log } }
noise: { swapProbability: { categorical: { uniform: [0.05, 0.7] }, numerical: { uniform: [0.05, 0.7] } } }
model: { kind: mlp, units: 384, layers: 3 }
training: { epochs: 4, batchSize: 384, checkpointEveryEpochs: 1 }
ridge: { learningCurve: { labels: [] } }
search: { trials: ${trials} }
workers: { count: ${workers}, threads: 1 }
`;

const root = fileURLToPath(new URL('../', import.meta.url));
const program = join(root, 'dist/main.js');
const table = fileURLToPath(new URL('../examples/diamonds/diamonds.csv.gz', import.meta.url));

interface Span {
  readonly from: number;
  readonly to: number;
  /** How long each task was held, in the order in which they were leased. */
  readonly tasks: readonly number[];
}

async function sweep(folder: string, trials: number, workers: number): Promise<Span> {
  mkdirSync(folder, { recursive: true });
  copyFileSync(table, join(folder, 'diamonds.csv.gz'));
  writeFileSync(join(folder, 'sweep.yaml'), sweepOf(trials, workers));
  const output = join(folder, 'out');
  await promisify(execFile)(process.execPath, [program, 'sweep', join(folder, 'sweep.yaml'), '--output', output]);
  const store = openStore(join(output, 'efficiency', 'study.db'), { readonly: true });
  const changes = store.transitions();
  store.close();
  const at = (status: string): Map<string, number> =>
    new Map(changes.filter(({ to }) => to === status).map(({ task, atMs }) => [task, atMs]));
  const [leased, done] = [at('leased'), at('done')];
  return {
    from: Math.min(...leased.values()),
    to: Math.max(...done.values()),
    tasks: [...leased].map(([task, ms]) => (done.get(task) ?? NaN) - ms),
  };
}

/** Milliseconds that two workers would take who lose nothing: a task each is as long as it was alone, the next one goes to who is free, and at the end one of them waits. */
function sharedOut(tasks: readonly number[]): number {
  const ends = [0, 0];
  for (const ms of tasks) {
    ends.sort((a, b) => a - b);
    ends[0]! += ms;
  }
  return Math.max(...ends);
}

const seconds = (spans: readonly Span[]): number =>
  (Math.max(...spans.map(({ to }) => to)) - Math.min(...spans.map(({ from }) => from))) / 1e3;

const stepProcess = fileURLToPath(new URL('step-process.ts', import.meta.url));
const turnMs = 5_000;

/** Milliseconds of a bare step, with so many processes at it at once: the mean of theirs. */
async function bareStep(processes: number): Promise<number> {
  const all = Array.from({ length: processes }, () =>
    startProcess({ program: process.execPath, args: [...process.execArgv, stepProcess, 'onnx', '1', '0'] }),
  );
  for (const one of all) await one.open(batchSize, 60_000);
  const turns = await Promise.all(all.map((one) => one.turn(turnMs)));
  await Promise.all(all.map((one) => one.end()));
  return turns.reduce((sum, { ms }) => sum + ms, 0) / processes;
}

export async function main({ trials = 8, rounds = 3 }: BenchOptions = {}): Promise<void> {
  printHeading(`${trials} trials of an mlp of 3 x 384 on diamonds, 4 epochs, one thread a worker.`, ['onnxruntime-node']);
  execFileSync(process.execPath, ['.config/build.mjs', '--if-stale'], { cwd: root, stdio: 'inherit' });
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-efficiency-'));
  const half = trials / 2;
  const contenders = {
    one: (at: string) => Promise.all([sweep(at, trials, 1)]),
    two: (at: string) => Promise.all([sweep(at, trials, 2)]),
    half: (at: string) => Promise.all([sweep(at, half, 1)]),
    halves: (at: string) => Promise.all([sweep(join(at, 'a'), half, 1), sweep(join(at, 'b'), half, 1)]),
  } as const;
  const names = Object.keys(contenders) as (keyof typeof contenders)[];
  try {
    const bare = { one: [] as number[], two: [] as number[] };
    const times = { one: [] as number[], two: [] as number[], half: [] as number[], halves: [] as number[] };
    const ideal: number[] = [];
    for (let round = 0; round < rounds; round++) {
      for (const name of names) {
        const spans = await contenders[name](join(folder, `${round}-${name}`));
        times[name].push(seconds(spans));
        if (name === 'one') ideal.push(sharedOut(spans[0].tasks) / 1e3);
      }
      bare.one.push(await bareStep(1));
      bare.two.push(await bareStep(2));
    }
    const of = (name: keyof typeof contenders): number => median(times[name]);
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
    printTable(
      ['by', 'seconds', 'of twice the speed'],
      [
        ['one worker', figure(of('one')), '-'],
        ['two workers', figure(of('two')), percent(of('one') / (2 * of('two')))],
        ['two that lose nothing, whole tasks', figure(median(ideal)), percent(of('one') / (2 * median(ideal)))],
        ['a sweep of half the trials', figure(of('half')), '-'],
        ['two such sweeps at once', figure(of('halves')), percent(of('half') / of('halves'))],
        ['a bare step, one process', figure(median(bare.one) / 1e3), '-'],
        ['a bare step, two processes at once', figure(median(bare.two) / 1e3), percent(median(bare.one) / median(bare.two))],
      ],
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
