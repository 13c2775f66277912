/** Keeps worker processes running: starts them, passes signals on, starts those that died again as the caller decides. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Log } from '../base/ports.ts';

export interface WorkerProcess {
  /** Lives longer than the process. */
  readonly name: string;
  /** What follows `noisefold worker`. */
  readonly args: readonly string[];
  /** Beside this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** How long it ran. */
  readonly ms: number;
  /** How often this worker was started again so far. */
  readonly restarts: number;
}

export interface WorkerProcessesOptions {
  readonly workers: readonly WorkerProcess[];
  /** Milliseconds until a worker that ended is started again; undefined: not again. Not asked once they are retired. */
  readonly again: (name: string, ended: Ended) => number | undefined;
  readonly onEnded?: (name: string, ended: Ended) => void;
  /** `inherit` shows what they write on standard error, `keep` puts its end into the log when they end. */
  readonly stderr: 'inherit' | 'keep';
  readonly log: Log;
  /** Another script than this program, for tests. */
  readonly script?: string;
}

export interface WorkerProcesses {
  /** Starts none again. */
  retire(): void;
  /** To every one that runs. */
  signal(signal: NodeJS.Signals): void;
  /** How many run now. */
  running(): number;
  /** Resolves when none runs and none will be started again, with the last exit code of each worker (1 for one that a signal ended). */
  readonly ended: Promise<ReadonlyMap<string, number>>;
}

const program = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url));

/** The last this many characters of a worker's standard error go into the log. */
const lastWords = 2_000;

export function startWorkerProcesses(options: WorkerProcessesOptions): WorkerProcesses {
  const { log, script = program } = options;
  const children = new Map<string, ChildProcess>();
  const waiting = new Map<string, NodeJS.Timeout>();
  const codes = new Map<string, number>();
  let retired = false;
  let finish: (codes: ReadonlyMap<string, number>) => void = () => {};
  const ended = new Promise<ReadonlyMap<string, number>>((resolve) => (finish = resolve));

  const settle = (): void => {
    if (children.size === 0 && waiting.size === 0) finish(codes);
  };

  function start(worker: WorkerProcess, restarts: number): void {
    const { name, args, env = {} } = worker;
    const startedMs = Date.now();
    const child = fork(script, ['worker', ...args], {
      stdio: ['ignore', 'ignore', options.stderr === 'inherit' ? 'inherit' : 'pipe', 'ipc'],
      env: { ...process.env, ...env },
    });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-lastWords)));
    children.set(name, child);
    child.on('error', (error) => log.log('error', 'a worker process could not be started', { name, message: error.message }));
    child.on('close', (code, signal) => {
      children.delete(name);
      codes.set(name, code ?? 1);
      const end: Ended = { code, signal, ms: Date.now() - startedMs, restarts };
      if (!retired || code !== 0) log.log('warn', 'a worker process ended', { name, code, signal, stderr: stderr.trim() });
      options.onEnded?.(name, end);
      const ms = retired ? undefined : options.again(name, end);
      if (ms !== undefined) {
        const timer = setTimeout(() => {
          waiting.delete(name);
          start(worker, restarts + 1);
        }, ms);
        waiting.set(name, timer);
      }
      settle();
    });
  }

  for (const worker of options.workers) start(worker, 0);

  return {
    retire() {
      retired = true;
      for (const timer of waiting.values()) clearTimeout(timer);
      waiting.clear();
      settle();
    },
    signal(signal) {
      for (const child of children.values()) child.kill(signal);
    },
    running: () => children.size,
    ended,
  };
}
