/** The shell around a session: a socket on one side, the process of a task on the other. It decides nothing itself. */
import type { Log } from '../base/ports.ts';
import type { TaskFailure } from '../scheduler/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../train/types.ts';
import type { WorkerTransport } from '../wire/transport.ts';
import { newSession, stepSession, type Introduction, type SessionEffect, type SessionEvent } from './session.ts';

/** What a launched task reports; `onEnd` comes once, last. */
export interface TaskReports {
  readonly onProgress: (progress: TaskProgress) => void;
  readonly onCheckpoint: (hash: string, step: number) => void;
  readonly onEnd: (how: { readonly result: TaskResult } | { readonly failure: TaskFailure } | 'stopped') => void;
}

export interface LaunchedTask {
  /** Asks it to checkpoint and end. */
  interrupt(): void;
  kill(): void;
}

/** Starts a task apart from this thread: training blocks, and heartbeats must not. Adapter: task-launcher.ts (a child process). */
export type LaunchTask = (spec: TaskSpec, artifacts: string, reports: TaskReports) => LaunchedTask;

export interface WorkerOptions {
  readonly transport: WorkerTransport;
  readonly introduction: Introduction;
  readonly launch: LaunchTask;
  /** Calls back every so many milliseconds until the returned function is called. */
  readonly every: (ms: number, callback: () => void) => () => void;
  readonly log: Log;
}

export interface Worker {
  /** Checkpoint, hand back, leave. */
  stop(): void;
  /** Kills the running task and ends at once; the lease will tell the coordinator. */
  abort(): void;
  readonly ended: Promise<{ readonly code: number; readonly reason: string | undefined }>;
}

/** How often to knock before the first welcome. */
const helloMs = 1_000;

export function startWorker(options: WorkerOptions): Worker {
  const { transport, log } = options;
  let session = newSession(options.introduction);
  let task: LaunchedTask | undefined;
  let stopHeartbeats = options.every(helloMs, () => handle({ type: 'heartbeat' }));
  let finish: (end: { code: number; reason: string | undefined }) => void = () => {};
  const ended = new Promise<{ code: number; reason: string | undefined }>((resolve) => (finish = resolve));

  function handle(event: SessionEvent): void {
    const next = stepSession(session, event);
    session = next.session;
    for (const effect of next.effects) carryOut(effect);
  }

  function carryOut(effect: SessionEffect): void {
    switch (effect.type) {
      case 'send':
        transport.send(effect.message);
        return;
      case 'heartbeats':
        stopHeartbeats();
        stopHeartbeats = options.every(effect.everyMs, () => handle({ type: 'heartbeat' }));
        return;
      case 'run':
        log.log('info', 'task started', { task: effect.spec.task.id });
        task = options.launch(effect.spec, effect.artifacts, {
          onProgress: (progress) => handle({ type: 'progress', progress }),
          onCheckpoint: (hash, step) => handle({ type: 'checkpointed', hash, step }),
          onEnd: (how) => {
            task = undefined;
            handle({ type: 'ended', how });
          },
        });
        return;
      case 'interrupt':
        task?.interrupt();
        return;
      case 'kill':
        task?.kill();
        return;
      case 'exit':
        end(effect.code, effect.reason);
        return;
      default:
        effect satisfies never;
    }
  }

  function end(code: number, reason: string | undefined): void {
    stopHeartbeats();
    task?.kill();
    void transport.close().then(() => finish({ code, reason }));
  }

  transport.listen((message) => handle({ type: 'message', message }));
  handle({ type: 'start' });

  return { stop: () => handle({ type: 'stop' }), abort: () => end(1, 'aborted'), ended };
}
