/**
 * Milliseconds a training step of 384 rows: each engine that is installed with one and two threads, and as a yardstick the same step in tfjs
 * as it comes, operation by operation, on its wasm backend. Every engine is a process of its own.
 *
 * With --python, an interpreter that has PyTorch, the reference network also in PyTorch, right after.
 *
 * npm run bench -- step [--rounds 15] [--network reference] [--python PYTHON]
 */
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Engine } from '../src/engine/engine.ts';
import { parameterCount } from '../src/model/parameters.ts';
import { type BenchOptions, type Contender, figure, printHeading, printTable, ratio, takeTurns } from './measure.ts';
import { batchSize, eagerStep, networks, prepareEager, randomBatch } from './networks.ts';
import type { Opened } from './step-process.ts';

interface Running extends Contender, Opened {
  end(): void;
}

interface Entry {
  readonly engine: Engine['name'];
  readonly threads: readonly number[];
  readonly note?: string;
  readonly environment?: Readonly<Record<string, string>>;
}

const xla = { TF_XLA_FLAGS: '--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit' };
const entries: readonly Entry[] = [
  { engine: 'onnx', threads: [1, 2] },
  { engine: 'tensorflow', threads: [1, 2] },
  { engine: 'tensorflow', threads: [1, 2], note: ', XLA', environment: xla },
  { engine: 'tensorflow-eager', threads: [1, 2] },
  { engine: 'wasm', threads: [1] },
];
const script = fileURLToPath(new URL('step-process.ts', import.meta.url));

/** The engine, ready to run; undefined where it is not installed. */
async function start({ engine, note = '', environment }: Entry, threads: number, index: number): Promise<Running | undefined> {
  const child = fork(script, [engine, String(threads), String(index)], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const first: unknown = await Promise.race([once(child, 'message').then(([message]) => message as Opened), once(child, 'exit')]);
  if (Array.isArray(first)) return undefined;
  return {
    ...(first as Opened),
    name: `${engine}${note}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`,
    async run() {
      child.send('step');
      await once(child, 'message');
    },
    end: () => child.disconnect(),
  };
}

interface PytorchRow {
  readonly engine: string;
  readonly threads: number;
  readonly ms: number;
  readonly version: string;
}

/** The same step in PyTorch, as torch_step.py measures it. */
function inPytorch(python: string, rounds: number): PytorchRow[] {
  const torch = fileURLToPath(new URL('torch_step.py', import.meta.url));
  const args = [torch, '--threads', '1,2', '--batches', String(batchSize), '--rounds', String(rounds)];
  const { stdout } = spawnSync(python, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  return stdout.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as PytorchRow] : []));
}

export async function main({ rounds = 15, network: only = '', python }: BenchOptions = {}): Promise<void> {
  prepareEager();
  printHeading(`A training step of ${batchSize} rows: forward, gradients, Adam.`, [
    'onnxruntime-node',
    '@tensorflow/tfjs',
    '@tensorflow/tfjs-backend-wasm',
  ]);
  const rows: string[][] = [];
  const versions = new Set<string>();
  const absent = new Set<string>();
  for (const [index, [name, network]] of networks.entries()) {
    if (!name.includes(only)) continue;
    const running: Running[] = [];
    for (const entry of entries)
      for (const threads of entry.threads) {
        const started = await start(entry, threads, index);
        if (started) running.push(started);
        else absent.add(entry.engine);
      }
    const yardstick = eagerStep('wasm', network, randomBatch(network));
    const contenders = [...running, yardstick];
    const times = await takeTurns(contenders, rounds);
    const slowest = times.at(-1) ?? NaN;
    for (const [i, contender] of contenders.entries()) {
      const ms = times[i] ?? NaN;
      rows.push([
        ...(i === 0 ? [name, parameterCount(network).toLocaleString('en')] : ['', '']),
        contender === yardstick ? 'tfjs wasm, as it comes' : contender.name,
        figure(ms),
        figure((batchSize / ms) * 1e3),
        ratio(slowest / ms),
        figure(running[i]?.openMs ?? NaN),
      ]);
    }
    if (python !== undefined && name.startsWith('reference'))
      for (const { engine, threads, ms, version } of inPytorch(python, rounds)) {
        versions.add(`PyTorch ${version}`);
        const label = `PyTorch ${engine}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
        rows.push(['', '', label, figure(ms), figure((batchSize / ms) * 1e3), ratio(slowest / ms), '-']);
      }
    for (const each of running) {
      versions.add(each.version);
      each.end();
    }
  }
  console.log([...versions].join('\n'));
  for (const engine of absent) console.log(`left out: ${engine}, which is not installed`);
  printTable(['network', 'parameters', 'engine', 'ms a step', 'rows/s', 'speed of wasm', 'ms to compile, and a step'], rows);
}
