/** Starts each task in a process of its own: it may block, crash or hold a GPU's memory, and a kill takes all of that back. */
import { fork } from 'node:child_process';
import type { DeviceName, EngineName } from '../config/types.ts';
import type { FromTask, ToTask } from './task-channel.ts';
import type { LaunchTask } from './worker.ts';

export interface LauncherOptions {
  readonly engine: EngineName;
  readonly device: DeviceName;
  readonly threads: number;
}

/** The last this many characters of a crashed task's standard error go into its failure. */
const lastWords = 2_000;

const script = new URL(import.meta.url.endsWith('.ts') ? './task-process.ts' : './task-process.js', import.meta.url);

export function taskLauncher({ engine, device, threads }: LauncherOptions): LaunchTask {
  return (spec, artifacts, reports) => {
    // The advanced serialisation keeps NaN and undefined as they are.
    const child = fork(script, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'advanced' });
    const say = (message: ToTask): void => {
      if (child.connected) child.send(message, () => {});
    };
    let stderr = '';
    let ended = false;
    const end: typeof reports.onEnd = (how) => {
      if (ended) return;
      ended = true;
      reports.onEnd(how);
    };
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-lastWords)));
    let last: Extract<FromTask, { type: 'done' | 'failed' | 'stopped' }> | undefined;
    child.on('message', (message: FromTask) => {
      if (message.type === 'progress') reports.onProgress(message.progress);
      else if (message.type === 'checkpointed') reports.onCheckpoint(message.hash, message.step);
      else last = message;
    });
    child.on('error', (error) => end({ failure: { code: 'TASK_CRASHED', message: error.message, retryable: true } }));
    // The end is reported when the process is gone, so that its memory is free before the next task is leased.
    child.on('close', (code, signal) => {
      if (last?.type === 'done') end({ result: last.result });
      else if (last?.type === 'failed') end({ failure: last.failure });
      // Ctrl-C at a terminal reaches the whole process group, and ends a task that was still starting: nobody's failure.
      else if (last?.type === 'stopped' || signal === 'SIGINT') end('stopped');
      else {
        const how = signal === null ? `with exit code ${String(code)}` : `by ${signal}`;
        const message = `the process of the task was ended ${how}${stderr === '' ? '' : `; its last words: ${stderr.trim()}`}`;
        end({ failure: { code: 'TASK_CRASHED', message, retryable: true } });
      }
    });
    say({ type: 'run', spec, artifacts, engine, device, threads });
    return { interrupt: () => say({ type: 'interrupt' }), kill: () => child.kill('SIGKILL') };
  };
}
