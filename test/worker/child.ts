/** A stand-in for the process of a task, which does what its task's name says. */
import type { FromTask, ToTask } from '../../src/worker/task-channel.ts';

const say = (message: FromTask): Promise<void> =>
  new Promise((resolve) => process.send?.(message, undefined, {}, () => resolve()));
const result = { seconds: NaN, device: process.env['CUDA_VISIBLE_DEVICES'] } as unknown as Extract<
  FromTask,
  { type: 'done' }
>['result'];

const acts: Readonly<Record<string, () => unknown>> = {
  async done() {
    await say({ type: 'checkpointed', hash: 'h', step: 10 });
    await say({ type: 'done', result });
    process.exit(0);
  },
  crash() {
    process.stderr.write('something broke\n', () => process.exit(3));
  },
  memory() {
    process.stderr.write('FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n', () =>
      process.abort(),
    );
  },
  /** Does not read its messages, and heeds no signal that it can refuse. */
  hang() {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
    void say({ type: 'checkpointed', hash: 'about to hang', step: 1 }).then(() => {
      for (;;);
    });
  },
  full: () =>
    say({ type: 'failed', failure: { code: 'DISK_FULL', message: 'no space left', retryable: true } }).then(() =>
      process.exit(0),
    ),
  wait: () => say({ type: 'checkpointed', hash: 'waiting', step: 1 }),
};

process.on('message', (message: ToTask) => {
  if (message.type === 'interrupt') void say({ type: 'stopped' }).then(() => process.exit(0));
  else if (message.type === 'probe')
    void say({ type: 'probed', reason: message.threads === 1 ? undefined : 'sick' }).then(() => process.exit(0));
  else acts[message.spec.task.id]?.();
});
