/**
 * What one coordinator bears: `noisefold coordinator` as users start it (log, metrics, SQLite with an fsync a commit, artifacts in files) with many workers over TCP. Their tasks
 * wait instead of training, and make 13 durable events each: leased, running, ten checkpoints, done. How long a task waits follows from the events a second
 * that are offered; with more than it can take, what it takes.
 *
 * npm run bench -- scale [--workers N, else 100 and then 1000] [--minutes 10] [--rate 5000] [--profile FOLDER]
 */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Plan } from '../src/plan/types.ts';
import { openStore } from '../src/store/sqlite.ts';
import { type BenchOptions, figure, printHeading, printTable } from './measure.ts';
import type { Said, Setting } from './scale-workers.ts';
import { benchRow, emptyPlan, reports } from './study.ts';
import type { Usage } from './usage.ts';

const eventsOfTask = reports + 3;
const folds = 5;
/** Joining and the first round of tasks do not count. */
const warmUpMs = 6_000;
/** More than these in one process, and their own event loop is what is measured. */
const workersOfProcess = 1_000;

interface Sample extends Usage {
  /** Seconds since the measurement began. */
  readonly at: number;
  readonly events: number;
  readonly done: number;
}

interface Result {
  readonly workers: number;
  readonly samples: readonly Sample[];
  /** Milliseconds, ascending. */
  readonly waits: readonly number[];
  /** Seconds from a message's arrival at the coordinator to the sending of its task: the histogram's cumulative counts by upper bound. */
  readonly dispatch: readonly (readonly [bound: number, count: number])[];
  readonly commits: number;
  readonly commitSeconds: number;
  readonly workersCpu: number;
}

/** Each trial once a fold, as the inductive protocol has it. */
function planOf(tasks: number): Plan {
  const plan = emptyPlan(Math.ceil(tasks / folds));
  return {
    trials: plan.trials,
    tasks: plan.tasks.flatMap((task) =>
      Array.from({ length: folds }, (_, fold) => ({ ...task, id: `${task.trial}/${fold}/0-${reports}`, fold })),
    ),
  };
}

type Metrics = ReadonlyMap<string, number>;

async function scrape(http: string): Promise<Metrics> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

const value = (metrics: Metrics, name: string): number => metrics.get(`noisefold_${name}`) ?? 0;

async function startCoordinatorProcess(
  folder: string,
  profile: string | undefined,
): Promise<{ child: ChildProcess; address: string; http: string }> {
  const program = fileURLToPath(new URL('../src/main.ts', import.meta.url));
  const usage = new URL('usage.ts', import.meta.url).href;
  const profiling = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const command = ['coordinator', '--data', folder, '--listen', 'tcp://127.0.0.1:0', '--http', '127.0.0.1:0'];
  const child = spawn(process.execPath, [...process.execArgv, ...profiling, '--import', usage, program, ...command], {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  let said = '';
  for (;;) {
    const [text] = (await once(child.stderr ?? child, 'data')) as [Buffer];
    said += text.toString();
    const address = /listens at (\S+)/.exec(said)?.[1];
    const http = /metrics and health at (\S+)/.exec(said)?.[1];
    if (address !== undefined && http !== undefined) {
      child.stderr?.pipe(process.stderr);
      return { child, address, http };
    }
  }
}

async function run(folder: string, workers: number, seconds: number, rate: number, profile: string | undefined): Promise<Result> {
  const study = join(folder, 'studies', benchRow.name);
  mkdirSync(study, { recursive: true });
  const store = openStore(join(study, 'study.db'));
  // What is offered, and some: at worst twice what is offered for a moment.
  store.create(benchRow, planOf(workers + (1.1 * Math.min(rate, 12_000) * (seconds + 2 * (warmUpMs / 1e3))) / eventsOfTask));
  store.close();
  const { child, address, http } = await startCoordinatorProcess(folder, profile);
  let usage: Usage | undefined;
  child.on('message', (said: Usage) => (usage = said));
  const script = fileURLToPath(new URL('scale-workers.ts', import.meta.url));
  const parts = Math.ceil(workers / workersOfProcess);
  const crews = Array.from({ length: parts }, (_, part) => {
    const of = Math.ceil(workers / parts);
    const setting: Setting = {
      ...{ address, artifacts: join(folder, 'artifacts'), process: part },
      workers: Math.min(of, workers - part * of),
      seconds: (workers * eventsOfTask) / rate,
    };
    return fork(script, [JSON.stringify(setting)], { execArgv: process.execArgv });
  });
  await Promise.all(crews.map((crew) => once(crew, 'message')));
  for (const crew of crews) crew.send('go');
  await sleep(warmUpMs);
  const before = await scrape(http);
  const samples: Sample[] = [];
  const began = performance.now();
  const everyMs = Math.max(1_000, (seconds * 1e3) / 60);
  const look = (metrics: Metrics): void => {
    if (usage === undefined) throw new Error('the coordinator does not say what it uses');
    const done = value(metrics, `tasks{study="${benchRow.name}",status="done"}`);
    samples.push({ ...usage, at: (performance.now() - began) / 1e3, events: value(metrics, 'events_committed_total'), done });
  };
  look(before);
  let after = before;
  for (let i = 1; i * everyMs <= seconds * 1e3; i++) {
    await sleep(Math.max(0, began + i * everyMs - performance.now()));
    look((after = await scrape(http)));
  }
  const said = crews.map(async (crew) => {
    const message = once(crew, 'message') as Promise<[Said]>;
    crew.send('end');
    return (await message)[0];
  });
  const all = await Promise.all(said);
  for (const crew of crews) crew.kill('SIGKILL');
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  await closed;
  const grown = (name: string): number => value(after, name) - value(before, name);
  const bounds = [...after.keys()].flatMap((key) => /^noisefold_dispatch_seconds_bucket\{le="([^"]+)"\}$/.exec(key)?.[1] ?? []);
  return {
    ...{ workers, samples, commits: grown('commit_seconds_count'), commitSeconds: grown('commit_seconds_sum') },
    waits: all.flatMap(({ waits }) => waits).sort((a, b) => a - b),
    dispatch: bounds.map((bound) => [
      bound === '+Inf' ? Infinity : Number(bound),
      grown(`dispatch_seconds_bucket{le="${bound}"}`),
    ]),
    workersCpu: all.reduce((sum, { cpu }) => sum + cpu, 0),
  };
}

const quantile = (ascending: readonly number[], q: number): number =>
  ascending[Math.min(ascending.length - 1, Math.floor(q * ascending.length))] ?? NaN;

/** Within its bucket, as Prometheus' histogram_quantile has it. */
function bucketQuantile(buckets: Result['dispatch'], q: number): number {
  const total = buckets.at(-1)?.[1] ?? 0;
  let lower = 0;
  let below = 0;
  for (const [bound, count] of buckets) {
    if (count >= q * total && count > below)
      return bound === Infinity ? lower : lower + ((bound - lower) * (q * total - below)) / (count - below);
    lower = bound;
    below = count;
  }
  return NaN;
}

function row({ workers, samples, waits, dispatch, commits, commitSeconds, workersCpu }: Result): string[] {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined) throw new Error('nothing was measured');
  const seconds = last.at - first.at;
  const done = last.done - first.done;
  const cpu = last.cpu - first.cpu;
  const events = last.events - first.events;
  return [
    String(workers),
    figure(events / seconds),
    figure(done / seconds),
    figure((1e3 * cpu) / done),
    `${Math.round((100 * cpu) / seconds)} %`,
    figure(events / commits),
    figure((1e3 * commitSeconds) / commits),
    figure(1e3 * bucketQuantile(dispatch, 0.5)),
    figure(1e3 * bucketQuantile(dispatch, 0.99)),
    figure(quantile(waits, 0.5)),
    figure(quantile(waits, 0.99)),
    `${Math.round((100 * workersCpu) / (last.at + warmUpMs / 1e3))} %`,
  ];
}

const head = [
  ...['workers', 'events/s', 'tasks/s', 'core ms a task', 'of a core', 'events a commit', 'ms a commit'],
  ...['dispatch p50 ms', 'p99', 'worker waits p50 ms', 'p99', 'workers, of a core'],
];

export async function main({ workers, minutes = 10, rate = 5_000, profile }: BenchOptions = {}): Promise<void> {
  printHeading(`A coordinator with many workers for ${minutes} minutes each, ${rate} events/s offered.`, [
    'zeromq',
    '@photostructure/sqlite',
    'prom-client',
  ]);
  const results: Result[] = [];
  for (const count of workers === undefined ? [100, 1_000] : [workers]) {
    const folder = mkdtempSync(join(tmpdir(), 'noisefold-scale-'));
    try {
      results.push(await run(folder, count, minutes * 60, rate, profile));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  printTable(head, results.map(row));
  for (const { workers: count, samples } of results) {
    console.log(`${count} workers, over time:`);
    const some = samples.filter((_, i) => i % Math.ceil(samples.length / 12) === 0 || i === samples.length - 1);
    printTable(
      ['at, s', 'tasks done', 'resident MB', 'heap MB', 'events/s since', 'loop delay ms'],
      some.map((sample, i) => {
        const since = some[i - 1];
        const speed = since === undefined ? NaN : (sample.events - since.events) / (sample.at - since.at);
        return [
          figure(sample.at),
          sample.done.toLocaleString('en'),
          figure(sample.residentMb),
          figure(sample.heapMb),
          figure(speed),
          figure(sample.delayMs),
        ];
      }),
    );
  }
}
