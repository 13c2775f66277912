/**
 * How long a coordinator takes from its start to its first answer, with a study of 10,000 trials and 50,000 tasks in its data folder: half of the tasks done,
 * a thousand of them running. Open, read the rows, build the state, introduce a worker and hand it a task. SQLite files, real scheduler, loopback.
 *
 * npm run bench -- recovery [--trials 10000] [--rounds 5]
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryArtifacts } from '../src/artifacts/memory.ts';
import { silentLog } from '../src/base/ports.ts';
import { realTimers } from '../src/cli/coordinator-parts.ts';
import { startCoordinator } from '../src/coordinator/coordinator.ts';
import type { Plan } from '../src/plan/types.ts';
import { summaryOf } from '../src/report/summary.ts';
import { summaryOf as summaryOfResult } from '../src/scheduler/result-summary.ts';
import { newTaskState } from '../src/scheduler/task-table.ts';
import { defaultPolicy, type TaskState } from '../src/scheduler/types.ts';
import { openStore } from '../src/store/sqlite.ts';
import { createBlobServer } from '../src/wire/blobs/server.ts';
import { createLoopback } from '../src/wire/loopback.ts';
import { protocolVersion } from '../src/wire/messages.ts';
import { type BenchOptions, figure, median, printHeading, printTable } from './measure.ts';
import { benchRow, emptyPlan, hashOf, reports, resultOf } from './study.ts';

const folds = 5;

/** Each trial once a fold, as the inductive protocol has it. */
function planOf(trials: number): Plan {
  const plan = emptyPlan(trials);
  const tasks = plan.tasks.flatMap((task) =>
    Array.from({ length: folds }, (_, fold) => ({ ...task, id: `${task.trial}/${fold}/0-${reports}`, fold })),
  );
  return { trials: plan.trials, tasks };
}

function write(path: string, plan: Plan): void {
  const store = openStore(path);
  store.create(benchRow, plan);
  const changes = plan.tasks.slice(0, plan.tasks.length / 2 + plan.tasks.length / 50).map((task, i) => {
    const state = newTaskState(task);
    const checkpoint = { hash: hashOf(task.id, i < plan.tasks.length / 2 ? reports : 5), step: 5 };
    // One fold of the score: that is what a task of the inductive protocol has.
    const whole = resultOf(task.id);
    const result = { ...whole, score: { ...whole.score, folds: whole.score.folds.slice(0, 1) } };
    const changed: TaskState =
      i < plan.tasks.length / 2
        ? { ...state, status: 'done', attempt: 1, checkpoint, result: summaryOfResult(result) }
        : { ...state, status: 'running', attempt: 1, checkpoint };
    const transition = {
      atMs: 0,
      task: task.id,
      attempt: 1,
      from: 'pending',
      to: changed.status,
      worker: 'w',
      cause: 'bench',
    } as const;
    return { task: changed, transition, result: changed.status === 'done' ? result : undefined };
  });
  store.commit({ tasks: changes });
  store.close();
}

interface Restart {
  /** Milliseconds until the state is there, and until a worker has its task. */
  readonly state: number;
  readonly assigned: number;
}

async function restart(path: string): Promise<Restart> {
  const loopback = createLoopback();
  const started = performance.now();
  const coordinator = startCoordinator({
    ...{ transport: loopback.coordinator, artifacts: memoryArtifacts(), artifactsAt: '', identity: '' },
    stores: { list: () => ['bench'], open: () => openStore(path) },
    blobs: createBlobServer,
    policy: { ...defaultPolicy, whenDone: 'wait' },
    heartbeatMs: 500,
    graceMs: 60_000,
    clock: { now: Date.now },
    timers: realTimers,
    log: silentLog,
    summaryOf,
    version: '0',
  });
  const state = performance.now() - started;
  const worker = loopback.connect();
  await new Promise<void>((resolve) => {
    worker.listen(({ type }) => {
      if (type === 'assign') resolve();
    });
    const capabilities = { engine: 'none', device: 'none', threads: 1, memory: 0 };
    worker.send({ type: 'hello', protocol: protocolVersion, version: '0', name: 'w', pid: 0, capabilities, running: undefined });
  });
  const assigned = performance.now() - started;
  await coordinator.close();
  return { state, assigned };
}

export async function main({ trials = 10_000, rounds = 5 }: BenchOptions = {}): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-bench-'));
  try {
    printHeading('A coordinator’s restart: from nothing to a worker with its task.', ['@photostructure/sqlite']);
    const rows = [];
    for (const size of [trials / 100, trials / 10, trials]) {
      const path = join(folder, `study-${size}.db`);
      const plan = planOf(size);
      write(path, plan);
      const runs: Restart[] = [];
      for (let round = 0; round <= rounds; round++) {
        const run = await restart(path);
        // The first round warms up.
        if (round > 0) runs.push(run);
      }
      const ms = (of: (run: Restart) => number): string => figure(median(runs.map(of)));
      const megabytes = statSync(path).size / 2 ** 20;
      rows.push([String(size), String(plan.tasks.length), figure(megabytes), ms((run) => run.state), ms((run) => run.assigned)]);
    }
    printTable(['trials', 'tasks', 'database, MiB', 'ms to the state', 'ms to the first task'], rows);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
