import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { newSession, stepSession, type Session, type SessionEffect, type SessionEvent } from '../../src/worker/session.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../../src/train/types.ts';

const introduction = { version: '0', name: 'w', pid: 1, engine: 'test', device: 'cpu', threads: 1 };
const spec = {
  task: { id: 'a', trial: 'a', fold: 'all', rung: 0, fromStep: 0, toStep: 10 },
  config: { training: { epochs: 2 } },
} as unknown as TaskSpec;
const result = { seconds: 1 } as unknown as TaskResult;
const progress: TaskProgress = {
  phase: 'training',
  step: 3,
  toStep: 10,
  epoch: 0,
  epochs: 2,
  loss: 1,
  rowsPerSecond: 5,
  secondsLeft: 2,
};
const failure = { code: 'TASK_CRASHED', message: 'x', retryable: true };

const assign: SessionEvent = { type: 'message', message: { type: 'assign', attempt: 1, spec } };
const welcome: SessionEvent = {
  type: 'message',
  message: { type: 'welcome', study: 's', heartbeatMs: 10, leaseMs: 100, artifacts: '/a' },
};
const acknowledge: SessionEvent = { type: 'message', message: { type: 'acknowledge', task: 'a', attempt: 1 } };
const cancel: SessionEvent = { type: 'message', message: { type: 'cancel', task: 'a', attempt: 1 } };

/** The effects of the last event, after all of them. */
function after(...events: SessionEvent[]): { session: Session; effects: readonly SessionEffect[] } {
  let at = { session: newSession(introduction), effects: [] as readonly SessionEffect[] };
  for (const event of events) at = stepSession(at.session, event);
  return at;
}
const sent = (effects: readonly SessionEffect[]): string[] =>
  effects.flatMap((effect) => (effect.type === 'send' ? [effect.message.type] : []));
const types = (effects: readonly SessionEffect[]): string[] => effects.map((effect) => effect.type);

describe('a worker’s session', () => {
  it('says hello until it is welcomed, then sends heartbeats', () => {
    assert.deepEqual(sent(after({ type: 'start' }).effects), ['hello']);
    assert.deepEqual(sent(after({ type: 'start' }, { type: 'heartbeat' }).effects), ['hello']);
    assert.deepEqual(sent(after({ type: 'start' }, welcome, { type: 'heartbeat' }).effects), ['heartbeat']);
  });

  it('runs what it is assigned and says how far it is', () => {
    assert.deepEqual(types(after(welcome, assign).effects), ['run', 'send']);
    const { effects } = after(welcome, assign, { type: 'progress', progress }, { type: 'heartbeat' });
    assert.deepEqual(effects, [{ type: 'send', message: { type: 'heartbeat', running: { task: 'a', attempt: 1, progress } } }]);
  });

  it('repeats an outcome with every heartbeat until it is acknowledged', () => {
    const ended: SessionEvent = { type: 'ended', how: { result } };
    assert.deepEqual(sent(after(welcome, assign, ended).effects), ['done']);
    assert.deepEqual(sent(after(welcome, assign, ended, { type: 'heartbeat' }).effects), ['heartbeat', 'done']);
    assert.deepEqual(sent(after(welcome, assign, ended, acknowledge, { type: 'heartbeat' }).effects), ['heartbeat']);
  });

  it('is given one task at a time: another is handed back, the same again is ignored', () => {
    const other: SessionEvent = {
      type: 'message',
      message: { type: 'assign', attempt: 1, spec: { ...spec, task: { ...spec.task, id: 'b' } } },
    };
    assert.deepEqual(after(welcome, assign, other).effects, [
      { type: 'send', message: { type: 'returned', task: 'b', attempt: 1 } },
    ]);
    assert.deepEqual(after(welcome, assign, assign).effects, []);
  });

  it('on a signal checkpoints, hands back, and leaves with 75 once that is acknowledged', () => {
    assert.deepEqual(types(after(welcome, assign, { type: 'stop' }).effects), ['interrupt']);
    assert.deepEqual(sent(after(welcome, assign, { type: 'stop' }, { type: 'ended', how: 'stopped' }).effects), ['returned']);
    const { effects } = after(welcome, assign, { type: 'stop' }, { type: 'ended', how: 'stopped' }, acknowledge);
    assert.deepEqual(effects, [
      { type: 'send', message: { type: 'goodbye' } },
      { type: 'exit', code: 75, reason: undefined },
    ]);
  });

  it('leaves at once with 0 when drained while idle', () => {
    const { effects } = after(welcome, { type: 'message', message: { type: 'drain' } });
    assert.deepEqual(effects.at(-1), { type: 'exit', code: 0, reason: undefined });
  });

  it('kills a cancelled attempt and says nothing of its end', () => {
    assert.deepEqual(types(after(welcome, assign, cancel).effects), ['kill']);
    assert.deepEqual(after(welcome, assign, cancel, { type: 'ended', how: { failure } }).effects, []);
    assert.deepEqual(after(welcome, assign, cancel, { type: 'heartbeat' }).effects, [
      { type: 'send', message: { type: 'heartbeat', running: undefined } },
    ]);
  });

  it('ends with 78 and the reason when it is refused', () => {
    const { effects } = after(
      { type: 'start' },
      { type: 'message', message: { type: 'refuse', code: 'WIRE_VERSION', reason: 'old' } },
    );
    assert.deepEqual(effects, [{ type: 'exit', code: 78, reason: 'WIRE_VERSION: old' }]);
  });

  it('introduces itself again to a restarted coordinator and goes on with its task', () => {
    assert.deepEqual(sent(after(welcome, assign, { type: 'message', message: { type: 'introduce' } }).effects), ['hello']);
    assert.deepEqual(sent(after(welcome, assign, { type: 'message', message: { type: 'introduce' } }, welcome).effects), [
      'heartbeat',
    ]);
  });
});
