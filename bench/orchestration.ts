/**
 * What a trial costs that does nothing: it is leased, reports ten times (progress, heartbeat, checkpoint), and is done. Real coordinator,
 * scheduler, codec, worker and log; by row of the table, what they are put on. A durable event is a task's change that is in SQLite, after
 * an fsync, before anybody is told: leased, running, ten checkpoints and done make 13 a trial. Optuna writes 13 things, too: the trial, its
 * parameter, ten reports and the end.
 *
 * npm run bench -- orchestration [--trials 100] [--workers 4] [--rounds 5] [--python PYTHON]
 */
import { execFileSync, spawn, type ExecFileSyncOptionsWithStringEncoding } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memoryArtifacts } from '../src/artifacts/memory.ts';
import { fileLog } from '../src/cli/log.ts';
import { realTimers } from '../src/cli/coordinator-parts.ts';
import { startCoordinator } from '../src/coordinator/coordinator.ts';
import { createMetrics } from '../src/coordinator/metrics.ts';
import { summaryOf } from '../src/report/summary.ts';
import { newTaskState } from '../src/scheduler/task-table.ts';
import { defaultPolicy } from '../src/scheduler/types.ts';
import { memoryStore } from '../src/store/memory.ts';
import { openStore } from '../src/store/sqlite.ts';
import type { Store } from '../src/store/store.ts';
import { createBlobServer } from '../src/wire/blobs/server.ts';
import { createLoopback } from '../src/wire/loopback.ts';
import type { CoordinatorTransport } from '../src/wire/transport.ts';
import { bindCoordinator } from '../src/wire/zmq.ts';
import { idleWorker } from './idle-workers.ts';
import { type BenchOptions, figure, median, printHeading, printTable, ratio } from './measure.ts';
import { benchRow, emptyPlan, hashOf, reports } from './study.ts';

interface Run {
  readonly seconds: number;
  /** Task changes committed. */
  readonly events: number;
}

interface Setting {
  readonly folder: string;
  readonly trials: number;
  readonly workers: number;
}

type Start = (transport: CoordinatorTransport, store: Store) => Promise<Run>;

/** Starts a coordinator and returns a function that waits for the study's end. Time runs from the first worker's hello. */
function study({ folder, trials }: Setting): Start {
  const plan = emptyPlan(trials);
  return async (transport, store) => {
    store.create(benchRow, plan);
    let events = 0;
    let started = NaN;
    const log = fileLog(join(folder, `log-${Math.random()}.jsonl`));
    const counted: Store = {
      ...store,
      close() {},
      commit(changes) {
        if (events === 0) started = performance.now();
        events += changes.tasks.length;
        store.commit(changes);
      },
    };
    const coordinator = startCoordinator({
      stores: { list: () => ['bench'], open: () => counted },
      transport,
      // Nobody writes checkpoints here; every one counts as there.
      artifacts: { ...memoryArtifacts(), has: () => Promise.resolve(true), verify: () => Promise.resolve('good') },
      ...{ artifactsAt: folder, identity: 'bench' },
      blobs: createBlobServer,
      policy: { ...defaultPolicy, leaseMs: 60_000 },
      heartbeatMs: 500,
      graceMs: 0,
      clock: { now: Date.now },
      timers: realTimers,
      metrics: createMetrics(() => performance.now()),
      log,
      summaryOf,
      version: '0',
    });
    await coordinator.ended('bench');
    const seconds = (performance.now() - started) / 1e3;
    const all = [...(coordinator.state().studies.get('bench')?.tasks.values() ?? [])];
    const undone = all.filter((task) => task.status !== 'done' || task.attempt !== 1);
    if (undone.length > 0) throw new Error(`${undone.length} tasks were not done at the first attempt`);
    // Workers have been told to leave; they hear it before the transport closes.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await coordinator.close();
    await log.close();
    return { seconds, events };
  };
}

/** Durable changes of one trial. */
const changes = reports + 3;

let databases = 0;
const sqlite = ({ folder }: Setting): Store => openStore(join(folder, `study-${++databases}.db`));

async function overLoopback(setting: Setting, store: Store): Promise<Run> {
  const loopback = createLoopback();
  const run = study(setting)(loopback.coordinator, store);
  const workers = Array.from({ length: setting.workers }, (_, i) => idleWorker(loopback.connect(), `idle-${i}`));
  await Promise.all(workers);
  store.close();
  return run;
}

/** The workers share one process, apart from the coordinator's. */
async function overSockets(setting: Setting, store: Store): Promise<Run> {
  const transport = await bindCoordinator({ address: 'tcp://127.0.0.1:0' });
  const script = fileURLToPath(new URL('idle-workers.ts', import.meta.url));
  const args = [...process.execArgv, script, transport.address, String(setting.workers)];
  const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(child, 'close');
  await once(child.stdout, 'data');
  const run = study(setting)(transport, store);
  child.stdin.end('go\n');
  const result = await run;
  await closed;
  await transport.close();
  store.close();
  return result;
}

/** The store alone: one change a commit, as most are. */
function storeAlone(setting: Setting): Promise<Run> {
  const store = sqlite(setting);
  const plan = emptyPlan(setting.trials);
  store.create(benchRow, plan);
  const started = performance.now();
  for (const task of plan.tasks)
    for (let step = 0; step < changes; step++) {
      const checkpoint = { hash: hashOf(task.id, step), step };
      const transition = {
        atMs: 0,
        task: task.id,
        attempt: 1,
        from: 'running',
        to: 'running',
        worker: 'idle',
        cause: 'checkpoint',
      } as const;
      store.commit({ tasks: [{ task: { ...newTaskState(task), status: 'running', attempt: 1, checkpoint }, transition }] });
    }
  const seconds = (performance.now() - started) / 1e3;
  store.close();
  return Promise.resolve({ seconds, events: setting.trials * changes });
}

/** What the disk asks for each of the store's commits: some bytes appended to a file and an fsync. */
function fsyncAlone({ folder, trials }: Setting): Promise<Run> {
  const file = openSync(join(folder, `file-${++databases}`), 'a');
  const bytes = Buffer.alloc(8_192);
  const started = performance.now();
  for (let i = 0; i < trials * changes; i++) {
    writeSync(file, bytes);
    fsyncSync(file);
  }
  const seconds = (performance.now() - started) / 1e3;
  closeSync(file);
  return Promise.resolve({ seconds, events: trials * changes });
}

/** Optuna's optimize(), or Ray Tune's fit(), with trials that report ten times. */
function peer(python: string, kind: string, { folder, trials }: Setting): Promise<Run> {
  const script = fileURLToPath(new URL('peers.py', import.meta.url));
  const path = join(folder, `${kind}-${++databases}`);
  const options: ExecFileSyncOptionsWithStringEncoding = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
  const said = execFileSync(python, [script, kind, path, String(trials), String(reports)], options);
  const { seconds } = JSON.parse(said.trimEnd().split('\n').at(-1) ?? '') as { seconds: number };
  return Promise.resolve({ seconds, events: trials * changes });
}

export async function main({ trials = 100, workers = 4, rounds = 5, python }: BenchOptions = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-bench-'));
  const setting = { folder, trials, workers };
  /** Peers get fewer trials where they would take too long. */
  const few = { ...setting, trials: Math.ceil(setting.trials / 10) };
  const contenders: readonly (readonly [name: string, trials: number, run: () => Promise<Run>])[] = [
    ['ZeroMQ, SQLite: as a sweep', setting.trials, () => overSockets(setting, sqlite(setting))],
    ['loopback, SQLite', setting.trials, () => overLoopback(setting, sqlite(setting))],
    ['ZeroMQ, memory: nothing durable', setting.trials, () => overSockets(setting, memoryStore())],
    ['loopback, memory: nothing durable', setting.trials, () => overLoopback(setting, memoryStore())],
    ['SQLite store alone', setting.trials, () => storeAlone(setting)],
    ['8 KiB and an fsync, alone', setting.trials, () => fsyncAlone(setting)],
    ...(python === undefined
      ? []
      : [
          ['Optuna, SQLite', few.trials, () => peer(python, 'sqlite', few)] as const,
          ['Optuna, journal file', setting.trials, () => peer(python, 'journal', setting)] as const,
          ['Optuna, memory: nothing durable', setting.trials, () => peer(python, 'memory', setting)] as const,
          ['Ray Tune, files', few.trials, () => peer(python, 'ray', few)] as const,
        ]),
  ];
  try {
    printHeading(`Trials that do nothing but report ${reports} times; ${setting.workers} workers, files in ${tmpdir()}.`, [
      'zeromq',
      '@photostructure/sqlite',
    ]);
    const runs = contenders.map((): Run[] => []);
    for (let round = 0; round <= rounds; round++)
      for (const [i, [, , run]] of contenders.entries()) {
        const result = await run();
        // The first round warms up.
        if (round > 0) runs[i]?.push(result);
      }
    const rates = contenders.map(([, trials], i) => trials / median((runs[i] ?? []).map(({ seconds }) => seconds)));
    printTable(
      ['over', 'trials', 'trials/s', 'reports/s', 'events/s', 'ms a trial', 'speed, as a sweep = 1'],
      contenders.map(([name, trials], i) => {
        const rate = rates[i] ?? NaN;
        const events = median((runs[i] ?? []).map((run) => run.events / run.seconds));
        return [
          name,
          String(trials),
          figure(rate),
          figure(reports * rate),
          figure(events),
          figure(1e3 / rate),
          ratio(rate / (rates[0] ?? NaN)),
        ];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
