import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { violations } from '../../src/scheduler/invariants.ts';
import { recover, step } from '../../src/scheduler/step.ts';
import type { Event, State } from '../../src/scheduler/types.ts';
import {
  beat,
  checkpointed,
  done,
  folds,
  hello,
  of,
  policy,
  resultWith,
  returned,
  run,
  stateOf,
  statusOf,
  studyStatus,
  taskOf,
  tick,
  workerStatus,
} from './fixtures.ts';

const lost = (worker: string, nowMs: number): Event => ({ type: 'lost', worker, nowMs });
const stored = (state: State) =>
  [...state.studies.values()].map(({ name, status, tasks }) => ({ name, status, tasks: [...tasks.values()] }));

describe('leases', () => {
  it('go out in plan order, one a worker', () => {
    const { effects } = run(stateOf(['a', 'b', 'c']), hello('w1', 0), hello('w2', 1));
    assert.deepEqual(of(effects, 'assign'), [
      { type: 'assign', worker: 'w1', study: 's', task: 'a', attempt: 1 },
      { type: 'assign', worker: 'w2', study: 's', task: 'b', attempt: 1 },
    ]);
  });

  it('last for as long as heartbeats name them', () => {
    const events = [50, 120, 200, 290].flatMap((nowMs) => [beat('w1', nowMs, 'a', { at: nowMs }), tick(nowMs + 1)]);
    const { state } = run(stateOf(['a']), hello('w1', 0), ...events);
    assert.equal(statusOf(state, 'a'), 'running');
    assert.equal(taskOf(state, 'a').attempt, 1);
  });

  it('are not kept by a heartbeat that names nothing: the assignment was lost', () => {
    const { state } = run(stateOf(['a']), hello('w1', 0), beat('w1', 60), tick(100));
    assert.equal(taskOf(state, 'a').attempt, 2);
  });

  it('go to another worker when they end, and the first one is fenced from then on', () => {
    const before = run(stateOf(['a']), hello('w1', 0), hello('w2', 90), beat('w2', 99), tick(100));
    assert.deepEqual(of(before.effects, 'assign').at(-1), { type: 'assign', worker: 'w2', study: 's', task: 'a', attempt: 2 });
    const late = run(before.state, done('w1', 110, 'a', 1));
    assert.equal(statusOf(late.state, 'a'), 'leased');
    assert.deepEqual(of(late.effects, 'acknowledge'), [{ type: 'acknowledge', worker: 'w1', study: 's', task: 'a', attempt: 1 }]);
    assert.deepEqual(
      of(late.effects, 'fenced').map(({ message }) => message),
      ['done'],
    );
  });

  it('are cancelled when the worker that lost them is heard again, and it gets nothing before it says that it runs nothing', () => {
    const before = run(stateOf(['a', 'b']), hello('w1', 0), hello('w2', 90), beat('w2', 99, 'b'), tick(100));
    const zombie = run(before.state, hello('w1', 111), beat('w1', 112, 'a', { attempt: 1 }));
    assert.deepEqual(of(zombie.effects, 'cancel'), [{ type: 'cancel', worker: 'w1', study: 's', task: 'a', attempt: 1 }]);
  });

  it('do not stand in the way of a result that comes late while nobody else was given the task', () => {
    const expired = run(stateOf(['a']), hello('w1', 0), tick(100));
    assert.equal(statusOf(expired.state, 'a'), 'pending');
    assert.equal(statusOf(run(expired.state, done('w1', 101, 'a')).state, 'a'), 'done');
  });

  it('stay with a worker that comes back over a new connection', () => {
    const { state } = run(
      stateOf(['a', 'b']),
      hello('p1', 0, 'w1'),
      beat('p1', 1, 'a'),
      hello('p2', 2, 'w1'),
      beat('p2', 3, 'a'),
    );
    assert.equal(taskOf(state, 'a').worker, 'p2');
    assert.equal(taskOf(state, 'a').attempt, 1);
    assert.equal(statusOf(state, 'b'), 'pending', 'what it was given meanwhile goes back');
    assert.equal(state.workers.has('p1'), false);
  });

  it('survive a restart of the coordinator: a stranger is asked to introduce itself and goes on with what it runs', () => {
    const restarted = recover(stored(run(stateOf(['a']), hello('w1', 0), beat('w1', 1, 'a')).state), policy, 10, policy.leaseMs);
    const asked = run(restarted, beat('peer2', 11, 'a'));
    assert.deepEqual(of(asked.effects, 'introduce'), [{ type: 'introduce', worker: 'peer2' }]);
    const { state } = run(asked.state, hello('peer2', 12), beat('peer2', 13, 'a'));
    assert.equal(taskOf(state, 'a').attempt, 1);
    assert.equal(taskOf(state, 'a').worker, 'peer2');
  });

  it('are not joined by a second one when a worker comes back with the first', () => {
    const before = run(stateOf(['a', 'b']), hello('p1', 0, 'w1'), beat('p1', 1, 'a')).state;
    const rows = [...(before.studies.get('s')?.tasks.values() ?? [])];
    const again = recover([{ name: 's', status: 'running', tasks: rows }], policy, 2, 1_000);
    const { state, effects } = run(again, hello('p9', 3, 'w1', 'a'), beat('p9', 4, 'a'));
    assert.deepEqual(of(effects, 'assign'), []);
    assert.deepEqual([taskOf(state, 'a').worker, statusOf(state, 'b')], ['p9', 'pending']);
    const other = run(state, hello('p3', 5, 'w3', 'gone'), beat('p3', 6, 'gone'), beat('p3', 7));
    assert.deepEqual(
      of(other.effects, 'assign').map(({ worker, task }) => [worker, task]),
      [['p3', 'b']],
      'one whose attempt has ended gets work when it has killed that',
    );
  });

  it('that ended with the coordinator itself are blamed on nobody', () => {
    let state = stateOf(['a']);
    for (let restarts = 0; restarts < 2 * policy.maxLosses; restarts++)
      state = recover(stored(run(state, hello('w1', restarts)).state), policy, restarts, 0);
    assert.equal(statusOf(state, 'a'), 'pending');
    assert.equal(taskOf(state, 'a').losses, 0);
  });
});

describe('a preempted task', () => {
  it('has not failed: it is handed back and goes on elsewhere', () => {
    const { state } = run(stateOf(['a']), hello('w1', 0), beat('w1', 1, 'a'), returned('w1', 2, 'a'), {
      type: 'goodbye',
      worker: 'w1',
      nowMs: 3,
    });
    assert.equal(statusOf(state, 'a'), 'pending');
    assert.deepEqual([taskOf(state, 'a').failures, taskOf(state, 'a').losses], [0, 0]);
  });

  it('is not sent at once to a worker that hands it back unbegun, or the two would play ball', () => {
    const { state, effects } = run(stateOf(['a']), hello('w1', 0), returned('w1', 1, 'a'), tick(2), beat('w1', 3));
    assert.deepEqual(
      of(effects, 'assign').map(({ attempt }) => attempt),
      [1, 2],
    );
    assert.equal(taskOf(state, 'a').leaseUntil, 3 + policy.leaseMs, 'only after its next heartbeat');
  });

  it('fails for good when it keeps losing its workers, but a checkpoint wipes the slate', () => {
    const loss = (nowMs: number): Event[] => [hello(`w${nowMs}`, nowMs), lost(`w${nowMs}`, nowMs + 1)];
    assert.equal(statusOf(run(stateOf(['a']), ...loss(1), ...loss(3), ...loss(5)).state, 'a'), 'failed');
    const saved = run(stateOf(['a']), ...loss(1), ...loss(3), hello('w5', 5), checkpointed('w5', 6, 'a', 'h', 4, 3));
    assert.equal(statusOf(run(saved.state, lost('w5', 7)).state, 'a'), 'pending');
  });
});

describe('results and checkpoints', () => {
  it('are listed to be committed before anything is sent', () => {
    const { effects } = step(run(stateOf(['a', 'b']), hello('w1', 0)).state, done('w1', 1, 'a'));
    const lastPersist = effects.findLastIndex((effect) => effect.type === 'persist');
    assert.ok(lastPersist >= 1, 'the result and the next lease are persisted');
    assert.ok(effects.slice(0, lastPersist).every((effect) => effect.type === 'persist'));
  });

  it('are acknowledged each time they come, and count once', () => {
    const { state, effects } = run(stateOf(['a', 'b']), hello('w1', 0), done('w1', 1, 'a'), done('w1', 2, 'a'));
    assert.equal(of(effects, 'acknowledge').length, 2);
    assert.equal(of(effects, 'fenced').length, 0, 'a repetition is not a late message');
    assert.equal(of(effects, 'persist').filter(({ task }) => task.status === 'done').length, 1);
    assert.equal(statusOf(state, 'b'), 'leased');
  });

  it('let go of the checkpoint before, once a newer one or the result is committed', () => {
    const { effects } = run(
      stateOf(['a']),
      hello('w1', 0),
      checkpointed('w1', 1, 'a', 'h1', 1),
      checkpointed('w1', 2, 'a', 'h2', 2),
      checkpointed('w1', 3, 'a', 'h2', 3),
      done('w1', 4, 'a'),
    );
    assert.deepEqual(
      of(effects, 'discard').map(({ hash }) => hash),
      ['h1', 'h2'],
    );
  });

  it('keep a checkpoint that another task of the study has too', () => {
    const same = run(
      stateOf(['a', 'b']),
      hello('w1', 0),
      hello('w2', 0),
      checkpointed('w1', 1, 'a', 'h', 1),
      checkpointed('w2', 1, 'b', 'h', 1),
    );
    const first = run(same.state, checkpointed('w1', 2, 'a', 'h2', 2));
    assert.deepEqual(of(first.effects, 'discard'), []);
    assert.equal(of(run(first.state, checkpointed('w2', 2, 'b', 'h2', 2)).effects, 'discard')[0]?.hash, 'h');
  });

  it('do not go back to an older checkpoint when its message comes twice: its bytes may be gone', () => {
    const { state } = run(
      stateOf(['a']),
      hello('w1', 0),
      checkpointed('w1', 1, 'a', 'h1', 1),
      checkpointed('w1', 2, 'a', 'h2', 2),
      checkpointed('w1', 3, 'a', 'h1', 1),
    );
    assert.equal(taskOf(state, 'a').checkpoint?.hash, 'h2');
  });
});

describe('what comes from outside', () => {
  it('is not acknowledged for a study that is not here: its rows may be out of reach only for now', () => {
    const { effects } = run(stateOf(['a']), hello('w1', 0), done('w1', 1, 'x', 1, 'elsewhere'));
    assert.equal(of(effects, 'acknowledge').length, 0);
    assert.equal(of(effects, 'fenced').length, 1);
  });

  it('may be rows of a clock that was ahead: nothing waits longer for that than the longest wait', () => {
    const [study] = stored(stateOf(['a']));
    assert.ok(study !== undefined);
    const ahead = study.tasks.map((task) => ({ ...task, notBefore: 3_600_000 }));
    const { state } = run(recover([{ ...study, tasks: ahead }], policy, 0, 0), hello('w1', 0), beat('w1', 30_000), tick(30_000));
    assert.equal(statusOf(state, 'a'), 'leased');
    const held = ahead.map((task) => ({ ...task, status: 'running' as const, attempt: 1 }));
    assert.deepEqual(violations(recover([{ ...study, tasks: held }], policy, 0, 1)), []);
  });
});

describe('the end', () => {
  it('of a sweep lets its workers go, and those that come later', () => {
    const { state, effects } = run(stateOf(['a']), hello('w1', 0), beat('w1', 1, 'a'), done('w1', 2, 'a'), hello('w2', 3));
    assert.equal(studyStatus(state), 'finished');
    assert.deepEqual(of(effects, 'finished'), [{ type: 'finished', study: 's' }]);
    assert.deepEqual(
      of(effects, 'drain').map(({ worker }) => worker),
      ['w1', 'w2'],
    );
  });

  it('of all work keeps the workers of a service waiting', () => {
    const { state } = run(stateOf(['a'], { whenDone: 'wait' }), hello('w1', 0), done('w1', 2, 'a'));
    assert.equal(workerStatus(state, 'w1'), 'idle');
  });

  it('of the coordinator comes when everything has been handed back; the order to drain is repeated until it is followed', () => {
    const stopping = run(stateOf(['a', 'b']), hello('w1', 0), beat('w1', 1, 'a'), { type: 'stop', nowMs: 2 }, beat('w1', 3, 'a'));
    assert.equal(stopping.state.phase, 'stopping');
    assert.equal(of(stopping.effects, 'drain').length, 2);
    const { state, effects } = run(stopping.state, returned('w1', 4, 'a'));
    assert.equal(state.phase, 'stopped');
    assert.equal(of(effects, 'assign').length, 0);
    assert.equal(of(effects, 'stopped').length, 1);
  });
});

describe('studies that share workers', () => {
  it('take turns: who holds fewest goes first, then who came first', () => {
    const both = stateOf({ s: folds('a', 3), t: folds('b', 3) });
    const { effects } = run(both, hello('w1', 0), hello('w2', 0), hello('w3', 0), hello('w4', 0));
    assert.deepEqual(
      of(effects, 'assign').map(({ study, task }) => `${study} ${task}`),
      ['s a/0', 't b/0', 's a/1', 't b/1'],
    );
  });

  it('do not mix up tasks of the same name', () => {
    const both = stateOf({ s: folds('a', 1), t: folds('a', 1) });
    const { state } = run(both, hello('w1', 0), hello('w2', 0), {
      type: 'done',
      worker: 'w2',
      nowMs: 1,
      study: 't',
      task: 'a/0',
      attempt: 1,
      result: resultWith('h'),
    });
    assert.deepEqual([statusOf(state, 'a/0'), statusOf(state, 'a/0', 't')], ['leased', 'done']);
  });
});
