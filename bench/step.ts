/**
 * Milliseconds a training step: each engine that is installed, with one and two threads, and as a yardstick the same step in tfjs as it comes,
 * operation by operation, on its wasm backend. The reference network with batches of 384, 128 and 1,024 rows, and with --python, an
 * interpreter that has PyTorch, beside PyTorch; the others with 384. Every engine is a process of its own, and they take turns.
 *
 * Turns in which others used the machine do not count: there are rounds until every engine has had as many quiet turns as --rounds asks
 * for, but at most four times as many. Where fewer than three were quiet all count, and the table says so.
 *
 * npm run bench -- step [--rounds 5] [--network reference] [--python PYTHON]
 */
import { fileURLToPath } from 'node:url';
import type { Engine } from '../src/engine/engine.ts';
import { parameterCount } from '../src/model/parameters.ts';
import { type BenchOptions, figure, median, printHeading, printTable, ratio } from './measure.ts';
import { networks } from './networks.ts';
import { printQuiet } from './quiet.ts';
import { type Command, type MeasuredTurn, startProcess, type StepProcess } from './step-contender.ts';

const batches = [384, 128, 1024] as const;
const turnMs = 300;
/** One that has used up so much sits out, but not before three turns. */
const budgetMs = 10_000;
/** Rounds at most, in those asked for. */
const mostTurns = 4;
const compileLimitMs = 60_000;
/** Cores that others may use in a turn that counts: ticks of 10 ms are coarse beside a turn. */
const disturbed = 0.15;

interface Entry {
  readonly name: string;
  readonly threads: number;
  readonly command: Command;
  /** Only with batches of 384: it is slow. */
  readonly slow?: boolean;
}

interface Result {
  readonly entry: Entry;
  readonly batch: number;
  readonly openMs: number;
  readonly turns: MeasuredTurn[];
}

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const bothThreads = [1, 2] as const;

function entriesOf(index: number, python: string | undefined): Entry[] {
  const own = (engine: Engine['name'] | 'as-it-comes', threads: number): Command => ({
    program: process.execPath,
    args: [...process.execArgv, script('step-process.ts'), engine, String(threads), String(index)],
  });
  const xla = { TF_XLA_FLAGS: '--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit' };
  const entries: Entry[] = bothThreads.flatMap((threads) => [
    { name: 'onnx', threads, command: own('onnx', threads) },
    { name: 'tensorflow', threads, command: own('tensorflow', threads) },
    { name: 'tensorflow, XLA', threads, command: { ...own('tensorflow', threads), environment: xla } },
    { name: 'tensorflow-eager', threads, command: own('tensorflow-eager', threads) },
  ]);
  entries.push(
    { name: 'wasm', threads: 1, command: own('wasm', 1), slow: true },
    { name: 'tfjs wasm, as it comes', threads: 1, command: own('as-it-comes', 1), slow: true },
  );
  if (python === undefined) return entries;
  const torch = { eager: 'PyTorch eager', compile: 'PyTorch torch.compile', bf16: 'PyTorch bf16 autocast' };
  for (const [engine, name] of Object.entries(torch))
    for (const threads of bothThreads) {
      const args = [script('torch_step.py'), '--serve', '--engines', engine, '--threads', String(threads)];
      entries.push({ name, threads, command: { program: python, args } });
    }
  return entries;
}

const progress = (line: string): void => void process.stderr.write(`${line}\n`);

/** Every entry, one batch size after the other. @param tell what is left out, and versions */
async function* measureAll(entries: readonly Entry[], sizes: readonly number[], rounds: number, tell: (line: string) => void) {
  const processes = new Map<Entry, StepProcess>(entries.map((entry) => [entry, startProcess(entry.command)]));
  try {
    for (const batch of sizes) {
      const running: Result[] = [];
      for (const [entry, its] of processes) {
        if (entry.slow && batch !== 384) continue;
        const opened = await its.open(batch, compileLimitMs);
        progress(`batches of ${batch}: ${entry.name}, ${threadsOf(entry)}`);
        if (typeof opened === 'string') {
          tell(`left out: ${entry.name}, ${threadsOf(entry)}, batches of ${batch}: ${opened}`);
          processes.delete(entry);
          continue;
        }
        if (opened.version !== '') tell(opened.version);
        running.push({ entry, batch, openMs: opened.openMs, turns: [] });
      }
      for (let round = 0; round < mostTurns * rounds; round++) {
        const lacking = running.filter(({ turns }) => {
          const spent = turns.reduce((total, { ms }) => total + Math.max(ms, turnMs), 0);
          return quietTurns(turns).length < rounds && (turns.length < 3 || spent < budgetMs);
        });
        if (lacking.length > 0) progress(`batches of ${batch}: round ${round + 1}, for ${lacking.length} of ${running.length}`);
        for (const { entry, turns } of lacking) {
          const its = processes.get(entry);
          if (its) turns.push(await its.turn(turnMs));
        }
      }
      yield running;
    }
  } finally {
    for (const its of processes.values()) await its.end();
  }
}

const threadsOf = ({ threads }: Entry): string => `${threads} ${threads === 1 ? 'thread' : 'threads'}`;

const quietTurns = (turns: readonly MeasuredTurn[]): MeasuredTurn[] => turns.filter(({ others = 0 }) => others < disturbed);

/** The medians of the turns that nobody disturbed, or of all where they are fewer than three. */
function medians(turns: readonly MeasuredTurn[]): { ms: number; coreMs: number; quiet: number } {
  const quiet = quietTurns(turns);
  const used = quiet.length >= 3 ? quiet : turns;
  return { ms: median(used.map(({ ms }) => ms)), coreMs: median(used.map(({ coreMs }) => coreMs)), quiet: quiet.length };
}

const columns = [
  'batch',
  'engine',
  'threads',
  'ms a step',
  'rows/s',
  'speed, onnx = 1',
  'core ms a step',
  'rows a core second',
  'quiet turns',
  'ms to compile, and a step',
];

function rowOf({ entry, batch, openMs, turns }: Result, all: readonly Result[]): string[] {
  const { ms, coreMs, quiet } = medians(turns);
  const onnx = all.find((one) => one.entry.name === 'onnx' && one.entry.threads === entry.threads);
  return [
    String(batch),
    entry.name,
    String(entry.threads),
    figure(ms),
    figure((batch / ms) * 1e3),
    onnx ? ratio(medians(onnx.turns).ms / ms) : '-',
    figure(coreMs),
    figure((batch / coreMs) * 1e3),
    `${quiet} of ${turns.length}`,
    figure(openMs),
  ];
}

export async function main({ rounds = 5, network: only = '', python }: BenchOptions = {}): Promise<void> {
  printHeading('A training step: forward, gradients, Adam.', ['onnxruntime-node', '@tensorflow/tfjs']);
  await printQuiet('before');
  const started = performance.now();
  for (const [index, [name, network]] of networks.entries()) {
    if (!name.includes(only)) continue;
    const reference = name.startsWith('reference');
    const said = new Set<string>();
    const entries = entriesOf(index, reference ? python : undefined);
    console.log(`\n${name}, ${parameterCount(network).toLocaleString('en')} parameters`);
    const sizes = reference ? batches : [384];
    for await (const results of measureAll(entries, sizes, rounds, (line) => said.add(line))) {
      for (const line of said) console.log(line);
      said.clear();
      printTable(
        columns,
        results.map((result) => rowOf(result, results)),
      );
    }
  }
  console.log(`${figure((performance.now() - started) / 1e3)} s in all`);
  await printQuiet('after');
}
