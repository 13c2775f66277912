/**
 * What a worker does next, as a pure state machine: step(session, event) -> {session, effects}.
 *
 * joining -> idle <-> busy -> (outcome waiting for its acknowledgement) -> idle
 * From anywhere a stop or a drain leads to leaving: the running task checkpoints and is handed back, and when that is acknowledged the worker says goodbye.
 * An outcome is repeated with every heartbeat until it is acknowledged, so that a lost message or a restarted coordinator costs nothing.
 */
import type { TaskFailure } from '../scheduler/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../train/types.ts';
import { protocolVersion, type CoordinatorMessage, type WorkerMessage } from '../wire/messages.ts';

/** What a worker says of itself. */
export type Introduction = Omit<Extract<WorkerMessage, { type: 'hello' }>, 'type' | 'protocol'>;

interface Running {
  readonly task: string;
  readonly attempt: number;
  readonly progress: TaskProgress;
}

type Outcome = Extract<WorkerMessage, { type: 'done' | 'failed' | 'returned' }>;

export interface Session {
  readonly introduction: Introduction;
  readonly welcomed: boolean;
  readonly running: Running | undefined;
  /** The attempt that was cancelled, whose process has not ended yet: its end is not news. */
  readonly cancelled: boolean;
  readonly outcome: Outcome | undefined;
  /** Why the worker is on its way out, and the exit code that says so. */
  readonly leaving: number | undefined;
  readonly artifacts: string;
}

export type SessionEvent =
  | { readonly type: 'start' }
  | { readonly type: 'message'; readonly message: CoordinatorMessage }
  | { readonly type: 'heartbeat' }
  | { readonly type: 'progress'; readonly progress: TaskProgress }
  | { readonly type: 'checkpointed'; readonly hash: string; readonly step: number }
  | { readonly type: 'ended'; readonly how: { readonly result: TaskResult } | { readonly failure: TaskFailure } | 'stopped' }
  /** A signal: the machine wants the worker gone. */
  | { readonly type: 'stop' };

export type SessionEffect =
  | { readonly type: 'send'; readonly message: WorkerMessage }
  | { readonly type: 'heartbeats'; readonly everyMs: number }
  | { readonly type: 'run'; readonly spec: TaskSpec; readonly artifacts: string }
  /** Asks the task to checkpoint and end. */
  | { readonly type: 'interrupt' }
  | { readonly type: 'kill' }
  | { readonly type: 'exit'; readonly code: number; readonly reason: string | undefined };

export interface SessionStep {
  readonly session: Session;
  readonly effects: readonly SessionEffect[];
}

export const exitCodes = { drained: 0, stopped: 75, refused: 78 } as const;

export const newSession = (introduction: Introduction): Session => ({
  introduction,
  welcomed: false,
  running: undefined,
  cancelled: false,
  outcome: undefined,
  leaving: undefined,
  artifacts: '',
});

const starting = (spec: TaskSpec): TaskProgress => ({
  phase: 'starting',
  step: spec.task.fromStep,
  toStep: spec.task.toStep,
  epoch: 0,
  epochs: spec.config.training.epochs,
  loss: undefined,
  rowsPerSecond: 0,
  secondsLeft: undefined,
});

const hello = (session: Session): SessionEffect => ({
  type: 'send',
  message: { type: 'hello', protocol: protocolVersion, ...session.introduction },
});

const beat = (session: Session): SessionEffect => ({
  type: 'send',
  message: { type: 'heartbeat', running: session.cancelled ? undefined : session.running },
});

export function stepSession(session: Session, event: SessionEvent): SessionStep {
  switch (event.type) {
    case 'start':
      return { session, effects: [hello(session)] };
    case 'heartbeat': {
      if (!session.welcomed) return { session, effects: [hello(session)] };
      const repeated: SessionEffect[] = session.outcome === undefined ? [] : [{ type: 'send', message: session.outcome }];
      return { session, effects: [beat(session), ...repeated] };
    }
    case 'progress':
      return {
        session:
          session.running === undefined ? session : { ...session, running: { ...session.running, progress: event.progress } },
        effects: [],
      };
    case 'checkpointed': {
      if (session.running === undefined || session.cancelled) return { session, effects: [] };
      const { task, attempt } = session.running;
      return {
        session,
        effects: [{ type: 'send', message: { type: 'checkpointed', task, attempt, hash: event.hash, step: event.step } }],
      };
    }
    case 'ended':
      return ended(session, event.how);
    case 'stop':
      return leave(session, exitCodes.stopped);
    case 'message':
      return heard(session, event.message);
    default:
      return event satisfies never;
  }
}

function ended(session: Session, how: Extract<SessionEvent, { type: 'ended' }>['how']): SessionStep {
  if (session.running === undefined) return { session, effects: [] };
  const idle: Session = { ...session, running: undefined, cancelled: false };
  if (session.cancelled) return goodbyeIfLeaving(idle);
  const { task, attempt } = session.running;
  const outcome: Outcome =
    how === 'stopped'
      ? { type: 'returned', task, attempt }
      : 'result' in how
        ? { type: 'done', task, attempt, result: how.result }
        : { type: 'failed', task, attempt, failure: how.failure };
  return { session: { ...idle, outcome }, effects: [{ type: 'send', message: outcome }] };
}

function leave(session: Session, code: number): SessionStep {
  if (session.leaving !== undefined) return { session, effects: [] };
  const leaving: Session = { ...session, leaving: code };
  if (session.running !== undefined) return { session: leaving, effects: session.cancelled ? [] : [{ type: 'interrupt' }] };
  return goodbyeIfLeaving(leaving);
}

function goodbyeIfLeaving(session: Session): SessionStep {
  if (session.leaving === undefined || session.running !== undefined || session.outcome !== undefined)
    return { session, effects: [] };
  return {
    session,
    effects: [
      { type: 'send', message: { type: 'goodbye' } },
      { type: 'exit', code: session.leaving, reason: undefined },
    ],
  };
}

function heard(session: Session, message: CoordinatorMessage): SessionStep {
  switch (message.type) {
    case 'welcome':
      return {
        session: { ...session, welcomed: true, artifacts: message.artifacts },
        effects: [
          { type: 'heartbeats', everyMs: message.heartbeatMs },
          ...(session.running === undefined ? [] : [beat(session)]),
        ],
      };
    case 'refuse':
      return { session, effects: [{ type: 'exit', code: exitCodes.refused, reason: `${message.code}: ${message.reason}` }] };
    case 'introduce':
      return { session, effects: [hello(session)] };
    case 'assign': {
      const { spec, attempt } = message;
      if (session.running?.task === spec.task.id && session.running.attempt === attempt) return { session, effects: [] };
      if (session.running !== undefined || session.leaving !== undefined)
        return { session, effects: [{ type: 'send', message: { type: 'returned', task: spec.task.id, attempt } }] };
      const running: Running = { task: spec.task.id, attempt, progress: starting(spec) };
      const busy: Session = { ...session, running, outcome: undefined };
      return { session: busy, effects: [{ type: 'run', spec, artifacts: session.artifacts }, beat(busy)] };
    }
    case 'acknowledge': {
      const { outcome } = session;
      if (outcome === undefined || outcome.task !== message.task || outcome.attempt !== message.attempt)
        return { session, effects: [] };
      return goodbyeIfLeaving({ ...session, outcome: undefined });
    }
    case 'cancel': {
      const { running } = session;
      if (running === undefined || running.task !== message.task || running.attempt !== message.attempt || session.cancelled)
        return { session, effects: [] };
      return { session: { ...session, cancelled: true }, effects: [{ type: 'kill' }] };
    }
    case 'drain':
      return leave(session, exitCodes.drained);
    default:
      return message satisfies never;
  }
}
