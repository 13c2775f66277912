/** `noisefold worker --devices`: one process a device, started again when one crashes; the supervisor's exit code is the worst of theirs. */
import type { Log } from '../base/ports.ts';
import { deviceId, deviceName, type Device } from '../worker/devices.ts';
import { exitCodes } from '../worker/session.ts';
import { startWorkerProcesses, type Ended, type WorkerProcess } from './worker-processes.ts';

export interface DeviceWorkersOptions {
  readonly devices: readonly Device[];
  /** The first part of the workers' names. */
  readonly host: string;
  /** What every worker is told besides its device and its name. */
  readonly args: readonly string[];
  readonly log: Log;
  /** Is given a function that tells how many of the workers run. */
  readonly watch?: (running: () => number) => void;
  /** Another script than this program, for tests. */
  readonly script?: string;
}

/** A worker that ended with one of these has nothing to come back for. */
const final: readonly (number | null)[] = Object.values(exitCodes);

/** The wait before a crashed worker is started again doubles from the first to the longest, and begins anew after one that ran for a while. */
const firstWaitMs = 1_000;
const longestWaitMs = 60_000;
/** Leaving takes a worker less than this; who is there still, hangs. */
export const leaveMs = 20_000;

/** Runs until all workers have ended. Resolves to the exit code. */
export async function superviseDevices({ devices, host, args, log, watch, script }: DeviceWorkersOptions): Promise<number> {
  const waits = new Map<string, number>();
  const processes = startWorkerProcesses({
    workers: devices.map((device): WorkerProcess => {
      const name = `${host}/${deviceName(device)}`;
      return { name, args: [...args, '--name', name, '--slot', deviceId(device)] };
    }),
    again(name, ended) {
      const wait = nextWait(waits.get(name), ended);
      if (wait !== undefined) waits.set(name, wait);
      return wait;
    },
    stderr: 'inherit',
    log,
    ...(script === undefined ? {} : { script }),
  });
  watch?.(() => processes.running());
  let asked = 0;
  const stop = (signal: NodeJS.Signals): void => {
    processes.retire();
    // At a terminal Ctrl-C is pressed again by who will not wait.
    if (++asked > 1 && signal === 'SIGINT') processes.signal('SIGKILL');
    else processes.signal('SIGTERM');
    setTimeout(() => processes.signal('SIGKILL'), leaveMs).unref();
  };
  const signals = ['SIGINT', 'SIGTERM', 'SIGUSR1'] as const;
  for (const signal of signals) process.on(signal, stop);
  try {
    const codes = [...(await processes.ended).values()];
    return worstCode(asked > 0 ? [...codes, exitCodes.stopped] : codes);
  } finally {
    for (const signal of signals) process.off(signal, stop);
  }
}

/** Milliseconds until a worker is started again; undefined where it ended as it should. */
export function nextWait(before: number | undefined, { code, ms }: Pick<Ended, 'code' | 'ms'>): number | undefined {
  if (final.includes(code)) return undefined;
  return before === undefined || ms > longestWaitMs ? firstWaitMs : Math.min(2 * before, longestWaitMs);
}

/** A setup that nobody will have is worse than a crash, a crash worse than a stop. */
export function worstCode(codes: readonly number[]): number {
  const rank = (code: number): number =>
    code === exitCodes.drained ? 0 : code === exitCodes.stopped ? 1 : code === exitCodes.refused ? 3 : 2;
  return codes.reduce((worst, code) => (rank(code) > rank(worst) ? code : worst), 0);
}
