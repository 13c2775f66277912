import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { violations } from '../../src/scheduler/invariants.ts';
import { newTaskState, recover, step } from '../../src/scheduler/step.ts';
import { defaultPolicy, type Effect, type Event, type State } from '../../src/scheduler/types.ts';
import type { TaskProgress, TaskResult } from '../../src/train/types.ts';

const policy = { ...defaultPolicy, leaseMs: 100, backoffMs: 10, maxLosses: 3 };
const ids = ['a', 'b', 'c'];
const progress: TaskProgress = {
  phase: 'training',
  step: 1,
  toStep: 10,
  epoch: 0,
  epochs: 1,
  loss: 1,
  rowsPerSecond: 1,
  secondsLeft: undefined,
};
const result = (checkpoint: string): TaskResult => ({
  score: { alphas: [1], folds: [], best: 0, features: 1 },
  checkpoint,
  history: [],
  corruption: [],
  seconds: 1,
  parameters: 1,
  engine: 'test',
});

function study(count = ids.length): State {
  const tasks = ids
    .slice(0, count)
    .map((trial) => newTaskState({ id: trial, trial, fold: 'all', rung: 0, fromStep: 0, toStep: 10 }));
  return recover(tasks, policy, 0, 0);
}

/** Runs events in order, checking the invariants after each; gives the last state and all effects. */
function run(state: State, ...events: Event[]): { state: State; effects: Effect[] } {
  const effects: Effect[] = [];
  for (const event of events) {
    const next = step(state, event);
    assert.deepEqual(violations(next.state), [], `after ${JSON.stringify(event)}`);
    state = next.state;
    effects.push(...next.effects);
  }
  return { state, effects };
}
const of = (effects: readonly Effect[], type: Effect['type']): Effect[] => effects.filter((effect) => effect.type === type);
const hello = (worker: string, nowMs: number): Event => ({ type: 'hello', worker, name: worker, nowMs });
const beat = (worker: string, nowMs: number, task?: string, attempt = 1): Event => ({
  type: 'heartbeat',
  worker,
  nowMs,
  running: task === undefined ? undefined : { task, attempt, progress },
});
const done = (worker: string, nowMs: number, task: string, attempt = 1): Event => ({
  type: 'done',
  worker,
  nowMs,
  task,
  attempt,
  result: result('x'),
});
const statusOf = (state: State, task: string): string => state.tasks.get(task)?.status ?? 'unknown';

describe('the scheduler', () => {
  it('hands tasks out in plan order, one a worker', () => {
    const { effects } = run(study(), hello('w1', 0), hello('w2', 1));
    assert.deepEqual(of(effects, 'assign'), [
      { type: 'assign', worker: 'w1', task: 'a', attempt: 1 },
      { type: 'assign', worker: 'w2', task: 'b', attempt: 1 },
    ]);
  });

  it('finishes when every task is done, and then drains the workers', () => {
    const { state, effects } = run(study(1), hello('w1', 0), beat('w1', 1, 'a'), done('w1', 2, 'a'));
    assert.equal(state.phase, 'finished');
    assert.equal(of(effects, 'finished').length, 1);
    assert.deepEqual(of(effects, 'drain'), [{ type: 'drain', worker: 'w1' }]);
  });

  it('lists what is to be committed before what is to be sent', () => {
    const { effects } = step(run(study(), hello('w1', 0)).state, done('w1', 1, 'a'));
    const lastPersist = effects.findLastIndex((effect) => effect.type === 'persist');
    assert.ok(lastPersist >= 1, 'the result and the next lease are persisted');
    assert.ok(effects.slice(0, lastPersist).every((effect) => effect.type === 'persist'));
  });

  it('gives a task to another worker when its lease ends, and ignores the first worker from then on', () => {
    const before = run(study(1), hello('w1', 0), hello('w2', 90), beat('w2', 99), { type: 'tick', nowMs: 100 });
    assert.deepEqual(of(before.effects, 'assign').at(-1), { type: 'assign', worker: 'w2', task: 'a', attempt: 2 });
    const late = run(before.state, done('w1', 110, 'a', 1));
    assert.equal(statusOf(late.state, 'a'), 'leased');
    assert.deepEqual(of(late.effects, 'acknowledge'), [{ type: 'acknowledge', worker: 'w1', task: 'a', attempt: 1 }]);
    const zombie = run(before.state, hello('w1', 111), beat('w1', 112, 'a', 1));
    assert.deepEqual(of(zombie.effects, 'cancel'), [{ type: 'cancel', worker: 'w1', task: 'a', attempt: 1 }]);
  });

  it('accepts a result that comes after its lease ended while nobody else was given the task', () => {
    const expired = run(study(1), hello('w1', 0), { type: 'tick', nowMs: 100 });
    assert.equal(statusOf(expired.state, 'a'), 'pending');
    assert.equal(statusOf(run(expired.state, done('w1', 101, 'a')).state, 'a'), 'done');
  });

  it('keeps a lease for as long as heartbeats name it', () => {
    const events = [50, 120, 200, 290].flatMap((nowMs): Event[] => [beat('w1', nowMs, 'a'), { type: 'tick', nowMs: nowMs + 1 }]);
    const { state } = run(study(1), hello('w1', 0), ...events);
    assert.equal(statusOf(state, 'a'), 'running');
    assert.equal(state.tasks.get('a')?.attempt, 1);
  });

  it('does not let a heartbeat that names nothing keep a lease: the assignment was lost', () => {
    const { state } = run(study(1), hello('w1', 0), beat('w1', 60), { type: 'tick', nowMs: 100 });
    assert.equal(state.tasks.get('a')?.attempt, 2);
  });

  it('retries a crash after a wait that doubles, up to the limit', () => {
    let { state } = run(study(1), hello('w1', 0), hello('w2', 0));
    const waits: number[] = [];
    for (let attempt = 1, nowMs = 1; attempt <= policy.maxFailures; attempt++, nowMs += 50) {
      const worker = state.tasks.get('a')?.worker ?? 'nobody';
      const failure = { code: 'TASK_CRASHED', message: 'crash', retryable: true };
      ({ state } = run(state, { type: 'failed', worker, nowMs, task: 'a', attempt, failure }));
      if (statusOf(state, 'a') === 'pending') waits.push((state.tasks.get('a')?.notBefore ?? 0) - nowMs);
      ({ state } = run(state, beat('w1', nowMs + 45), beat('w2', nowMs + 45), { type: 'tick', nowMs: nowMs + 45 }));
    }
    assert.deepEqual(waits, [10, 20]);
    assert.equal(statusOf(state, 'a'), 'failed');
    assert.equal(state.phase, 'finished');
  });

  it('does not retry what would end the same way, and goes on with the rest', () => {
    const failure = { code: 'TRAIN_DIVERGED', message: 'NaN', retryable: false };
    const { state } = run(study(2), hello('w1', 0), { type: 'failed', worker: 'w1', nowMs: 1, task: 'a', attempt: 1, failure });
    assert.equal(statusOf(state, 'a'), 'failed');
    assert.equal(statusOf(state, 'b'), 'leased');
    assert.equal(state.workers.get('w1')?.failures, 0, 'a diverged loss is not the worker’s fault');
  });

  it('gives no more work to a worker that only fails', () => {
    let { state } = run(study(3), hello('w1', 0));
    const drains: Effect[] = [];
    for (let nowMs = 1; state.workers.get('w1')?.draining === false; nowMs += 1) {
      const held = [...state.tasks.values()].find((task) => task.worker === 'w1');
      assert.ok(held !== undefined);
      const failure = { code: 'TASK_CRASHED', message: 'crash', retryable: true };
      const next = run(state, { type: 'failed', worker: 'w1', nowMs, task: held.task.id, attempt: held.attempt, failure });
      state = next.state;
      drains.push(...of(next.effects, 'drain'));
    }
    assert.deepEqual(drains, [{ type: 'drain', worker: 'w1' }]);
    assert.equal(state.workers.get('w1')?.failures, policy.workerFailures);
  });

  it('fails a task that keeps losing its workers, but a checkpoint wipes the slate', () => {
    const loss = (nowMs: number): Event[] => [hello(`w${nowMs}`, nowMs), { type: 'lost', worker: `w${nowMs}`, nowMs: nowMs + 1 }];
    assert.equal(statusOf(run(study(1), ...loss(1), ...loss(3), ...loss(5)).state, 'a'), 'failed');
    const saved = run(study(1), ...loss(1), ...loss(3), hello('w5', 5), {
      type: 'checkpointed',
      worker: 'w5',
      nowMs: 6,
      task: 'a',
      attempt: 3,
      hash: 'h',
      step: 4,
    });
    assert.equal(statusOf(run(saved.state, { type: 'lost', worker: 'w5', nowMs: 7 }).state, 'a'), 'pending');
  });

  it('discards a checkpoint once a newer one, or the result, is committed', () => {
    const checkpoint = (hash: string, nowMs: number): Event => ({
      type: 'checkpointed',
      worker: 'w1',
      nowMs,
      task: 'a',
      attempt: 1,
      hash,
      step: nowMs,
    });
    const { effects } = run(
      study(1),
      hello('w1', 0),
      checkpoint('h1', 1),
      checkpoint('h2', 2),
      checkpoint('h2', 3),
      done('w1', 4, 'a'),
    );
    assert.deepEqual(of(effects, 'discard'), [
      { type: 'discard', hash: 'h1' },
      { type: 'discard', hash: 'h2' },
    ]);
  });

  it('stops by draining, and is stopped when everything has been handed back', () => {
    const stopping = run(study(), hello('w1', 0), beat('w1', 1, 'a'), { type: 'stop', nowMs: 2 });
    assert.equal(stopping.state.phase, 'stopping');
    const { state, effects } = run(stopping.state, { type: 'returned', worker: 'w1', nowMs: 3, task: 'a', attempt: 1 });
    assert.equal(state.phase, 'stopped');
    assert.equal(of(effects, 'assign').length, 0);
    assert.equal(of(effects, 'stopped').length, 1);
  });

  it('asks a stranger to introduce itself, and lets it go on with the task it holds', () => {
    const tasks = [...run(study(1), hello('w1', 0), beat('w1', 1, 'a')).state.tasks.values()];
    const restarted = recover(tasks, policy, 10, policy.leaseMs);
    const asked = run(restarted, beat('peer2', 11, 'a'));
    assert.deepEqual(of(asked.effects, 'introduce'), [{ type: 'introduce', worker: 'peer2' }]);
    const { state } = run(asked.state, hello('peer2', 12), beat('peer2', 13, 'a'));
    assert.equal(state.tasks.get('a')?.attempt, 1);
    assert.equal(state.tasks.get('a')?.worker, 'peer2');
  });

  it('blames nobody for leases that ended with the coordinator itself', () => {
    let state = study(1);
    for (let restarts = 0; restarts < 2 * policy.maxLosses; restarts++) {
      state = recover([...run(state, hello('w1', restarts)).state.tasks.values()], policy, restarts, 0);
      assert.deepEqual(violations(state), []);
    }
    assert.equal(statusOf(state, 'a'), 'pending');
    assert.equal(state.tasks.get('a')?.losses, 0);
  });

  it('gives new attempts, when asked, to what failed for a reason that may be gone', () => {
    const fail = (worker: string, task: string, nowMs: number, retryable: boolean): Event => ({
      type: 'failed',
      worker,
      nowMs,
      task,
      attempt: 1,
      failure: { code: retryable ? 'DISK_FULL' : 'TRAIN_DIVERGED', message: 'm', retryable },
    });
    const once = { ...study(2), policy: { ...policy, maxFailures: 1 } };
    const over = run(once, hello('w1', 0), hello('w2', 0), fail('w1', 'a', 1, true), fail('w2', 'b', 1, false));
    assert.equal(over.state.phase, 'finished');
    const { state } = run(over.state, { type: 'retry', nowMs: 2 });
    assert.equal(state.phase, 'running');
    assert.equal(statusOf(state, 'a'), 'pending');
    assert.equal(statusOf(state, 'b'), 'failed');
  });

  it('keeps its invariants, and never loses a result, whatever comes in whatever order', () => {
    const worker = fc.constantFrom('w1', 'w2', 'w3');
    const task = fc.constantFrom(...ids);
    const attempt = fc.integer({ min: 0, max: 4 });
    const hash = fc.constantFrom('h1', 'h2');
    const shape = fc.oneof(
      fc.record({ type: fc.constant('hello' as const), worker, name: worker }),
      fc.record({
        type: fc.constant('heartbeat' as const),
        worker,
        running: fc.option(fc.record({ task, attempt, progress: fc.constant(progress) }), { nil: undefined }),
      }),
      fc.record({ type: fc.constant('checkpointed' as const), worker, task, attempt, hash, step: fc.nat(9) }),
      fc.record({ type: fc.constant('done' as const), worker, task, attempt, result: hash.map(result) }),
      fc.record({
        type: fc.constant('failed' as const),
        worker,
        task,
        attempt,
        failure: fc.record({ code: fc.constant('TASK_CRASHED'), message: fc.constant('m'), retryable: fc.boolean() }),
      }),
      fc.record({ type: fc.constant('returned' as const), worker, task, attempt }),
      fc.record({ type: fc.constantFrom('goodbye' as const, 'lost' as const), worker }),
      fc.record({ type: fc.constantFrom('tick' as const, 'tick' as const, 'retry' as const, 'stop' as const) }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(shape, fc.nat(40)), { maxLength: 80 }), (script) => {
        let state = study();
        let nowMs = 0;
        const results = new Map<string, TaskResult>();
        for (const [event, wait] of script) {
          nowMs += wait;
          const next = step(state, { ...event, nowMs });
          assert.deepEqual(violations(next.state), []);
          for (const [id, kept] of results)
            assert.equal(next.state.tasks.get(id)?.result, kept, 'a result, once committed, stays');
          for (const { task: now } of next.state.tasks.values()) {
            const after = next.state.tasks.get(now.id);
            const before = state.tasks.get(now.id);
            assert.ok((after?.attempt ?? 0) >= (before?.attempt ?? 0), 'attempts only grow');
            if (after !== undefined && (after.status !== before?.status || after.checkpoint !== before.checkpoint))
              assert.ok(
                next.effects.some((effect) => effect.type === 'persist' && effect.task.task.id === now.id),
                'what changed is persisted',
              );
            if (after?.result !== undefined) results.set(now.id, after.result);
          }
          state = next.state;
        }
      }),
      { numRuns: 300 },
    );
  });
});
