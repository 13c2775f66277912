/** Preloaded into a process that a bench watches (node --import): once a second it tells its parent what it has used, over IPC, without keeping the process alive. */
import { monitorEventLoopDelay } from 'node:perf_hooks';

export interface Usage {
  /** Seconds of processor time since the process began, of all its threads. */
  readonly cpu: number;
  readonly residentMb: number;
  readonly heapMb: number;
  /** The longest delay of the event loop in the last second, milliseconds. */
  readonly delayMs: number;
}

const everyMs = 1_000;

if (process.send !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  setInterval(() => {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    const usage: Usage = {
      cpu: (user + system) / 1e6,
      residentMb: rss / 2 ** 20,
      heapMb: heapUsed / 2 ** 20,
      delayMs: Math.max(0, delay.max / 1e6 - 10),
    };
    delay.reset();
    if (process.connected) process.send?.(usage, undefined, undefined, () => {});
  }, everyMs).unref();
  process.channel?.unref();
}
