/**
 * A cluster of real processes, for tests that disturb it: a coordinator service, workers, commands as a person types them, and what a study came to.
 *
 * What happens is read from the coordinator's log; whether a study is over is asked over a connection, since a killed coordinator takes its last log lines along.
 */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, watch } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '../../src/cli/remote/client.ts';
import { openStore } from '../../src/store/sqlite.ts';
import type { ClientAnswer, ClientRequest } from '../../src/wire/messages.ts';
import { connectPeer } from '../../src/wire/zmq.ts';
import { childrenOf, type LogLine, type Run, startIn, studyAt, type Study, type Surroundings } from './harness.ts';

export interface ClusterOptions {
  /** Where the tables and small.yaml are, and commands run. */
  readonly folder: string;
  /** The coordinator's data folder, and the beginning of the names of all that belongs to the cluster. */
  readonly name: string;
  readonly data?: string;
  readonly host?: string;
  /** Seconds. */
  readonly lease?: number;
  readonly coordinator?: Surroundings;
  /** Commands of the cluster's own (submit, fetch, ...). */
  readonly commands?: Surroundings & { readonly args?: readonly string[] };
}

export interface WorkerOptions extends Surroundings {
  /** It does not see the coordinator's folder, and has blobs sent. */
  readonly far?: boolean;
  /** Nothing that it starts lives. */
  readonly sick?: boolean;
  /** Instead of the coordinator's own. */
  readonly address?: string;
  readonly args?: readonly string[];
  readonly cache?: string;
}

export interface Cluster {
  readonly data: string;
  readonly address: string;
  /** Starts it, or starts it again. */
  coordinate(): Promise<Run>;
  coordinator(): Run;
  worker(name: string, options?: WorkerOptions): Run;
  /** Runs a command of a person to its end, which must be this exit status. */
  command(expected: number, ...args: readonly string[]): Promise<Run>;
  ask<T extends ClientAnswer['type']>(request: ClientRequest, expected: T): Promise<Extract<ClientAnswer, { type: T }>>;
  /** The lines of the coordinator's log, of all its lives. */
  log(): readonly LogLine[];
  /** Waits until one line of the log, after so many, fits. Resolves to the number of lines up to it. */
  logged(what: string, fits: (line: LogLine) => boolean, from?: number): Promise<number>;
  finished(study: string): Promise<void>;
  /** Fetches a study and says what it came to. */
  outcome(study: string): Promise<Outcome>;
  close(): Promise<void>;
}

/** All that must not depend on what happened meanwhile. */
export interface Outcome {
  readonly ranking: string;
  /** The hash of each task's final checkpoint. */
  readonly checkpoints: Readonly<Record<string, string | undefined>>;
  readonly attempts: Readonly<Record<string, number>>;
}

const patienceMs = 180_000;

/** A port that is free now. */
export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });

/** NODE_OPTIONS that have a process, and those that it starts, run this first. */
const preload = (script: string): string => `--import data:text/javascript,${encodeURIComponent(script)}`;

/** The coordinator's artifact folder is not there, as on another machine with the same paths. */
const farFolder = preload(`
import { promises } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { readFile } = promises;
promises.readFile = (path, ...rest) =>
  String(path).endsWith('coordinator.id') ? Promise.reject(new Error('another machine')) : readFile(path, ...rest);
syncBuiltinESMExports();`);

/** The processes of tasks and canaries crash as they start, as on a machine with a broken driver. */
const sickTasks = preload(`
if (/task-process\\.[jt]s$/.test(process.argv[1] ?? '')) {
  process.stderr.write('a broken driver\\n');
  process.exit(134);
}`);

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const { folder, name, host = '127.0.0.1', lease = 10 } = options;
  const data = options.data ?? join(folder, name);
  const address = `tcp://${host}:${await freePort()}`;
  const runs = new Set<Run>();
  const keep = (run: Run): Run => {
    runs.add(run);
    return run;
  };
  let coordinator: Run | undefined;
  let connection: ReturnType<typeof createClient> | undefined;
  const transport = () => connectPeer({ address });
  const client = () =>
    (connection ??= createClient({ transport: transport(), address, timeoutMs: patienceMs, onOther: () => {} }));

  const log = (): readonly LogLine[] => linesOf(join(data, 'log.jsonl'));

  const cluster: Cluster = {
    data,
    address,
    async coordinate() {
      const args = ['coordinator', '--data', data, '--listen', address, '--lease', String(lease)];
      const running = (coordinator = keep(startIn(options.coordinator ?? {}, folder, ...args)));
      await waitFor('the coordinator', () => {
        assert.ok(!running.over(), `the coordinator ended: ${running.stderr()}`);
        return running.stderr().includes('listens at');
      });
      return running;
    },
    coordinator: () => coordinator ?? assert.fail('no coordinator was started'),
    worker(worker, { far = false, sick = false, address: to = address, args = [], env = {}, ...rest } = {}) {
      const { cache = join(folder, `${name}-cache`, worker) } = rest;
      const preloads = [...(far ? [farFolder] : []), ...(sick ? [sickTasks] : [])].join(' ');
      const given = { ...rest, env: { ...env, ...(preloads === '' ? {} : { NODE_OPTIONS: preloads }) } };
      return keep(startIn(given, folder, 'worker', '--connect', to, '--name', worker, '--cache', cache, ...args));
    },
    async command(expected, ...args) {
      const { args: more = [], ...surroundings } = options.commands ?? {};
      const running = keep(startIn(surroundings, folder, ...args, '--connect', address, '--timeout', '60', ...more));
      assert.equal(await running.ended, expected, `${args.join(' ')}: ${running.stderr()}`);
      return running;
    },
    ask: (request, expected) => client().ask(request, expected),
    log,
    async logged(what, fits, from = 0) {
      let found = -1;
      await waitFor(what, () => {
        found = log().findIndex((line, i) => i >= from && fits(line));
        return found >= 0;
      });
      return found + 1;
    },
    finished: (study) =>
      waitFor(`the end of ${study}`, async () => {
        const { study: summary, failed } = await client().ask({ type: 'status', study }, 'study');
        assert.equal(
          failed.length,
          0,
          `failed: ${failed.map(({ task, error }) => `${task} ${error?.message ?? ''}`).join('\n')}`,
        );
        return summary.status === 'finished';
      }),
    async outcome(study) {
      const output = `${name}-fetched`;
      await cluster.command(0, 'fetch', study, '--output', output, '--quiet');
      return outcomeOf(studyAt(folder, output, study));
    },
    async close() {
      await connection?.close();
      for (const run of runs) if (!run.over()) run.child.kill('SIGKILL');
      await Promise.all([...runs].map(({ ended }) => ended));
    },
  };
  return cluster;

  async function waitFor(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const limit = Date.now() + patienceMs;
    while (!(await condition())) {
      if (Date.now() > limit) {
        const lines = log()
          .slice(-25)
          .map((line) => JSON.stringify(line));
        const said = [...runs].map((run) => run.stderr().split('\n').slice(-8).join('\n'));
        assert.fail(`no ${what} within ${patienceMs / 1000} s:\n${lines.join('\n')}\n${said.join('\n--\n')}`);
      }
      await sleep(20);
    }
  }
}

/** A killed coordinator leaves half a line, which the next one goes on. */
function linesOf(path: string): readonly LogLine[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as LogLine];
      } catch {
        return [];
      }
    });
}

/** What is in a study's folder, of a sweep or of a fetch. */
export function outcomeOf(study: Study): Outcome {
  const store = openStore(study.path('study.db'), { readonly: true });
  try {
    const tasks = store.tasks();
    return {
      ranking: study.text('ranking.csv'),
      checkpoints: Object.fromEntries(tasks.map(({ task }) => [task.id, store.result(task.id)?.checkpoint])),
      attempts: Object.fromEntries(tasks.map(({ task, attempt }) => [task.id, attempt])),
    };
  } finally {
    store.close();
  }
}

export function assertSame(found: Outcome, expected: Outcome): void {
  assert.equal(found.ranking, expected.ranking);
  assert.deepEqual(found.checkpoints, expected.checkpoints);
}

/** A checkpoint in the middle of a trial that is trained, by the log. */
export const isCheckpoint = ({ message, task = '' }: LogLine): boolean =>
  /^checkpoint at step [1-9]/.test(message) && task.startsWith('trial-');

/** The processes of a worker's tasks. */
export const tasksOf = (worker: Run): readonly number[] => (worker.over() ? [] : childrenOf(worker.pid));

export const signal = (pid: number, name: NodeJS.Signals): void => {
  try {
    process.kill(pid, name);
  } catch (error) {
    // It has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
};

export interface Watch {
  /** Resolves after the call. */
  readonly next: Promise<void>;
  close(): void;
}

/** Calls back within a millisecond of the next write to a file of a folder whose name fits. */
export function atNextWrite(at: string, fits: (name: string) => boolean, then: () => void): Watch {
  let close = (): void => {};
  const next = new Promise<void>((resolve) => {
    const watcher = watch(at, (_, name) => {
      if (name === null || !fits(name)) return;
      watcher.close();
      then();
      resolve();
    });
    close = () => watcher.close();
  });
  return { next, close: () => close() };
}
