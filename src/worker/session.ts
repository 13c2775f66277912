/**
 * What a worker does next, as a pure state machine: step(session, event) -> {session, effects}. The ways between its phases are in session-table.ts.
 *
 * Order of durability: what a task leaves is in the coordinator's store before the coordinator hears of it. So a checkpoint is uploaded first and said second (only
 * the newest waits while another is on its way), and an outcome is said when nothing is left to upload. Outcomes are then repeated with every heartbeat until they are
 * acknowledged, while the worker may be at its next task already: a lost message or a restarted coordinator costs nothing.
 *
 * A stop (a signal) or a drain (the coordinator) interrupts the task, and when all is said and acknowledged the worker says goodbye. What is not done by the deadline is
 * given up: the task is handed back, and goes on from the last checkpoint that arrived.
 */
import type { TaskProgress, TaskSpec } from '../train/types.ts';
import { protocolVersion, type CoordinatorMessage, type Lease, type WorkerMessage } from '../wire/messages.ts';
import { entered } from './session-table.ts';
import type {
  CurrentTask,
  Introduction,
  Outcome,
  Session,
  SessionEffect,
  SessionEnd,
  SessionEvent,
  SessionStep,
  TaskEnd,
} from './session-types.ts';

export const exitCodes = { drained: 0, stopped: 75, refused: 78 } as const;

/** Between the wish to leave and the end: a checkpoint and its upload fit in here, and with what follows it stays below 15 s. */
export const leaveWithinMs = 10_000;

/** How often to knock before the first welcome. */
export const helloMs = 1_000;

export function newSession(introduction: Introduction, idleExitMs?: number): Session {
  return {
    introduction,
    phase: 'joining',
    idleExitMs,
    heartbeatMs: helloMs,
    idleMs: 0,
    run: 0,
    task: undefined,
    outcomes: [],
    probeDue: false,
    introducing: false,
    leaving: undefined,
  };
}

export function stepSession(session: Session, event: SessionEvent): SessionStep {
  if (session.phase === 'ended') return { session, effects: [] };
  switch (event.type) {
    case 'start':
      return { session, effects: [hello(session)] };
    case 'message':
      return heard(session, event.message);
    case 'heartbeat':
      return heartbeat(session);
    case 'fetched':
      if (session.phase !== 'fetching' || event.run !== session.run || session.task === undefined) return unchanged(session);
      return {
        session: entered(session, 'running'),
        effects: [{ type: 'run', run: session.run, lease: session.task.lease, spec: session.task.spec }],
      };
    case 'progress':
      if (session.task === undefined || event.run !== session.run) return unchanged(session);
      return { session: { ...session, task: { ...session.task, progress: event.progress } }, effects: [] };
    case 'checkpointed':
      if (event.run !== session.run || (session.phase !== 'running' && session.phase !== 'interrupted'))
        return unchanged(session);
      return uploading(changed(session, { next: { hash: event.hash, step: event.step } }));
    case 'uploaded':
    case 'notUploaded':
      return uploadEnded(session, event);
    case 'ended':
      return event.run === session.run ? ended(session, event.how) : unchanged(session);
    case 'probed': {
      if (session.phase !== 'probing' || event.run !== session.run) return unchanged(session);
      return and([{ type: 'send', message: { type: 'probed', reason: event.reason } }], free(entered(session, 'idle')));
    }
    case 'stop':
      return leave(session, exitCodes.stopped);
    case 'deadline':
      return session.leaving === undefined ? unchanged(session) : giveUp(session, session.leaving);
    case 'barred':
      return end(session, { code: exitCodes.refused, refusal: { code: event.code, reason: event.reason } });
    default:
      return event satisfies never;
  }
}

function heard(session: Session, message: CoordinatorMessage): SessionStep {
  switch (message.type) {
    case 'welcome': {
      const { heartbeatMs, artifacts, coordinator } = message;
      const joined: Session = { ...session, heartbeatMs, idleMs: 0, introducing: false };
      const welcomed = joined.phase === 'joining' ? entered(joined, 'idle') : joined;
      // To a coordinator that was restarted: what goes on here, before it hands out the same again.
      const news = welcomed.task === undefined && welcomed.outcomes.length === 0 ? [] : tidings(welcomed);
      return and([{ type: 'joined', heartbeatMs, artifacts, coordinator }, ...news], free(welcomed));
    }
    case 'refuse':
      return end(session, { code: exitCodes.refused, refusal: { code: message.code, reason: message.reason } });
    case 'introduce':
      if (session.introducing) return unchanged(session);
      return { session: { ...session, introducing: true }, effects: [hello(session)] };
    case 'assign':
      return assigned(session, { study: message.study, task: message.spec.task.id, attempt: message.attempt }, message.spec);
    case 'acknowledge':
      return free({ ...session, outcomes: session.outcomes.filter((outcome) => !sameLease(outcome, message)) });
    case 'cancel':
      if (!sameLease(session.task?.lease, message)) return unchanged(session);
      return cancelled(session);
    case 'yield':
      if (!sameLease(session.task?.lease, message)) return unchanged(session);
      return interrupted(session);
    case 'probe':
      return free({ ...session, probeDue: session.phase !== 'probing' });
    case 'drain':
      return leave(session, exitCodes.drained);
    default:
      return message satisfies never;
  }
}

function heartbeat(session: Session): SessionStep {
  const waits = session.task === undefined && session.outcomes.length === 0 && session.phase !== 'probing';
  const idleMs = waits ? session.idleMs + session.heartbeatMs : 0;
  // A hello or its answer may have been lost: whoever still does not know it asks again.
  const older: Session = { ...session, idleMs, introducing: false };
  const tooLong = waits && session.idleExitMs !== undefined && idleMs >= session.idleExitMs;
  if (session.phase === 'joining')
    // Nobody said that the work is over: another try, later or elsewhere, may find the coordinator.
    return tooLong ? end(older, { code: exitCodes.stopped }) : { session: older, effects: [hello(session)] };
  return tooLong ? leave(older, exitCodes.drained) : { session: older, effects: tidings(older) };
}

function assigned(session: Session, lease: Lease, spec: TaskSpec): SessionStep {
  if (sameLease(session.task?.lease, lease)) return unchanged(session);
  const said = session.outcomes.find((outcome) => sameLease(outcome, lease));
  if (said !== undefined) return { session, effects: [{ type: 'send', message: said }] };
  if (session.phase !== 'idle' || session.leaving !== undefined) return say(session, { type: 'returned', ...lease });
  const run = session.run + 1;
  const task: CurrentTask = {
    lease,
    spec,
    progress: startingAt(spec),
    uploading: undefined,
    next: undefined,
    stored: undefined,
    outcome: undefined,
  };
  const busy: Session = { ...entered(session, 'fetching'), run, task, idleMs: 0 };
  return { session: busy, effects: [{ type: 'fetch', run, lease, spec }, beat(busy)] };
}

/** The task is to checkpoint and come back. */
function interrupted(session: Session): SessionStep {
  if (session.phase === 'fetching') return and([{ type: 'kill' }], ended(session, 'stopped'));
  if (session.phase !== 'running') return unchanged(session);
  return { session: entered(session, 'interrupted'), effects: [{ type: 'interrupt' }] };
}

/** The task is not this worker's any more, and whatever it left is nobody's. */
function cancelled(session: Session): SessionStep {
  const { phase } = session;
  if (phase === 'fetching' || phase === 'storing')
    return and([{ type: 'kill' }], free({ ...entered(session, 'idle'), task: undefined }));
  if (phase === 'running' || phase === 'interrupted')
    return { session: entered(session, 'cancelled'), effects: [{ type: 'kill' }] };
  return unchanged(session);
}

function ended(session: Session, how: TaskEnd): SessionStep {
  const { phase, task } = session;
  if (phase === 'cancelled') return free({ ...entered(session, 'idle'), task: undefined });
  if (task === undefined || phase === 'storing') return unchanged(session);
  const { lease } = task;
  const outcome: Outcome =
    how === 'stopped'
      ? { type: 'returned', ...lease }
      : 'result' in how
        ? { type: 'done', ...lease, result: how.result }
        : { type: 'failed', ...lease, failure: how.failure };
  const last = outcome.type === 'done' ? outcome.result.checkpoint : undefined;
  const known = [undefined, task.stored, task.uploading?.hash, task.next?.hash].includes(last);
  const next = last === undefined || known ? task.next : { hash: last, step: task.spec.task.toStep };
  return uploading(changed(entered(session, 'storing'), { outcome, next }));
}

function uploadEnded(session: Session, event: Extract<SessionEvent, { type: 'uploaded' | 'notUploaded' }>): SessionStep {
  const { phase, task } = session;
  if (task === undefined || phase === 'cancelled' || task.uploading?.hash !== event.hash) return unchanged(session);
  const { lease, uploading: blob } = task;
  if (event.type === 'uploaded') {
    const said: WorkerMessage = { type: 'checkpointed', ...lease, hash: blob.hash, step: blob.step };
    return and([{ type: 'send', message: said }], uploading(changed(session, { uploading: undefined, stored: blob.hash })));
  }
  // An older checkpoint is no loss; a result without its checkpoint is none.
  const lost = task.outcome?.type === 'done' && task.outcome.result.checkpoint === blob.hash;
  const outcome: Outcome | undefined = lost ? { type: 'failed', ...lease, failure: event.failure } : task.outcome;
  return uploading(changed(session, { uploading: undefined, outcome }));
}

/** Sends the next blob on its way, or says the outcome when there is none left. */
function uploading(session: Session): SessionStep {
  const { task } = session;
  if (task === undefined || task.uploading !== undefined) return unchanged(session);
  if (task.next !== undefined)
    return {
      session: changed(session, { uploading: task.next, next: undefined }),
      effects: [{ type: 'upload', hash: task.next.hash }],
    };
  if (task.outcome === undefined) return unchanged(session);
  const said = say({ ...entered(session, 'idle'), task: undefined }, task.outcome);
  return and(said.effects, free(said.session));
}

function leave(session: Session, code: number): SessionStep {
  if (session.leaving !== undefined) return unchanged(session);
  const leaving: Session = { ...session, leaving: code };
  const next = interrupted(leaving);
  const gone = free(next.session);
  if (gone.session.phase === 'ended') return and(next.effects, gone);
  return and([...next.effects, { type: 'deadline', ms: leaveWithinMs }], gone);
}

/** Leaves as things are: the task is handed back, without what has not arrived. */
function giveUp(session: Session, code: number): SessionStep {
  const { task, phase } = session;
  const outcome: Outcome | undefined =
    task === undefined || phase === 'cancelled'
      ? undefined
      : task.outcome === undefined || task.outcome.type === 'done'
        ? { type: 'returned', ...task.lease }
        : task.outcome;
  return and(outcome === undefined ? [] : [{ type: 'send', message: outcome }], end(session, { code }));
}

/** What a worker does that has nothing to do: it leaves if it should, runs its canary if one is due. */
function free(session: Session): SessionStep {
  const { phase, leaving } = session;
  if (leaving !== undefined) {
    const over = phase === 'joining' || phase === 'probing' || (phase === 'idle' && session.outcomes.length === 0);
    return over ? end(session, { code: leaving }) : unchanged(session);
  }
  if (phase !== 'idle' || !session.probeDue) return unchanged(session);
  const run = session.run + 1;
  return { session: { ...entered(session, 'probing'), run, probeDue: false }, effects: [{ type: 'probe', run }] };
}

const end = (session: Session, how: SessionEnd): SessionStep => ({
  session: { ...entered(session, 'ended'), task: undefined },
  effects: [{ type: 'kill' }, { type: 'send', message: { type: 'goodbye' } }, { type: 'exit', ...how }],
});

const unchanged = (session: Session): SessionStep => ({ session, effects: [] });

const and = (effects: readonly SessionEffect[], { session, effects: later }: SessionStep): SessionStep => ({
  session,
  effects: [...effects, ...later],
});

const changed = (session: Session, change: Partial<CurrentTask>): Session =>
  session.task === undefined ? session : { ...session, task: { ...session.task, ...change } };

/** Says an outcome, now and until it is acknowledged. */
const say = (session: Session, outcome: Outcome): SessionStep => ({
  session: { ...session, outcomes: [...session.outcomes, outcome] },
  effects: [{ type: 'send', message: outcome }],
});

const sameLease = (a: Lease | undefined, b: Lease): boolean =>
  a !== undefined && a.study === b.study && a.task === b.task && a.attempt === b.attempt;

const hello = (session: Session): SessionEffect => ({
  type: 'send',
  message: { type: 'hello', protocol: protocolVersion, ...session.introduction, running: running(session)?.lease },
});

/** What it is at, unless that is being killed. */
const running = ({ task, phase }: Session): CurrentTask | undefined => (phase === 'cancelled' ? undefined : task);

function beat(session: Session): SessionEffect {
  const task = running(session);
  const now = task && { ...task.lease, progress: task.progress };
  return { type: 'send', message: { type: 'heartbeat', running: now } };
}

const tidings = (session: Session): readonly SessionEffect[] => [
  beat(session),
  ...session.outcomes.map((message): SessionEffect => ({ type: 'send', message })),
];

/** The progress of a task that has not begun. */
export const startingAt = (spec: TaskSpec): TaskProgress => ({
  phase: 'starting',
  step: spec.task.fromStep,
  toStep: spec.task.toStep,
  epoch: 0,
  epochs: spec.config.training.epochs,
  loss: undefined,
  rowsPerSecond: 0,
  secondsLeft: undefined,
});
