/** Real workers whose tasks do nothing but report. As a process: idle-workers.ts ADDRESS COUNT, after a line on its standard input. */
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { silentLog } from '../src/base/ports.ts';
import type { PeerTransport } from '../src/wire/transport.ts';
import { connectPeer } from '../src/wire/zmq.ts';
import { sharedBlobs } from '../src/worker/blobs.ts';
import { startWorker, type Launcher } from '../src/worker/worker.ts';
import { hashOf, progressAt, reports, resultOf } from './study.ts';

/** Resolves when the worker has left, as it does at the end of the study. */
export async function idleWorker(transport: PeerTransport, name: string): Promise<void> {
  let beat: () => void = () => {};
  const run: Launcher['run'] = ({ task }, _artifacts, { onProgress, onCheckpoint, onEnd }) => {
    const report = (step: number): void => {
      onProgress(progressAt(step));
      // A heartbeat a report, instead of two a second.
      beat();
      onCheckpoint(hashOf(task.id, step), step);
      if (step < reports) setImmediate(report, step + 1);
      else setImmediate(() => onEnd({ result: resultOf(task.id) }));
    };
    setImmediate(report, 1);
    return { interrupt: () => {}, kill: () => {} };
  };
  const worker = startWorker({
    transport,
    introduction: {
      version: '0',
      name,
      pid: process.pid,
      capabilities: { engine: 'none', device: 'none', threads: 1, memory: 0 },
    },
    launcher: { run, probe: (onEnd) => ({ interrupt: () => {}, kill: () => onEnd(undefined) }) },
    // The coordinator's own: what a task says to be there counts as there.
    blobsOf: () => Promise.resolve(sharedBlobs('')),
    timers: {
      every(_ms, callback) {
        beat = callback;
        return () => {};
      },
      after: () => () => {},
    },
    clock: { now: Date.now },
    log: silentLog,
  });
  await worker.ended;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [address = '', count = '1'] = process.argv.slice(2);
  console.log('ready');
  await once(process.stdin, 'data');
  process.stdin.unref();
  await Promise.all(Array.from({ length: Number(count) }, (_, i) => idleWorker(connectPeer({ address }), `idle-${i}`)));
}
