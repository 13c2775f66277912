/** The process of one task, or of a canary: it is told what to run over the channel of fork(), reports there, and ends. It is the composition root of its own process. */
import { setFlagsFromString } from 'node:v8';
import { fileArtifacts } from '../artifacts/files.ts';
import { asNoisefoldError, type ErrorCode } from '../base/errors.ts';
import { decodePrepared } from '../dataset/serialise.ts';
import { onnxLinearAlgebra } from '../engine/onnx/linear-algebra.ts';
import { loadEngine } from '../engine/registry.ts';
import { runTask } from '../train/task.ts';
import type { FromTask, ToTask } from './task-channel.ts';

/** Another attempt would end the same way, on any worker. All else (crashes, full disks, lost files) is worth another try. */
const final: readonly ErrorCode[] = [
  'TRAIN_DIVERGED',
  'MODEL_SHAPE',
  'DATA_MISMATCH',
  'ENGINE_UNSUPPORTED_KERNEL',
  'RIDGE_SINGULAR',
  'CHECKPOINT_MISMATCH',
];

// V8 collects when the heap and what was allocated since reach a multiple of the heap, and counts the buffers of typed arrays with it. Beside a heap of 20 MB that is every 20 MB
// of features and Gram blocks, and all of the heap is marked each time, by threads that take a fifth of another core. A higher multiple leaves it to V8's second rule, a
// collection for each 64 MB of buffers; what is live, weights and blocks, stays as it is.
setFlagsFromString('--heap-growing-percent=500');

const stopping = new AbortController();

/** Resolves when the worker has it. */
const say = (message: FromTask): Promise<void> =>
  new Promise((resolve) => {
    if (process.send === undefined || !process.connected) resolve();
    else process.send(message, undefined, {}, () => resolve());
  });

async function run({
  spec,
  artifacts: folder,
  engine: name,
  device,
  threads,
}: Extract<ToTask, { type: 'run' }>): Promise<FromTask> {
  try {
    const artifacts = fileArtifacts(folder);
    const data = decodePrepared(await artifacts.get(spec.data));
    const outcome = await runTask(spec, {
      data,
      engine: await loadEngine(name, { threads, device }),
      linearAlgebra: onnxLinearAlgebra({ threads }),
      artifacts,
      clock: { now: Date.now },
      signal: stopping.signal,
      onProgress: (progress) => void say({ type: 'progress', progress }),
      onCheckpoint: (hash, step) => void say({ type: 'checkpointed', hash, step }),
    });
    return outcome.stopped ? { type: 'stopped' } : { type: 'done', result: outcome.result };
  } catch (thrown) {
    const error = asNoisefoldError(thrown);
    // The code stands beside the message wherever a failure is shown.
    const message = error
      .format()
      .slice(error.code.length)
      .replace(/^[: ]+/, '');
    return { type: 'failed', failure: { code: error.code, message, retryable: !final.includes(error.code) } };
  }
}

/** The canary: the engine's self-test on this device. */
async function probe({ engine, device, threads }: Extract<ToTask, { type: 'probe' }>): Promise<FromTask> {
  try {
    // A task has no use for it.
    const { selfTest } = await import('../train/self-test.ts');
    const outcome = await selfTest(await loadEngine(engine, { threads, device }));
    return { type: 'probed', reason: outcome.ok ? undefined : outcome.reason };
  } catch (thrown) {
    const error = asNoisefoldError(thrown);
    return { type: 'probed', reason: `${error.code}: ${error.message.split('\n')[0] ?? ''}` };
  }
}

// Terminals and service managers signal a whole group of processes; the worker decides what it means for its task.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGHUP'] as const) process.on(signal, () => {});
// Without its worker the task has nobody to report to.
process.on('disconnect', () => process.exit(1));
// It may have died while this process started, before anyone listened.
if (!process.connected) process.exit(1);
process.on('message', (message: ToTask) => {
  if (message.type === 'interrupt') {
    stopping.abort();
    return;
  }
  void (message.type === 'run' ? run(message) : probe(message)).then(say).then(() => process.exit(0));
});
