/**
 * The data path at the competition's size: a table made, read, prepared and handed to a task; then what batches and checkpoints cost beside
 * training steps, and whether an epoch keeps its speed. Each part is a process of its own, so that peak memory is that part's.
 *
 * npm run bench -- data [--rows 500000]
 */
import { execFileSync } from 'node:child_process';
import { createWriteStream, mkdtempSync, rmSync, statSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { generateTps } from '../src/dataset/generate.ts';
import { prepareData } from '../src/dataset/prepare.ts';
import { readTable } from '../src/dataset/read.ts';
import { decodePrepared, encodePrepared } from '../src/dataset/serialise.ts';
import { parse } from './data-config.ts';
import { type BenchOptions, figure, printHeading, printTable } from './measure.ts';

/** What one process says. */
interface Part {
  readonly name: string;
  readonly seconds: number;
  readonly coreSeconds: number;
  readonly peakMb: number;
}

const megabytes = (): number => process.resourceUsage().maxRSS / 1024;

async function timed<T>(parts: Part[], name: string, work: () => Promise<T> | T): Promise<T> {
  const [started, before] = [performance.now(), process.cpuUsage()];
  const result = await work();
  const { user, system } = process.cpuUsage(before);
  parts.push({ name, seconds: (performance.now() - started) / 1e3, coreSeconds: (user + system) / 1e6, peakMb: megabytes() });
  return result;
}

type Stage = (folder: string, rows: number) => Promise<Part[]>;

const stages: Readonly<Record<string, Stage>> = {
  async generate(folder, rows) {
    const parts: Part[] = [{ name: 'Node and noisefold alone', seconds: 0, coreSeconds: 0, peakMb: megabytes() }];
    await timed(parts, 'generate', () =>
      pipeline(Readable.from(generateTps(rows, 0, 1).train), createWriteStream(join(folder, 'train.csv'))),
    );
    return parts;
  },
  async prepare(folder) {
    const parts: Part[] = [];
    const train = await timed(parts, 'read', () => readTable(join(folder, 'train.csv'), { missing: [] }));
    const config = parse(folder);
    const { data } = await timed(parts, 'prepare', () => prepareData({ train }, { ...config, folds: config.ridge.folds }));
    await timed(parts, 'write for the tasks', () => writeFileSync(join(folder, 'prepared.safetensors'), encodePrepared(data)));
    return parts;
  },
  async task(folder) {
    const parts: Part[] = [];
    await timed(parts, 'read by a task', () => decodePrepared(readFileSync(join(folder, 'prepared.safetensors'))));
    return parts;
  },
};

export async function main({ rows = 500_000 }: BenchOptions = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-bench-'));
  try {
    printHeading(`${rows.toLocaleString('en')} rows of the competition's shape, from nothing to batches.`, ['onnxruntime-node']);
    const parts = Object.keys(stages).flatMap((stage) => {
      const args = [...process.execArgv, fileURLToPath(import.meta.url), stage, folder, String(rows)];
      return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as Part[];
    });
    printTable(
      ['part', 'seconds', 'core seconds', 'rows/s', 'peak MB of its process'],
      parts.map(({ name, seconds, coreSeconds, peakMb }) => [
        name,
        ...(seconds === 0 ? ['-', '-', '-'] : [seconds, coreSeconds, rows / seconds].map(figure)),
        figure(peakMb),
      ]),
    );
    const sizes = ['train.csv', 'prepared.safetensors'].map((name) => statSync(join(folder, name)).size / 1e6);
    console.log(`CSV ${figure(sizes[0] ?? NaN)} MB, prepared ${figure(sizes[1] ?? NaN)} MB\n`);

    const data = decodePrepared(readFileSync(join(folder, 'prepared.safetensors')));
    const steps = Math.floor(rows / 384);
    // Not at the top, so that the processes of the other parts are no larger than what they measure.
    const { checkpointCost, epochSpeed, stepShares } = await import('./data-training.ts');
    const { batchMs, stepMs, coreShare } = await stepShares(data);
    const checkpointMs = await checkpointCost(data, folder);
    printTable(
      ['reference model, batch 384', 'milliseconds', 'share'],
      [
        ['a step', figure(stepMs), ''],
        [
          'a batch: rows, noise, mask',
          figure(batchMs),
          `${figure((100 * batchMs) / stepMs)} % of a step, ${figure(100 * coreShare)} % of its core time`,
        ],
        ['a checkpoint', figure(checkpointMs), `${((100 * checkpointMs) / (steps * stepMs)).toFixed(3)} % of an epoch`],
      ],
    );
    const tenths = await epochSpeed(data);
    printTable(
      ['small transformer, one epoch', 'rows/s', 'rows a core second'],
      tenths.map(({ wall, cores }, i) => [`tenth ${i + 1}`, figure(wall), figure(cores)]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const script = fileURLToPath(import.meta.url);
if (process.argv[1] === script) {
  const [name = '', folder = '', rows = ''] = process.argv.slice(2);
  console.log(JSON.stringify(await stages[name]?.(folder, Number(rows))));
}
