import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TaskEnd } from '../../src/worker/session-types.ts';
import { crashMessage, processLauncher, type LauncherOptions } from '../../src/worker/task-launcher.ts';
import type { Launched } from '../../src/worker/worker.ts';
import { specOf } from './fixtures.ts';

const options: LauncherOptions = { engine: 'cpu', device: 'auto', threads: 1, script: new URL('./child.ts', import.meta.url) };

interface Running {
  readonly task: Launched;
  readonly checkpoint: Promise<string>;
  readonly ended: Promise<TaskEnd>;
}

function start(act: string, more: Partial<LauncherOptions> = {}): Running {
  let onCheckpoint: (hash: string) => void = () => {};
  let onEnd: (how: TaskEnd) => void = () => {};
  const checkpoint = new Promise<string>((resolve) => (onCheckpoint = resolve));
  const ended = new Promise<TaskEnd>((resolve) => (onEnd = resolve));
  const task = processLauncher({ ...options, ...more }).run(specOf(act), '/nowhere', {
    onProgress: () => {},
    onCheckpoint,
    onEnd,
  });
  return { task, checkpoint, ended };
}

const failureOf = async ({ ended }: Running) => {
  const how = await ended;
  return how !== 'stopped' && 'failure' in how ? how.failure : assert.fail(`ended otherwise: ${JSON.stringify(how)}`);
};

describe('the launcher of tasks', { concurrency: 3 }, () => {
  it('reports checkpoints and the result, NaN as NaN, from a process that sees its device', async () => {
    const { checkpoint, ended } = start('done', { environment: { CUDA_VISIBLE_DEVICES: 'GPU-1' } });
    assert.equal(await checkpoint, 'h');
    assert.deepEqual(await ended, { result: { seconds: NaN, device: 'GPU-1' } });
  });

  it('makes a crash a failure that may be tried again, with the last words of the process', async () => {
    const { code, message, retryable } = await failureOf(start('crash'));
    assert.deepEqual([code, retryable], ['TASK_CRASHED', true]);
    assert.match(message, /exit code 3; its last words: something broke$/);
  });

  it('names what ran out: memory in the message, disk by its code', async () => {
    assert.match((await failureOf(start('memory'))).message, /out of memory; its last words/);
    assert.deepEqual(await failureOf(start('full')), { code: 'DISK_FULL', message: 'no space left', retryable: true });
    assert.match(crashMessage(null, 'SIGKILL', true, ''), /by SIGKILL: the machine was out of memory$/);
    assert.doesNotMatch(crashMessage(null, 'SIGKILL', false, ''), /memory/);
  });

  it('passes an interrupt on, and calls the end of it stopped', async () => {
    const running = start('wait');
    await running.checkpoint;
    running.task.interrupt();
    assert.equal(await running.ended, 'stopped');
  });

  it('kills a process that heeds nothing', async () => {
    const running = start('hang');
    await running.checkpoint;
    running.task.interrupt();
    running.task.kill();
    assert.match((await failureOf(running)).message, /by SIGKILL/);
  });

  it('reports an end only when the device is free again', async () => {
    const order: string[] = [];
    const running = start('full', {
      released: () => new Promise((resolve) => setImmediate(() => resolve(void order.push('free')))),
    });
    await running.ended.then(() => order.push('ended'));
    assert.deepEqual(order, ['free', 'ended']);
  });

  it('runs a canary, and says what is wrong or nothing', async () => {
    const probe = (threads: number): Promise<string | undefined> =>
      new Promise((resolve) => processLauncher({ ...options, threads }).probe(resolve));
    assert.deepEqual(await Promise.all([probe(1), probe(2)]), [undefined, 'sick']);
  });

  it('finds nothing wrong with this machine', async () => {
    const reason = await new Promise((resolve) => processLauncher({ engine: 'onnx', device: 'auto', threads: 1 }).probe(resolve));
    assert.equal(reason, undefined);
  });

  it('calls a canary whose process dies sick', async () => {
    const reason = await new Promise<string | undefined>((resolve) => processLauncher(options).probe(resolve).kill());
    assert.match(reason ?? '', /TASK_CRASHED: .*SIGKILL/);
  });
});
