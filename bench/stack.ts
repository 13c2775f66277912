/**
 * What it is worth to train several trials of one network in one graph (stacked-step.ts), against one after the other in one process, and against a process each.
 * First a check: trials with noise and learning rates of their own, 20 steps stacked and single, beside each other. Then steps of a trial a second, and
 * core time: all take turns, and figures are medians over the turns of what each took against today's step on one thread in the same round.
 *
 * npm run bench -- stack [--rounds 5] [--network example]
 */
import { fileURLToPath } from 'node:url';
import type { Batch } from '../src/engine/engine.ts';
import { onnxEngine } from '../src/engine/onnx/engine.ts';
import { initialState, parameterCount } from '../src/model/parameters.ts';
import type { NetworkSpec } from '../src/model/types.ts';
import { type BenchOptions, figure, median, printHeading, printTable } from './measure.ts';
import { batchSize, learningRate, networks, randomBatch, smallMlp } from './networks.ts';
import { machineCoreMs, printQuiet } from './quiet.ts';
import { stackedTraining } from './stacked-step.ts';
import { startProcess, type StepProcess } from './step-contender.ts';

const stacks = [2, 4, 8] as const;
const mostTrials = Math.max(...stacks);
const checkSteps = 20;
const checked = [...[1, ...stacks].map((trials) => ({ trials, threads: 1 })), { trials: mostTrials, threads: 2 }];
const turnMs = 400;
const openLimitMs = 120_000;

/** The batch of each trial: the same rows, more of them swapped from trial to trial. */
function trialBatches(network: NetworkSpec): Batch[] {
  const { clean, noisy } = randomBatch(network);
  return Array.from({ length: mostTrials }, (_, trial) => {
    const own = clean.map((value, i) => ((i * 7) % 16 < 2 * (trial + 1) ? (noisy[i] ?? 0) : value));
    return { clean, noisy: own, mask: clean.map((value, i) => Number(value !== own[i])) };
  });
}

const ratesOf = (trials: number): number[] =>
  Array.from({ length: trials }, (_, trial) => learningRate * (1 + trial / mostTrials));

const sameBytes = (a: Float32Array, b: Float32Array): boolean =>
  Buffer.compare(Buffer.from(a.buffer, a.byteOffset, a.byteLength), Buffer.from(b.buffer, b.byteOffset, b.byteLength)) === 0;

/** sqrt(sum (a - b)^2 / sum b^2). */
function distance(a: Float32Array, b: Float32Array): number {
  let [difference, whole] = [0, 0];
  for (const [i, value] of b.entries()) {
    difference += ((a[i] ?? 0) - value) ** 2;
    whole += value ** 2;
  }
  return Math.sqrt(difference / whole);
}

/** Weights and losses of the trials, stacked and single. */
async function check(network: NetworkSpec): Promise<void> {
  const from = initialState(network, 1);
  const batches = trialBatches(network);
  const rates = ratesOf(mostTrials);
  const count = parameterCount(network);
  const single: { losses: number[]; weights: Float32Array }[] = [];
  for (const [trial, batch] of batches.entries()) {
    const session = await onnxEngine({ threads: 1 }).training(network, batchSize, from);
    const losses: number[] = [];
    for (let i = 0; i < checkSteps; i++) losses.push(await session.step(batch, rates[trial]!));
    single.push({ losses, weights: (await session.state()).weights });
    await session.release();
  }
  const rows: string[][] = [];
  /** Of each trial, from the smallest stack that has it. */
  const known: Float32Array[] = [];
  for (const { trials, threads } of checked) {
    const session = await stackedTraining(threads, network, batchSize, trials, from);
    const errors: number[] = [];
    for (let i = 0; i < checkSteps; i++)
      for (const [trial, loss] of (await session.step(batches.slice(0, trials), rates.slice(0, trials))).entries())
        errors.push(Math.abs(loss / single[trial]!.losses[i]! - 1));
    const weights = await session.weights();
    await session.release();
    const own = Array.from({ length: trials }, (_, trial) => weights.subarray(trial * count, (trial + 1) * count));
    rows.push([
      String(trials),
      String(threads),
      Math.max(...errors).toExponential(1),
      Math.max(...own.map((each, trial) => distance(each, single[trial]!.weights))).toExponential(1),
      own.every((each, trial) => sameBytes(each, single[trial]!.weights)) ? 'yes' : 'no',
      own.every((each, trial) => sameBytes(each, (known[trial] ??= each))) ? 'yes' : 'no',
    ]);
  }
  console.log(`${checkSteps} steps, stacked and single: the largest relative errors of any trial`);
  printTable(['trials', 'threads', 'losses', 'weights (L2)', 'bytes of the single step', 'bytes of smaller stacks'], rows);
}

/** So many processes at a time, each with a step of so many trials. */
interface Contender {
  readonly form: 'onnx' | 'stacked';
  readonly trials: number;
  readonly processes: number;
  readonly threads: number;
}

interface Round {
  /** Of a trial, in all processes together. */
  readonly stepsPerSecond: number;
  readonly coreMs: number;
  /** Cores that others used. */
  readonly others: number;
}

const contenders: readonly Contender[] = [
  { form: 'onnx', trials: 1, processes: 1, threads: 1 },
  ...stacks.map((trials) => ({ form: 'stacked', trials, processes: 1, threads: 1 }) as const),
  { form: 'onnx', trials: 1, processes: 1, threads: 2 },
  ...stacks.map((trials) => ({ form: 'stacked', trials, processes: 1, threads: 2 }) as const),
  ...stacks.map((processes) => ({ form: 'onnx', trials: 1, processes, threads: 1 }) as const),
  { form: 'onnx', trials: 1, processes: 2, threads: 2 },
  ...stacks.map((trials) => ({ form: 'stacked', trials, processes: 2, threads: 1 }) as const),
];

/** All processes of a contender at once. */
async function takeRound(trials: number, processes: readonly StepProcess[]): Promise<Round> {
  const [started, own, machine] = [performance.now(), process.cpuUsage(), machineCoreMs()];
  const turns = await Promise.all(processes.map((each) => each.turn(turnMs)));
  const { user, system } = process.cpuUsage(own);
  const ours = turns.reduce((total, { turnCoreMs }) => total + turnCoreMs, (user + system) / 1e3);
  const stepsPerMs = turns.reduce((total, { ms }) => total + trials / ms, 0);
  return {
    stepsPerSecond: stepsPerMs * 1e3,
    coreMs: turns.reduce((total, { coreMs, ms }) => total + coreMs / ms, 0) / stepsPerMs,
    others: Math.max(0, ((machineCoreMs() ?? NaN) - (machine ?? NaN) - ours) / (performance.now() - started)),
  };
}

async function measure(index: number, rounds: number): Promise<void> {
  const all: StepProcess[] = [];
  const pools = new Map<string, StepProcess[]>();
  const take = async ({ form, trials, processes, threads }: Contender): Promise<readonly StepProcess[]> => {
    const key = [form, threads, index, trials].join(' ');
    const pool = pools.get(key) ?? [];
    pools.set(key, pool);
    while (pool.length < processes) {
      const args = [...process.execArgv, fileURLToPath(new URL('step-process.ts', import.meta.url)), ...key.split(' ')];
      const started = startProcess({ program: process.execPath, args });
      all.push(started);
      const opened = await started.open(batchSize, openLimitMs);
      if (typeof opened === 'string') throw new Error(`${key}: ${opened}`);
      pool.push(started);
    }
    return pool.slice(0, processes);
  };
  try {
    const entries: { readonly contender: Contender; readonly processes: readonly StepProcess[]; readonly found: Round[] }[] = [];
    for (const contender of contenders) entries.push({ contender, processes: await take(contender), found: [] });
    for (let round = 0; round < rounds; round++)
      for (const { contender, processes, found } of entries) found.push(await takeRound(contender.trials, processes));
    const today = entries[0]!.found;
    const rows = entries.map(({ contender, found }) => [
      contender.form === 'onnx' ? 'a graph a trial' : `${contender.trials} trials a graph`,
      String(contender.processes),
      String(contender.threads),
      figure(median(found.map(({ stepsPerSecond }) => stepsPerSecond))),
      figure(median(found.map(({ stepsPerSecond }, i) => stepsPerSecond / today[i]!.stepsPerSecond))),
      figure(median(found.map(({ coreMs }) => coreMs))),
      figure(median(found.map(({ coreMs }, i) => coreMs / today[i]!.coreMs))),
      figure(median(found.map(({ others }) => others))),
    ]);
    printTable(
      ['', 'processes', 'threads each', 'steps/s', 'first = 1', 'core ms a step', 'first = 1', 'cores others used'],
      rows,
    );
  } finally {
    for (const each of all) await each.end();
  }
}

export async function main({ rounds = 5, network: only = '' }: BenchOptions = {}): Promise<void> {
  printHeading('A training step of several trials: one graph for all, beside a graph each.', ['onnxruntime-node']);
  await printQuiet('before');
  for (const [index, [name, network]] of [...networks, smallMlp].entries()) {
    if (!name.includes(only)) continue;
    console.log(`\n${name}, ${parameterCount(network).toLocaleString('en')} parameters, batches of ${batchSize}`);
    await check(network);
    await measure(index, rounds);
  }
  await printQuiet('after');
}
