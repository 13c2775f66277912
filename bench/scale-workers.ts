/**
 * Many workers in one process, for bench/scale.ts: real sessions, a real DEALER socket each, and tasks that wait instead of training. A task leaves its checkpoints as files in
 * the coordinator's artifact folder, as a worker of the same machine does, but without an fsync: what is measured is the coordinator, not the disk of the tasks.
 *
 * Forked with a Setting as JSON; says `ready` over IPC, begins when it hears anything, and says a Said when it hears something again. Then it may be killed.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { silentLog } from '../src/base/ports.ts';
import { sha256 } from '../src/base/hash.ts';
import type { WorkerMessage } from '../src/wire/messages.ts';
import type { PeerTransport } from '../src/wire/transport.ts';
import { connectPeer } from '../src/wire/zmq.ts';
import { sharedBlobs } from '../src/worker/blobs.ts';
import { startWorker, type Launcher, type Worker } from '../src/worker/worker.ts';
import { progressAt, reports, resultOf } from './study.ts';

export interface Setting {
  readonly address: string;
  readonly artifacts: string;
  readonly workers: number;
  /** Mean seconds of a task. */
  readonly seconds: number;
  /** Distinguishes the workers of several processes. */
  readonly process: number;
}

export interface Said {
  /** Milliseconds from the sending of each result to the arrival of the next task, by the worker's clock. */
  readonly waits: readonly number[];
  readonly cpu: number;
}

const bytes = Buffer.alloc(256, 7);

function idleTasks(random: () => number, meanSeconds: number): Launcher['run'] {
  return ({ task }, artifacts, { onProgress, onCheckpoint, onEnd }) => {
    // Between half and one and a half times the mean.
    const everyMs = (meanSeconds * (0.5 + random()) * 1e3) / reports;
    let timer: NodeJS.Timeout;
    const report = (step: number): void => {
      const hash = sha256(`${task.id}#${step}`);
      writeFileSync(join(artifacts, hash.slice(0, 2), hash.slice(2)), bytes);
      onProgress(progressAt(step));
      onCheckpoint(hash, step);
      if (step < reports) timer = setTimeout(report, everyMs, step + 1);
      else {
        const whole = resultOf(task.id);
        const folds = whole.score.folds.slice(0, 1);
        setImmediate(() => onEnd({ result: { ...whole, score: { ...whole.score, folds }, checkpoint: hash } }));
      }
    };
    timer = setTimeout(report, everyMs, 1);
    const stop = (): void => {
      clearTimeout(timer);
      onEnd('stopped');
    };
    return { interrupt: stop, kill: stop };
  };
}

const waits: number[] = [];

/** Notes what is sent and what comes. */
function timed(transport: PeerTransport): PeerTransport {
  let saidAt: number | undefined;
  return {
    ...transport,
    send(message: WorkerMessage) {
      // It is said again with every heartbeat until it is acknowledged.
      if (message.type === 'done') saidAt ??= performance.now();
      transport.send(message);
    },
    listen: (onMessage, onMalformed) =>
      transport.listen((message) => {
        if (message.type === 'assign' && saidAt !== undefined) {
          waits.push(performance.now() - saidAt);
          saidAt = undefined;
        }
        onMessage(message);
      }, onMalformed),
  };
}

const { address, artifacts, workers, seconds, process: part } = JSON.parse(process.argv[2] ?? '') as Setting;
for (let i = 0; i < 256; i++) mkdirSync(join(artifacts, i.toString(16).padStart(2, '0')), { recursive: true });

const start = (index: number): Worker =>
  startWorker({
    transport: timed(connectPeer({ address })),
    introduction: {
      ...{ version: '0', name: `worker-${part}-${index}`, pid: process.pid },
      capabilities: { engine: 'none', device: 'none', threads: 1, memory: 0 },
    },
    launcher: { run: idleTasks(Math.random, seconds), probe: (onEnd) => ({ interrupt: () => {}, kill: () => onEnd(undefined) }) },
    blobsOf: ({ artifacts: folder }) => Promise.resolve(sharedBlobs(folder)),
    timers: {
      every(ms, callback) {
        const timer = setInterval(callback, ms);
        return () => clearInterval(timer);
      },
      after(ms, callback) {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    },
    clock: { now: Date.now },
    log: silentLog,
  });

let running = false;
process.on('message', () => {
  if (!running) {
    running = true;
    // Not all in one moment: a thousand hellos take as long as they take, but machines do not start in the same millisecond.
    for (let index = 0; index < workers; index++) setTimeout(start, (index / workers) * 2_000, index);
    return;
  }
  const { user, system } = process.cpuUsage();
  const said: Said = { waits, cpu: (user + system) / 1e6 };
  process.send?.(said);
});
process.send?.('ready');
