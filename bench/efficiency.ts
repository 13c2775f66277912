/**
 * What a second worker is worth: a sweep of small networks on diamonds with one thread a worker, by one worker and by two. And what the machine itself gives a second process: a sweep of half
 * the trials alone, and two of them at once that know nothing of each other. Seconds from the first lease to the last result, so without reading the table and without
 * the report; starting the workers is part of it.
 *
 * npm run bench -- efficiency [--trials 8] [--rounds 3]
 */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { openStore } from '../src/store/sqlite.ts';
import { type BenchOptions, figure, median, printHeading, printTable } from './measure.ts';

const sweepOf = (trials: number, workers: number): string => `
study: efficiency
seed: 1
data: { train: diamonds.csv.gz, target: { column: price, task: regression, transform: log } }
noise: { swapProbability: { categorical: { uniform: [0.05, 0.7] }, numerical: { uniform: [0.05, 0.7] } } }
model: { kind: mlp, units: 384, layers: 3 }
training: { epochs: 4, batchSize: 384, checkpointEveryEpochs: 1 }
search: { trials: ${trials} }
workers: { count: ${workers}, threads: 1 }
`;

const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const table = fileURLToPath(new URL('../examples/diamonds/diamonds.csv.gz', import.meta.url));

interface Span {
  readonly from: number;
  readonly to: number;
}

async function sweep(folder: string, trials: number, workers: number): Promise<Span> {
  mkdirSync(folder, { recursive: true });
  copyFileSync(table, join(folder, 'diamonds.csv.gz'));
  writeFileSync(join(folder, 'sweep.yaml'), sweepOf(trials, workers));
  const output = join(folder, 'out');
  await promisify(execFile)(process.execPath, [
    ...process.execArgv,
    program,
    ...['sweep', join(folder, 'sweep.yaml'), '--output', output],
  ]);
  const store = openStore(join(output, 'efficiency', 'study.db'), { readonly: true });
  const changes = store.transitions();
  store.close();
  const at = (status: string): number[] => changes.filter(({ to }) => to === status).map(({ atMs }) => atMs);
  return { from: Math.min(...at('leased')), to: Math.max(...at('done')) };
}

const seconds = (spans: readonly Span[]): number =>
  (Math.max(...spans.map(({ to }) => to)) - Math.min(...spans.map(({ from }) => from))) / 1e3;

export async function main({ trials = 8, rounds = 3 }: BenchOptions = {}): Promise<void> {
  printHeading(`${trials} trials of an mlp of 3 x 384 on diamonds, 4 epochs, one thread a worker.`, ['onnxruntime-node']);
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
    const times = { one: [] as number[], two: [] as number[], half: [] as number[], halves: [] as number[] };
    for (let round = 0; round < rounds; round++)
      for (const name of names) times[name].push(seconds(await contenders[name](join(folder, `${round}-${name}`))));
    const of = (name: keyof typeof contenders): number => median(times[name]);
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
    printTable(
      ['by', 'seconds', 'of twice the speed'],
      [
        ['one worker', figure(of('one')), '-'],
        ['two workers', figure(of('two')), percent(of('one') / (2 * of('two')))],
        ['a sweep of half the trials', figure(of('half')), '-'],
        ['two such sweeps at once', figure(of('halves')), percent(of('half') / of('halves'))],
      ],
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
