/** Starts the worker processes of one machine, and starts them again when they die: nobody should have to sit beside a sweep. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Log } from '../base/ports.ts';
import type { DeviceName, EngineName } from '../config/types.ts';

export interface LocalWorkersOptions {
  readonly count: number;
  /** Where the coordinator listens. */
  readonly connect: string;
  readonly engine: EngineName;
  readonly device: DeviceName;
  readonly threads: number;
  /** The study's log file; workers append to it. */
  readonly logFile: string;
  readonly log: Log;
  /** A worker's process is gone, with or without a goodbye. */
  readonly onLost: (name: string) => void;
  /** Every worker has used up its restarts. */
  readonly onExhausted: () => void;
}

export interface LocalWorkers {
  /** Starts no worker again: they are asked to leave. */
  retire(): void;
  /** Resolves when all have left by themselves, or are killed after the time that a drain may take. */
  close(): Promise<void>;
  kill(): void;
}

/** Restarts a worker slot may use up in a study, and the wait before each. */
const restarts = 10;
const restartMs = 500;
/** A drain checkpoints within seconds; who takes longer hangs. */
const drainMs = 30_000;

const main = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url));

export function startLocalWorkers(options: LocalWorkersOptions): LocalWorkers {
  const { log } = options;
  const running = new Map<string, ChildProcess>();
  const timers = new Set<NodeJS.Timeout>();
  let closing = false;
  let exhausted = 0;
  let onQuiet: () => void = () => {};

  function start(name: string, left: number): void {
    const args = ['worker', '--connect', options.connect, '--name', name, '--engine', options.engine, '--device', options.device];
    const child = fork(main, [...args, '--threads', String(options.threads), '--log', options.logFile], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-2_000)));
    running.set(name, child);
    child.on('error', (error) => log.log('error', 'a worker process could not be started', { name, message: error.message }));
    child.on('close', (code, signal) => {
      running.delete(name);
      if (!closing || code !== 0) log.log('warn', 'a worker process ended', { name, code, signal, stderr: stderr.trim() });
      options.onLost(name);
      if (running.size === 0) onQuiet();
      if (closing) return;
      if (left === 0) {
        if (++exhausted === options.count) options.onExhausted();
        return;
      }
      const timer = setTimeout(() => {
        timers.delete(timer);
        start(name, left - 1);
      }, restartMs);
      timers.add(timer);
    });
  }

  for (let i = 1; i <= options.count; i++) start(`local-${i}`, restarts);

  const retire = (): void => {
    closing = true;
    for (const timer of timers) clearTimeout(timer);
  };
  const kill = (): void => {
    retire();
    for (const child of running.values()) child.kill('SIGKILL');
  };
  return {
    retire,
    kill,
    async close() {
      retire();
      if (running.size === 0) return;
      const timer = setTimeout(kill, drainMs);
      await new Promise<void>((resolve) => (onQuiet = resolve));
      clearTimeout(timer);
    },
  };
}
