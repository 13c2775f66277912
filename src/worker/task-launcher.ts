/** Starts each task, and each canary, in a process of its own: it may block, crash or hold a GPU's memory, and a kill takes all of that back. */
import { fork, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { DeviceName, EngineName } from '../config/types.ts';
import type { TaskEnd } from './session-types.ts';
import type { FromTask, ToTask } from './task-channel.ts';
import type { Launcher } from './worker.ts';

export interface LauncherOptions {
  readonly engine: EngineName;
  readonly device: DeviceName;
  readonly threads: number;
  /** What the process sees besides the worker's own environment: its device, and what its engine wants. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Resolves when the device is free again after a process has ended. */
  readonly released?: () => Promise<void>;
  /** Another script than that of tasks, for tests. */
  readonly script?: URL;
}

/** The last this many characters of a crashed task's standard error go into its failure. */
const lastWords = 2_000;

const taskScript = new URL(import.meta.url.endsWith('.ts') ? './task-process.ts' : './task-process.js', import.meta.url);

/** Signals that end a process which was still starting, when its whole group is told to go: nobody's failure. */
const groupSignals: readonly (NodeJS.Signals | null)[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export function processLauncher(options: LauncherOptions): Launcher {
  const { engine, device, threads, environment = {}, released = () => Promise.resolve(), script = taskScript } = options;

  /** Reports its end once, when the process is gone and its device is free, so that the next task finds the memory that it had. */
  function start(first: ToTask, hear: (message: FromTask) => void, onEnd: (crash: Crash) => void): ChildProcess {
    const killsBefore = outOfMemoryKills();
    // The advanced serialisation keeps NaN and undefined as they are.
    const child = fork(script, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
      env: { ...process.env, ...environment },
    });
    let stderr = '';
    let over = false;
    const end = (crash: Crash): void => {
      if (over) return;
      over = true;
      void released().then(() => onEnd(crash));
    };
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr = (stderr + text).slice(-lastWords)));
    child.on('message', hear);
    child.on('error', (error) => end({ message: error.message, signal: null }));
    child.on('close', (code, signal) => {
      const killed = signal === 'SIGKILL' && outOfMemoryKills() > killsBefore;
      end({ message: crashMessage(code, signal, killed, stderr.trim()), signal });
    });
    tell(child, first);
    return child;
  }

  return {
    run(spec, artifacts, reports) {
      let said: TaskEnd | undefined;
      const hear = (message: FromTask): void => {
        if (message.type === 'progress') reports.onProgress(message.progress);
        else if (message.type === 'checkpointed') reports.onCheckpoint(message.hash, message.step);
        else if (message.type === 'done') said = { result: message.result };
        else if (message.type === 'failed') said = { failure: message.failure };
        else if (message.type === 'stopped') said = 'stopped';
      };
      // Engines agree to rounding only, so what a study asks for goes before what the worker was started with.
      const child = start(
        { type: 'run', spec, artifacts, engine: spec.engine ?? engine, device, threads },
        hear,
        ({ message, signal }) => {
          if (said !== undefined) reports.onEnd(said);
          else if (groupSignals.includes(signal)) reports.onEnd('stopped');
          else reports.onEnd({ failure: { code: 'TASK_CRASHED', message, retryable: true } });
        },
      );
      return { interrupt: () => tell(child, { type: 'interrupt' }), kill: () => child.kill('SIGKILL') };
    },
    probe(onEnd) {
      let said: Extract<FromTask, { type: 'probed' }> | undefined;
      const hear = (message: FromTask): void => void (said = message.type === 'probed' ? message : said);
      const child = start({ type: 'probe', engine, device, threads }, hear, ({ message }) =>
        onEnd(said === undefined ? `TASK_CRASHED: ${message}` : said.reason),
      );
      return { interrupt: () => {}, kill: () => child.kill('SIGKILL') };
    },
  };
}

interface Crash {
  readonly message: string;
  readonly signal: NodeJS.Signals | null;
}

function tell(child: ChildProcess, message: ToTask): void {
  if (child.connected) child.send(message, () => {});
}

/** What to say of a process that ended without a word. */
export function crashMessage(code: number | null, signal: NodeJS.Signals | null, outOfMemory: boolean, stderr: string): string {
  const how = signal === null ? `with exit code ${String(code)}` : `by ${signal}`;
  const why = outOfMemory
    ? ': the machine was out of memory'
    : /heap out of memory|std::bad_alloc|cannot allocate memory/i.test(stderr)
      ? ': it was out of memory'
      : '';
  return `the process of the task was ended ${how}${why}${stderr === '' ? '' : `; its last words: ${stderr}`}`;
}

/** How often Linux's out-of-memory killer has struck on this machine; 0 where nobody counts. */
function outOfMemoryKills(): number {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}
