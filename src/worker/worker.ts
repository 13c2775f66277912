/** The shell around a session: a socket on one side; blobs and the processes of tasks on the other. It decides nothing itself. */
import { asNoisefoldError } from '../base/errors.ts';
import type { Clock, Log } from '../base/ports.ts';
import type { TaskFailure } from '../scheduler/types.ts';
import { createRate } from '../train/progress.ts';
import type { TaskProgress, TaskSpec } from '../train/types.ts';
import type { BlobAnswer, Lease } from '../wire/messages.ts';
import type { PeerTransport } from '../wire/transport.ts';
import type { Blobs, FetchProgress, TaskFolder } from './blobs.ts';
import { newSession, startingAt, stepSession } from './session.ts';
import type { Introduction, SessionEffect, SessionEnd, SessionEvent, TaskEnd } from './session-types.ts';

/** What a launched task reports; `onEnd` comes once, last, when its process is gone. */
export interface TaskReports {
  readonly onProgress: (progress: TaskProgress) => void;
  readonly onCheckpoint: (hash: string, step: number) => void;
  readonly onEnd: (how: TaskEnd) => void;
}

export interface Launched {
  /** Asks a task to checkpoint and end. */
  interrupt(): void;
  /** Ends it at once, whatever it does. */
  kill(): void;
}

/** Starts tasks and canaries apart from this thread: training blocks, and heartbeats must not. Adapter: task-launcher.ts (child processes). */
export interface Launcher {
  run(spec: TaskSpec, artifacts: string, reports: TaskReports): Launched;
  /** `onEnd` is told what went wrong, or undefined. */
  probe(onEnd: (reason: string | undefined) => void): Launched;
}

export interface Timers {
  /** Calls back every so many milliseconds until the returned function is called. */
  every(ms: number, callback: () => void): () => void;
  after(ms: number, callback: () => void): () => void;
}

export interface WorkerOptions {
  readonly transport: PeerTransport;
  readonly introduction: Introduction;
  /** Leave after so long without a task. */
  readonly idleExitMs?: number | undefined;
  readonly launcher: Launcher;
  /** Where blobs are, once the coordinator has said where its own are. */
  readonly blobsOf: (welcome: { readonly artifacts: string; readonly coordinator: string }) => Promise<Blobs>;
  /** Told of every answer about blobs. */
  readonly onBlobAnswer?: (answer: BlobAnswer) => void;
  /** Resolves when the device has room for a task; only then the worker asks for one. */
  readonly ready?: Promise<void>;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly log: Log;
}

export interface Worker {
  /** Checkpoint, hand back, leave. */
  stop(): void;
  /** Kills the running task and ends at once; the lease will tell the coordinator. */
  abort(): void;
  readonly ended: Promise<SessionEnd>;
}

/** What goes on for the current task or canary. */
interface Undertaking {
  readonly run: number;
  readonly abort: AbortController;
  readonly fields: Readonly<Record<string, unknown>>;
  folder: TaskFolder | undefined;
  process: Launched | undefined;
}

export function startWorker(options: WorkerOptions): Worker {
  const { transport, launcher, timers, clock, log } = options;
  let session = newSession(options.introduction, options.idleExitMs);
  let blobs: Promise<Blobs> | undefined;
  let current: Undertaking | undefined;
  let over = false;
  const cancels = new Set<() => void>();
  /** Folders that are being made or removed: a worker that ended before them would leave them behind. */
  const unfinished = new Set<Promise<void>>();
  let finish: (end: SessionEnd) => void = () => {};
  const ended = new Promise<SessionEnd>((resolve) => (finish = resolve));

  function handle(event: SessionEvent): void {
    if (over) return;
    const next = stepSession(session, event);
    session = next.session;
    for (const effect of next.effects) carryOut(effect);
    if (session.task === undefined) closeFolder();
  }

  function carryOut(effect: SessionEffect): void {
    switch (effect.type) {
      case 'send':
        transport.send(effect.message);
        return;
      case 'joined':
        beatEvery(effect.heartbeatMs);
        log.log('info', 'welcomed by the coordinator', { coordinator: effect.coordinator, pid: options.introduction.pid });
        blobs = options.blobsOf(effect);
        // Whoever needs them hears of it.
        blobs.catch(() => {});
        return;
      case 'fetch':
        current = undertake(effect.run, fieldsOf(effect.lease));
        underWay(fetch(current, effect.spec));
        return;
      case 'run':
        if (current?.folder !== undefined) run(current, current.folder, effect.spec);
        return;
      case 'probe': {
        const undertaking = (current = undertake(effect.run, {}));
        log.log('info', 'canary started');
        undertaking.process = launcher.probe((reason) => {
          log.log(reason === undefined ? 'info' : 'warn', 'canary ended', reason === undefined ? {} : { reason });
          handle({ type: 'probed', run: effect.run, reason });
        });
        return;
      }
      case 'upload':
        if (current?.folder !== undefined) void upload(current, current.folder, effect.hash);
        return;
      case 'interrupt':
        log.log('info', 'task interrupted', current?.fields ?? {});
        current?.process?.interrupt();
        return;
      case 'kill':
        current?.abort.abort();
        current?.process?.kill();
        return;
      case 'deadline':
        cancels.add(timers.after(effect.ms, () => handle({ type: 'deadline' })));
        return;
      case 'exit': {
        const { code, refusal } = effect;
        end(refusal === undefined ? { code } : { code, refusal });
        return;
      }
      default:
        effect satisfies never;
    }
  }

  async function fetch(undertaking: Undertaking, spec: TaskSpec): Promise<void> {
    const { run, abort, fields } = undertaking;
    const { signal } = abort;
    try {
      if (blobs === undefined) throw new Error('a task came before the welcome');
      const wanted = spec.resumeFrom === undefined ? [] : [spec.resumeFrom];
      const onProgress = fetchProgress(clock, spec, (progress) => handle({ type: 'progress', run, progress }));
      const folder = await (await blobs).prepare({ required: [spec.data], wanted }, onProgress, signal);
      if (signal.aborted) {
        await folder.close();
        return;
      }
      undertaking.folder = folder;
      handle({ type: 'fetched', run });
    } catch (thrown) {
      if (signal.aborted) return;
      const failure = failureOf(thrown);
      log.log('warn', 'what the task needs could not be fetched', { ...fields, ...failure });
      handle({ type: 'ended', run, how: { failure } });
    }
  }

  function run(undertaking: Undertaking, folder: TaskFolder, spec: TaskSpec): void {
    const { run, fields, abort } = undertaking;
    log.log('info', 'task started', fields);
    undertaking.process = launcher.run(spec, folder.path, {
      onProgress: (progress) => handle({ type: 'progress', run, progress }),
      onCheckpoint: (hash, step) => handle({ type: 'checkpointed', run, hash, step }),
      onEnd(how) {
        if (how === 'stopped') log.log('info', 'task stopped', fields);
        else if ('result' in how) log.log('info', 'task done', fields);
        else if (abort.signal.aborted) log.log('info', 'task killed', fields);
        else log.log('warn', 'task failed', { ...fields, ...how.failure });
        handle({ type: 'ended', run, how });
      },
    });
  }

  async function upload({ abort: { signal }, fields }: Undertaking, folder: TaskFolder, hash: string): Promise<void> {
    try {
      await folder.upload(hash, signal);
      if (!signal.aborted) handle({ type: 'uploaded', hash });
    } catch (thrown) {
      if (signal.aborted) return;
      const failure = failureOf(thrown);
      log.log('warn', 'a checkpoint could not be stored at the coordinator', { ...fields, ...failure, hash });
      handle({ type: 'notUploaded', hash, failure });
    }
  }

  function closeFolder(): void {
    const folder = current?.folder;
    if (current === undefined || folder === undefined) return;
    current.folder = undefined;
    underWay(
      folder
        .close()
        .catch((thrown: unknown) => log.log('warn', 'a task’s folder stays', { message: asNoisefoldError(thrown).message })),
    );
  }

  function underWay(work: Promise<void>): void {
    unfinished.add(work);
    void work.finally(() => unfinished.delete(work));
  }

  let stopBeats: () => void = () => {};
  function beatEvery(ms: number): void {
    stopBeats();
    stopBeats = timers.every(ms, () => handle({ type: 'heartbeat' }));
  }

  function end(how: SessionEnd): void {
    if (over) return;
    over = true;
    stopBeats();
    for (const cancel of cancels) cancel();
    current?.abort.abort();
    current?.process?.kill();
    closeFolder();
    void Promise.all([transport.close(), ...unfinished]).then(() => finish(how));
  }

  void transport.failed.then(({ code, reason }) => handle({ type: 'barred', code, reason }));
  transport.listen((message) => {
    if (message.type === 'chunk' || message.type === 'stored' || message.type === 'refused') options.onBlobAnswer?.(message);
    // A reply is for a client.
    else if (message.type !== 'reply') handle({ type: 'message', message });
  });
  void (options.ready ?? Promise.resolve()).then(() => {
    if (over) return;
    beatEvery(session.heartbeatMs);
    handle({ type: 'start' });
  });

  return { stop: () => handle({ type: 'stop' }), abort: () => end({ code: 1 }), ended };
}

const undertake = (run: number, fields: Readonly<Record<string, unknown>>): Undertaking => ({
  run,
  abort: new AbortController(),
  fields,
  folder: undefined,
  process: undefined,
});

const fieldsOf = ({ study, task, attempt }: Lease) => ({ study, task, attempt });

/** Blobs on their way, told as the progress of a task that starts: how long it will take. */
function fetchProgress(clock: Clock, spec: TaskSpec, onProgress: (progress: TaskProgress) => void): (at: FetchProgress) => void {
  let rate: ReturnType<typeof createRate> | undefined;
  let before = 0;
  return ({ received, total }) => {
    if (rate === undefined || received < before) rate = createRate(clock, received);
    before = received;
    const perSecond = rate(received);
    onProgress({ ...startingAt(spec), secondsLeft: perSecond > 0 ? (total - received) / perSecond : undefined });
  };
}

/** Trouble with blobs is the machine's or the network's: another attempt may end differently. */
function failureOf(thrown: unknown): TaskFailure {
  const error = asNoisefoldError(thrown);
  return { code: error.code, message: error.message, retryable: true };
}
