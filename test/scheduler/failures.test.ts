import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Event, State } from '../../src/scheduler/types.ts';
import {
  asked,
  beat,
  crash,
  diverged,
  done,
  failed,
  folds,
  hello,
  of,
  policy,
  progressAt,
  run,
  stateOf,
  statusOf,
  studyStatus,
  taskOf,
  tick,
  workerStatus,
} from './fixtures.ts';

const probed = (worker: string, nowMs: number, reason?: string): Event => ({ type: 'probed', worker, nowMs, reason });
const full = { code: 'DISK_FULL', message: 'no space', retryable: true };

describe('a task that fails', () => {
  it('is tried again after a wait that doubles, up to a number of times', () => {
    let { state } = run(stateOf(['a'], { workerFailures: 9 }), hello('w1', 0));
    const waits: number[] = [];
    for (let attempt = 1, nowMs = 1; attempt <= policy.maxFailures; attempt++, nowMs += 50) {
      ({ state } = run(state, failed('w1', nowMs, 'a', attempt)));
      if (statusOf(state, 'a') === 'pending') waits.push(taskOf(state, 'a').notBefore - nowMs);
      ({ state } = run(state, beat('w1', nowMs + 45), tick(nowMs + 45)));
    }
    assert.deepEqual(waits, [10, 20]);
    assert.equal(statusOf(state, 'a'), 'failed');
    assert.equal(studyStatus(state), 'finished');
  });

  it('is told of until that is acknowledged, and counts once', () => {
    const { state, effects } = run(stateOf(['a']), hello('w1', 0), ...[1, 2, 3, 4].map((ms) => failed('w1', ms, 'a')));
    assert.deepEqual([statusOf(state, 'a'), taskOf(state, 'a').failures], ['pending', 1]);
    assert.equal(of(effects, 'acknowledge').length, 4);
  });

  it('on two different workers is at fault itself, and its story says so', () => {
    const first = run(stateOf(['a']), hello('w1', 0), failed('w1', 1, 'a'), { type: 'goodbye', worker: 'w1', nowMs: 2 });
    const { state, effects } = run(first.state, hello('w2', 20), failed('w2', 21, 'a', 2));
    assert.equal(statusOf(state, 'a'), 'failed');
    assert.deepEqual(taskOf(state, 'a').failedOn, ['w1', 'w2']);
    assert.equal(of(effects, 'persist').at(-1)?.cause, 'TASK_CRASHED: it failed on w1 and w2');
  });

  it('goes to a worker on which it has not failed yet, where one is idle', () => {
    const both = run(stateOf(['a', 'b']), hello('w1', 0), hello('w2', 0), failed('w1', 1, 'a'), done('w2', 2, 'b'));
    const { effects } = run(both.state, beat('w1', 20), beat('w2', 20), tick(20));
    assert.deepEqual(
      of(effects, 'assign').map(({ worker, task, attempt }) => [worker, task, attempt]),
      [['w2', 'a', 2]],
    );
    const alone = run(stateOf(['a']), hello('w1', 0), failed('w1', 1, 'a'), beat('w1', 20), tick(20));
    assert.equal(taskOf(alone.state, 'a').worker, 'w1', 'and to the same one where it is the only one');
  });

  it('is blamed on the worker that holds it, though the news comes over a connection that is new', () => {
    const { state } = run(stateOf(['a']), hello('p1', 0, 'w1'), beat('p1', 1, 'a'), failed('p2', 2, 'a'));
    assert.deepEqual(taskOf(state, 'a').failedOn, ['w1']);
    assert.deepEqual(state.health.get('w1')?.failed, ['s/a']);
  });

  it('in a way that another attempt would not change is not tried again; the rest goes on, and its worker is well', () => {
    const { state } = run(stateOf(['a', 'b']), hello('w1', 0), failed('w1', 1, 'a', 1, diverged));
    assert.equal(statusOf(state, 'a'), 'failed');
    assert.equal(statusOf(state, 'b'), 'leased');
    assert.equal(state.health.size, 0);
  });

  it('for want of disk space goes to another worker; nobody is at fault, and the one without space is given nothing for half a minute', () => {
    const first = run(stateOf(['a', 'b']), hello('w1', 0), failed('w1', 1, 'a', 1, full));
    assert.match(of(first.effects, 'persist').at(-1)?.cause ?? '', /nobody's fault/);
    assert.deepEqual([statusOf(first.state, 'a'), taskOf(first.state, 'a').failures], ['pending', 0]);
    assert.deepEqual([statusOf(first.state, 'b'), workerStatus(first.state, 'w1')], ['pending', 'quarantined']);
    const other = run(first.state, hello('w2', 2), done('w2', 3, 'b'), beat('w1', 40), tick(40));
    assert.deepEqual([statusOf(other.state, 'a'), taskOf(other.state, 'a').worker], ['leased', 'w2']);
    const rested = run(other.state, beat('w1', 30_001), tick(30_001));
    assert.deepEqual(of(rested.effects, 'probe'), [{ type: 'probe', worker: 'w1' }]);
    const well = run(rested.state, probed('w1', 30_002));
    assert.equal(workerStatus(well.state, 'w1'), 'busy');
    assert.equal(well.state.health.get('w1')?.quarantines, 0);
  });

  it('for want of disk space, again and again, never fails', () => {
    let { state } = run(stateOf(['a']), hello('w1', 0));
    for (let attempt = 1, nowMs = 1; attempt <= 5; attempt++, nowMs += 30_010) {
      const next = run(state, failed('w1', nowMs, 'a', attempt, full), beat('w1', nowMs + 30_000), tick(nowMs + 30_000));
      ({ state } = run(next.state, probed('w1', nowMs + 30_005)));
    }
    assert.deepEqual([statusOf(state, 'a'), taskOf(state, 'a').failures], ['leased', 0]);
  });

  it('takes the other folds of its trial with it, running or not', () => {
    const { state, effects } = run(
      stateOf({ s: [...folds('a', 3), ...folds('b', 1)] }),
      hello('w1', 0),
      hello('w2', 0),
      beat('w2', 1, 'a/1'),
      failed('w1', 2, 'a/0', 1, diverged),
    );
    assert.deepEqual(
      ['a/0', 'a/1', 'a/2', 'b/0'].map((id) => statusOf(state, id)),
      ['failed', 'dropped', 'dropped', 'leased'],
    );
    assert.deepEqual(of(effects, 'cancel'), [{ type: 'cancel', worker: 'w2', study: 's', task: 'a/1', attempt: 1 }]);
    assert.equal(workerStatus(state, 'w2'), 'busy', 'until it says that it has killed it');
    assert.equal(workerStatus(run(state, beat('w2', 3)).state, 'w2'), 'idle');
  });

  it('gets new attempts when asked, with its dropped folds, if the reason may be gone', () => {
    const over = run(
      stateOf({ s: [...folds('a', 2), ...folds('b', 2)] }, { maxFailures: 1, workerFailures: 9 }),
      hello('w1', 0),
      failed('w1', 1, 'a/0', 1, crash),
      failed('w1', 2, 'b/0', 1, diverged),
    );
    assert.equal(studyStatus(over.state), 'finished');
    const { state } = run(over.state, asked('retry', 3));
    assert.equal(studyStatus(state), 'running');
    assert.deepEqual(
      ['a/0', 'a/1', 'b/0', 'b/1'].map((id) => statusOf(state, id)),
      ['pending', 'pending', 'failed', 'dropped'],
    );
  });
});

describe('a task that hangs', () => {
  const hung = (until: number): Event[] =>
    Array.from({ length: until / 50 }, (_, i) => [beat('w1', (i + 1) * 50, 'a', { at: 3 }), tick((i + 1) * 50)]).flat();

  it('is taken away although its worker is alive, and counts as failed', () => {
    const { state, effects } = run(stateOf(['a']), hello('w1', 0), ...hung(600));
    assert.deepEqual(of(effects, 'cancel')[0], { type: 'cancel', worker: 'w1', study: 's', task: 'a', attempt: 1 });
    assert.equal(taskOf(state, 'a').error?.code, 'TASK_STALLED');
    assert.equal(taskOf(state, 'a').failures, 1);
    assert.equal(taskOf(state, 'a').attempt, 1, 'its worker gets nothing while it still names it');
  });

  it('is not one whose step stands while its time left goes down, as when rows are scored or bytes are fetched', () => {
    const scoring = Array.from({ length: 40 }, (_, i): Event[] => {
      const progress = { ...progressAt(10), phase: 'scoring', secondsLeft: 90 - i } as const;
      const running = { study: 's', task: 'a', attempt: 1, progress };
      return [{ type: 'heartbeat', worker: 'w1', nowMs: i * 50, running }, tick(i * 50)];
    });
    assert.equal(statusOf(run(stateOf(['a']), hello('w1', 0), ...scoring.flat()).state, 'a'), 'running');
  });

  it('is not one that goes on, however slowly', () => {
    const slow = Array.from({ length: 40 }, (_, i) => [beat('w1', i * 50, 'a', { at: Math.floor(i / 8) }), tick(i * 50)]).flat();
    assert.equal(statusOf(run(stateOf(['a']), hello('w1', 0), ...slow).state, 'a'), 'running');
  });
});

describe('a worker on which different tasks fail in a row', () => {
  /** w1 has failed two tasks, and w2 does not exist. */
  const sick = (): { state: State } => run(stateOf(['a', 'b', 'c']), hello('w1', 0), failed('w1', 1, 'a'), failed('w1', 2, 'b'));
  const wait = policy.backoffMs;

  it('is quarantined: no work until its canary went well', () => {
    const { state } = sick();
    assert.equal(workerStatus(state, 'w1'), 'quarantined');
    const later = run(state, beat('w1', 1 + wait), tick(2 + wait));
    assert.deepEqual(of(later.effects, 'probe'), [{ type: 'probe', worker: 'w1' }]);
    assert.deepEqual(of(later.effects, 'assign'), []);
    assert.equal(of(run(later.state, probed('w1', 20)).effects, 'assign').length, 1);
  });

  it('is quarantined at once where it lacks the engine: that fails every task, and in no time', () => {
    const lacking = { code: 'ENGINE_UNAVAILABLE', message: 'not installed', retryable: true };
    const event: Event = { type: 'failed', worker: 'w1', nowMs: 1, study: 's', task: 'a', attempt: 1, failure: lacking };
    const { state } = run(stateOf(['a', 'b']), hello('w1', 0), event);
    assert.equal(workerStatus(state, 'w1'), 'quarantined');
    assert.equal(statusOf(state, 'a'), 'pending');
  });

  it('waits twice as long when it fails again, as a task or as a canary', () => {
    const again = run(sick().state, tick(2 + wait), probed('w1', 20), failed('w1', 21, 'a', 2));
    assert.equal(workerStatus(again.state, 'w1'), 'quarantined');
    assert.equal(again.state.health.get('w1')?.probeAt, 21 + 2 * wait);
    const canary = run(again.state, tick(21 + 2 * wait), probed('w1', 50, 'NaN'));
    assert.equal(canary.state.health.get('w1')?.probeAt, 50 + 4 * wait);
  });

  it('is well again when a task ends well on it', () => {
    const { state } = run(sick().state, tick(2 + wait), probed('w1', 20), done('w1', 21, 'a', 2));
    assert.equal(state.health.size, 0);
    assert.notEqual(workerStatus(state, 'w1'), 'quarantined');
  });

  it('does not get well by connecting again', () => {
    const { state } = run(sick().state, hello('p2', 3, 'w1'));
    assert.equal(workerStatus(state, 'p2'), 'quarantined');
  });

  it('is probed for as long as it is there, so that the last task does not starve', () => {
    let { state } = sick();
    let probes = 0;
    for (let nowMs = 10; nowMs < 60_000; nowMs += 50) {
      const next = run(state, beat('w1', nowMs), tick(nowMs));
      probes += of(next.effects, 'probe').length;
      state =
        of(next.effects, 'probe').length > 0 && probes < 6 ? run(next.state, probed('w1', nowMs, 'sick')).state : next.state;
    }
    assert.ok(probes > 6, 'a canary that is not answered is sent again');
    assert.ok(of(run(state, probed('w1', 60_000)).effects, 'assign').length === 1);
  });

  it('is not one on which the same task fails twice', () => {
    const { state } = run(stateOf(['a']), hello('w1', 0), failed('w1', 1, 'a'), beat('w1', 20), failed('w1', 21, 'a', 2));
    assert.equal(workerStatus(state, 'w1'), 'idle');
  });
});
