/** The workers of a sweep: processes of this machine that are started again when they die: nobody should have to sit beside a sweep. */
import type { Log } from '../base/ports.ts';
import type { DeviceName, EngineName } from '../config/types.ts';
import { exitCodes } from '../worker/session.ts';
import { startWorkerProcesses } from './worker-processes.ts';

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

export function startLocalWorkers(options: LocalWorkersOptions): LocalWorkers {
  const { connect, engine, device, threads, logFile, log } = options;
  let retired = false;
  const exhausted = new Set<string>();
  const processes = startWorkerProcesses({
    workers: Array.from({ length: options.count }, (_, i) => {
      const name = `local-${i + 1}`;
      const shared = [
        '--connect',
        connect,
        '--engine',
        engine,
        '--device',
        device,
        '--threads',
        String(threads),
        '--log',
        logFile,
      ];
      // The key of a coordinator elsewhere is none for the one of this sweep.
      return { name, args: ['--name', name, ...shared], env: { NOISEFOLD_KEY: '' } };
    }),
    again(name, ended) {
      // One that was set up wrongly ends the same way again.
      if (ended.restarts < restarts && ended.code !== exitCodes.refused) return restartMs;
      exhausted.add(name);
      if (exhausted.size === options.count) options.onExhausted();
      return undefined;
    },
    onEnded: options.onLost,
    stderr: 'keep',
    log,
  });
  const retire = (): void => {
    retired = true;
    processes.retire();
  };
  const kill = (): void => {
    if (!retired) retire();
    processes.signal('SIGKILL');
  };
  return {
    retire,
    kill,
    async close() {
      retire();
      const timer = setTimeout(kill, drainMs);
      await processes.ended;
      clearTimeout(timer);
    },
  };
}
