import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CoordinatorMessage } from '../../src/wire/messages.ts';
import { leaveWithinMs, newSession, stepSession } from '../../src/worker/session.ts';
import type { Session, SessionEffect, SessionEvent } from '../../src/worker/session-types.ts';
import { crash, introduction, progress, resultOf, specOf } from './fixtures.ts';

const hear = (message: CoordinatorMessage): SessionEvent => ({ type: 'message', message });
const lease = { study: 's', task: 'a', attempt: 1 };
const welcome = hear({ type: 'welcome', heartbeatMs: 500, leaseMs: 5_000, artifacts: '/a', coordinator: 'c' });
const assign = hear({ type: 'assign', study: 's', attempt: 1, spec: specOf('a') });
const assignOther = hear({ type: 'assign', study: 's', attempt: 1, spec: specOf('b') });
const acknowledge = hear({ type: 'acknowledge', ...lease });
const cancel = hear({ type: 'cancel', ...lease });
const yieldIt = hear({ type: 'yield', ...lease });
const drain = hear({ type: 'drain' });
const probe = hear({ type: 'probe' });
const beat: SessionEvent = { type: 'heartbeat' };
const stop: SessionEvent = { type: 'stop' };
const deadline: SessionEvent = { type: 'deadline' };
const fetched: SessionEvent = { type: 'fetched', run: 1 };
const stopped: SessionEvent = { type: 'ended', run: 1, how: 'stopped' };
const checkpointed = (hash: string, step = 5): SessionEvent => ({ type: 'checkpointed', run: 1, hash, step });
const uploaded = (hash: string): SessionEvent => ({ type: 'uploaded', hash });
const done = (checkpoint?: string): SessionEvent => ({ type: 'ended', run: 1, how: { result: resultOf(checkpoint) } });
const running = [welcome, assign, fetched] as const;

/** The session after all of the events, and the effects of the last one. */
function after(...events: readonly SessionEvent[]): { session: Session; effects: readonly SessionEffect[] } {
  let at = { session: newSession(introduction, 2_000), effects: [] as readonly SessionEffect[] };
  for (const event of events) at = stepSession(at.session, event);
  return at;
}
/** The last event's effects in short: the type of each, and of each message. */
const does = (...events: readonly SessionEvent[]): string[] =>
  after(...events).effects.map((effect) => (effect.type === 'send' ? `say ${effect.message.type}` : effect.type));
const exitOf = (...events: readonly SessionEvent[]): SessionEffect | undefined =>
  after(...events).effects.find(({ type }) => type === 'exit');

describe('a worker’s session', () => {
  it('says hello until it is welcomed, then sends heartbeats', () => {
    assert.deepEqual(does({ type: 'start' }), ['say hello']);
    assert.deepEqual(does({ type: 'start' }, beat), ['say hello']);
    assert.deepEqual(does({ type: 'start' }, welcome), ['joined']);
    assert.deepEqual(does({ type: 'start' }, welcome, beat), ['say heartbeat']);
  });

  it('fetches what an assigned task needs, then runs it, and says how far it is', () => {
    assert.deepEqual(does(welcome, assign), ['fetch', 'say heartbeat']);
    assert.deepEqual(does(...running), ['run']);
    const { effects } = after(...running, { type: 'progress', run: 1, progress }, beat);
    assert.deepEqual(effects, [{ type: 'send', message: { type: 'heartbeat', running: { ...lease, progress } } }]);
  });

  it('is given one task at a time: another is handed back, the same again is ignored', () => {
    assert.deepEqual(after(...running, assignOther).effects, [
      { type: 'send', message: { type: 'returned', study: 's', task: 'b', attempt: 1 } },
    ]);
    assert.deepEqual(does(...running, assign), []);
  });

  it('says a checkpoint only when it is in the coordinator’s store', () => {
    assert.deepEqual(does(...running, checkpointed('h')), ['upload']);
    assert.deepEqual(after(...running, checkpointed('h'), uploaded('h')).effects, [
      { type: 'send', message: { type: 'checkpointed', ...lease, hash: 'h', step: 5 } },
    ]);
  });

  it('uploads only the newest of the checkpoints that were made meanwhile', () => {
    const three = [...running, checkpointed('1'), checkpointed('2'), checkpointed('3')];
    assert.deepEqual(after(...three, uploaded('1')).effects.at(-1), { type: 'upload', hash: '3' });
  });

  it('says done only when the last checkpoint is in the coordinator’s store', () => {
    assert.deepEqual(does(...running, checkpointed('h'), done('h')), []);
    assert.deepEqual(does(...running, checkpointed('h'), done('h'), uploaded('h')), ['say checkpointed', 'say done']);
    assert.deepEqual(does(...running, done('h')), ['upload']);
    assert.deepEqual(does(...running, done()), ['say done'], 'a baseline leaves no checkpoint');
  });

  it('says failed for a result whose checkpoint the coordinator will not have', () => {
    const failure = { code: 'DISK_FULL', message: 'full', retryable: true };
    const refused: SessionEvent = { type: 'notUploaded', hash: 'h', failure };
    assert.deepEqual(after(...running, done('h'), refused).effects, [
      { type: 'send', message: { type: 'failed', ...lease, failure } },
    ]);
    assert.deepEqual(does(...running, checkpointed('h'), refused), [], 'an older checkpoint is no loss');
  });

  it('repeats an outcome with every heartbeat until it is acknowledged', () => {
    assert.deepEqual(does(...running, done(), beat), ['say heartbeat', 'say done']);
    assert.deepEqual(does(...running, done(), acknowledge, beat), ['say heartbeat']);
  });

  it('takes its next task before the last outcome is acknowledged, and keeps that outcome', () => {
    assert.deepEqual(does(...running, done(), assignOther), ['fetch', 'say heartbeat']);
    assert.deepEqual(does(...running, done(), assignOther, beat), ['say heartbeat', 'say done']);
    assert.deepEqual(does(...running, done(), assign), ['say done'], 'what it has done it does not do again');
  });

  it('asked to yield, checkpoints, hands back and stays', () => {
    assert.deepEqual(does(...running, yieldIt), ['interrupt']);
    const events = [...running, yieldIt, checkpointed('h'), stopped];
    assert.deepEqual(does(...events), []);
    assert.deepEqual(does(...events, uploaded('h')), ['say checkpointed', 'say returned']);
    assert.equal(after(...events, uploaded('h'), acknowledge).session.phase, 'idle');
    assert.deepEqual(does(welcome, assign, yieldIt), ['kill', 'say returned']);
  });

  it('kills a cancelled attempt, whatever it does, and says nothing of its end', () => {
    assert.deepEqual(does(...running, cancel), ['kill']);
    assert.deepEqual(does(...running, yieldIt, cancel), ['kill'], 'one that does not heed the interrupt');
    assert.deepEqual(does(...running, cancel, beat), ['say heartbeat']);
    assert.deepEqual(does(...running, cancel, { type: 'ended', run: 1, how: { failure: crash } }), []);
    assert.equal(after(...running, cancel, stopped).session.phase, 'idle');
    assert.deepEqual(does(welcome, assign, cancel), ['kill'], 'while it fetches');
    assert.deepEqual(does(...running, done('h'), cancel), ['kill'], 'while it uploads');
    assert.deepEqual(does(...running, hear({ type: 'cancel', ...lease, attempt: 2 })), [], 'another attempt');
  });

  it('on a signal checkpoints, hands back, and leaves with 75 once that is acknowledged', () => {
    assert.deepEqual(does(...running, stop), ['interrupt', 'deadline']);
    const handedBack = [...running, stop, checkpointed('h'), stopped, uploaded('h')];
    assert.deepEqual(does(...handedBack), ['say checkpointed', 'say returned']);
    assert.deepEqual(does(...handedBack, acknowledge), ['kill', 'say goodbye', 'exit']);
    assert.deepEqual(exitOf(...handedBack, acknowledge), { type: 'exit', code: 75 });
  });

  it('gives up what is not done by the deadline: the task is handed back, also one that is done but not stored', () => {
    const left = ['say returned', 'kill', 'say goodbye', 'exit'];
    assert.deepEqual(after(...running, stop).effects.at(-1), { type: 'deadline', ms: leaveWithinMs });
    assert.deepEqual(does(...running, stop, deadline), left);
    assert.deepEqual(does(...running, stop, done('h'), deadline), left);
    assert.deepEqual(does(...running, deadline), [], 'a deadline that nobody asked for');
  });

  it('leaves at once with 0 when drained while idle, and with 75 on a signal while nobody answers', () => {
    assert.deepEqual(exitOf(welcome, drain), { type: 'exit', code: 0 });
    assert.deepEqual(exitOf({ type: 'start' }, stop), { type: 'exit', code: 75 });
    assert.deepEqual(exitOf(...running, done(), drain, acknowledge), { type: 'exit', code: 0 });
  });

  it('runs its canary when asked, or when it is free, and says how it went', () => {
    assert.deepEqual(does(welcome, probe), ['probe']);
    assert.deepEqual(does(welcome, probe, probe), [], 'one is enough');
    const said = after(welcome, probe, { type: 'probed', run: 1, reason: 'sick' });
    assert.deepEqual(said.effects, [{ type: 'send', message: { type: 'probed', reason: 'sick' } }]);
    assert.equal(said.session.phase, 'idle');
    assert.deepEqual(does(...running, cancel, probe), []);
    assert.deepEqual(does(...running, cancel, probe, stopped), ['probe']);
    assert.deepEqual(does(welcome, probe, stop), ['kill', 'say goodbye', 'exit']);
  });

  it('does not listen to what an earlier task or canary still says', () => {
    const late = { run: 1, hash: 'old', step: 9 };
    const again = [welcome, assign, cancel, assignOther, { type: 'fetched', run: 2 } as const];
    assert.equal(after(...again).session.phase, 'running');
    assert.deepEqual(does(...again, { type: 'checkpointed', ...late }), []);
    assert.deepEqual(does(...again, stopped), []);
    assert.equal(after(...again, stopped).session.phase, 'running');
    assert.equal(after(welcome, assign, cancel, assignOther, fetched).session.phase, 'fetching');
  });

  it('leaves with 0 when it was given nothing for so long, and with 75 when nobody answered for so long', () => {
    const beats = (n: number): SessionEvent[] => Array.from({ length: n }, () => beat);
    assert.equal(exitOf(welcome, ...beats(3)), undefined);
    assert.deepEqual(exitOf(welcome, ...beats(4)), { type: 'exit', code: 0 });
    assert.equal(exitOf(...running, ...beats(9)), undefined);
    assert.equal(exitOf(...running, done(), acknowledge, ...beats(3)), undefined);
    assert.deepEqual(exitOf({ type: 'start' }, ...beats(2)), { type: 'exit', code: 75 });
  });

  it('ends with 78 and the reason when it is refused, or when there will never be a connection', () => {
    const version = { code: 'WIRE_VERSION', reason: 'old' };
    assert.deepEqual(exitOf({ type: 'start' }, hear({ type: 'refuse', ...version })), {
      type: 'exit',
      code: 78,
      refusal: version,
    });
    const key = { code: 'WIRE_KEY', reason: 'wrong' };
    assert.deepEqual(exitOf({ type: 'start' }, { type: 'barred', ...key }), { type: 'exit', code: 78, refusal: key });
  });

  it('introduces itself again to a restarted coordinator, and tells it at once what it does and did', () => {
    const introduce = hear({ type: 'introduce' });
    assert.deepEqual(does(...running, introduce), ['say hello']);
    const [hello] = after(...running, introduce).effects;
    assert.deepEqual(hello?.type === 'send' && hello.message.type === 'hello' && hello.message.running, lease);
    assert.deepEqual(does(...running, introduce, introduce), [], 'one hello for all that it said before');
    assert.deepEqual(does(...running, introduce, beat, introduce), ['say hello']);
    assert.deepEqual(does(...running, introduce, welcome), ['joined', 'say heartbeat']);
    assert.deepEqual(does(...running, done(), introduce, welcome), ['joined', 'say heartbeat', 'say done']);
  });
});
