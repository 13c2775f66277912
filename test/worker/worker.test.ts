/** The shell around a session, over the loopback transport: that effects are carried out, in order, and what is late is dropped. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import { silentLog } from '../../src/base/ports.ts';
import type { CoordinatorMessage, ToCoordinator } from '../../src/wire/messages.ts';
import type { PeerTransport } from '../../src/wire/transport.ts';
import type { Blobs, TaskFolder } from '../../src/worker/blobs.ts';
import { startWorker, type Launcher, type TaskReports, type Worker } from '../../src/worker/worker.ts';
import { crash, introduction, progress, resultOf, specOf } from './fixtures.ts';

const lease = { study: 's', task: 'a', attempt: 1 };
const welcome: CoordinatorMessage = { type: 'welcome', heartbeatMs: 500, leaseMs: 5_000, artifacts: '/a', coordinator: 'c' };
const assign: CoordinatorMessage = { type: 'assign', study: 's', attempt: 1, spec: specOf('a') };

interface Rig {
  readonly worker: Worker;
  /** What the worker did, in order: `say hello`, `run`, `kill`, `upload h`. */
  readonly did: string[];
  readonly say: (message: CoordinatorMessage) => Promise<void>;
  readonly task: () => TaskReports;
  readonly beat: () => void;
  readonly deadline: () => void;
  /** What the blobs do; replaced by tests. */
  readonly blobs: { prepare: Blobs['prepare']; upload: TaskFolder['upload']; close: TaskFolder['close'] };
  readonly bar: (code: 'WIRE_KEY' | 'WIRE_INSECURE') => void;
}

/** All that is under way within this process has happened. */
const settled = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

async function rig(): Promise<Rig> {
  const did: string[] = [];
  let hear: (message: CoordinatorMessage) => void = () => {};
  let bar: Rig['bar'] = () => {};
  const transport: PeerTransport = {
    listen: (onMessage) => (hear = onMessage),
    send: (message: ToCoordinator) => void did.push(`say ${message.type}`),
    failed: new Promise((resolve) => (bar = (code) => resolve({ code, reason: 'no' }))),
    close: () => Promise.resolve(),
  };
  const blobs: Rig['blobs'] = {
    prepare: () => Promise.resolve(folder),
    upload: (hash) => Promise.resolve(void did.push(`upload ${hash}`)),
    close: () => Promise.resolve(void did.push('close')),
  };
  const folder: TaskFolder = {
    path: '/task',
    upload: (...of) => blobs.upload(...of),
    close: () => blobs.close(),
  };
  let task: TaskReports | undefined;
  const launched = { interrupt: () => void did.push('interrupt'), kill: () => void did.push('kill') };
  const launcher: Launcher = {
    run(_spec, artifacts, reports) {
      did.push(`run in ${artifacts}`);
      task = reports;
      return launched;
    },
    probe(onEnd) {
      setImmediate(() => onEnd('sick'));
      return launched;
    },
  };
  let beat = (): void => {};
  let deadline = (): void => {};
  const worker = startWorker({
    transport,
    introduction,
    launcher,
    blobsOf: () => Promise.resolve({ prepare: (...of) => blobs.prepare(...of) }),
    timers: {
      every: (_ms, callback) => ((beat = callback), () => {}),
      after: (_ms, callback) => ((deadline = callback), () => {}),
    },
    clock: { now: () => 0 },
    log: silentLog,
  });
  await settled();
  return {
    worker,
    did,
    async say(message) {
      hear(message);
      await settled();
    },
    task: () => task ?? assert.fail('no task runs'),
    beat: () => beat(),
    deadline: () => deadline(),
    blobs,
    bar: (code) => bar(code),
  };
}

/** A rig whose task runs; what led there is forgotten. */
async function running(): Promise<Rig> {
  const at = await rig();
  await at.say(welcome);
  await at.say(assign);
  assert.deepEqual(at.did.splice(0), ['say hello', 'say heartbeat', 'run in /task']);
  return at;
}

describe('a worker', () => {
  it('runs a task to its end: progress, checkpoint, result; then its folder is closed', async () => {
    const { did, task, beat, say } = await running();
    task().onProgress(progress);
    task().onCheckpoint('h', 10);
    await settled();
    task().onEnd({ result: resultOf('h') });
    beat();
    await say({ type: 'acknowledge', ...lease });
    assert.deepEqual(did, ['upload h', 'say checkpointed', 'say done', 'close', 'say heartbeat', 'say done']);
  });

  it('ends when the folder of its last task is gone, not before', async () => {
    const { worker, blobs, task, say } = await running();
    let gone: (() => void) | undefined;
    blobs.close = () => new Promise((resolve) => (gone = resolve));
    let ended = false;
    void worker.ended.then(() => (ended = true));
    task().onEnd({ result: resultOf('h') });
    await settled();
    await say({ type: 'acknowledge', ...lease });
    await say({ type: 'drain' });
    assert.ok(gone !== undefined && !ended);
    gone();
    assert.deepEqual(await worker.ended, { code: 0 });
  });

  it('stops by a signal with 75: interrupt, checkpoint, upload, hand back, goodbye', async () => {
    const { worker, did, task, say } = await running();
    worker.stop();
    task().onCheckpoint('h', 5);
    task().onEnd('stopped');
    await settled();
    assert.deepEqual(did, ['interrupt', 'upload h', 'say checkpointed', 'say returned', 'close']);
    await say({ type: 'acknowledge', ...lease });
    assert.deepEqual(await worker.ended, { code: 75 });
  });

  it('gives up an upload that takes too long when it has to leave', async () => {
    const { worker, did, task, deadline, blobs } = await running();
    let aborted = false;
    blobs.upload = (_hash, signal) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true;
          reject(new Error('aborted'));
        });
      });
    worker.stop();
    task().onCheckpoint('h', 5);
    task().onEnd('stopped');
    await settled();
    deadline();
    assert.deepEqual(await worker.ended, { code: 75 });
    assert.ok(aborted);
    assert.deepEqual(
      did.filter((what) => what.startsWith('say')),
      ['say returned', 'say goodbye'],
    );
  });

  it('fails a task whose data cannot be had, so that another worker may try', async () => {
    const at = await rig();
    at.blobs.prepare = () => Promise.reject(new NoisefoldError('DISK_FULL', 'no space left'));
    await at.say(welcome);
    await at.say(assign);
    assert.deepEqual(at.did, ['say hello', 'say heartbeat', 'say failed']);
  });

  it('does not run a task that was cancelled while it was fetched', async () => {
    const at = await rig();
    let arrive: (folder: TaskFolder) => void = () => {};
    at.blobs.prepare = () => new Promise((resolve) => (arrive = resolve));
    await at.say(welcome);
    await at.say(assign);
    await at.say({ type: 'cancel', ...lease });
    arrive({ path: '/late', upload: () => Promise.resolve(), close: () => Promise.resolve(void at.did.push('close late')) });
    await settled();
    assert.deepEqual(at.did, ['say hello', 'say heartbeat', 'close late']);
  });

  it('kills a cancelled task, and listens to the next one only', async () => {
    const { did, task, say } = await running();
    const late = task();
    await say({ type: 'cancel', ...lease });
    late.onEnd({ failure: crash });
    await say({ ...assign, attempt: 2 });
    late.onCheckpoint('old', 9);
    late.onEnd({ result: resultOf() });
    await settled();
    assert.deepEqual(did, ['kill', 'close', 'say heartbeat', 'run in /task']);
  });

  it('runs a canary and says how it went', async () => {
    const at = await rig();
    await at.say(welcome);
    await at.say({ type: 'probe' });
    assert.deepEqual(at.did, ['say hello', 'say probed']);
  });

  it('ends with 78 where there will never be a connection', async () => {
    const at = await rig();
    at.bar('WIRE_KEY');
    assert.deepEqual(await at.worker.ended, { code: 78, refusal: { code: 'WIRE_KEY', reason: 'no' } });
  });
});
