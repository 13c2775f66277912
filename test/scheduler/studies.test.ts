import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { violations } from '../../src/scheduler/invariants.ts';
import { newTaskState, recover } from '../../src/scheduler/step.ts';
import type { Event } from '../../src/scheduler/types.ts';
import {
  asked,
  beat,
  diverged,
  done,
  failed,
  folds,
  hello,
  of,
  policy,
  returned,
  run,
  stateOf,
  statusOf,
  studyStatus,
  taskNamed,
  taskOf,
  workerStatus,
} from './fixtures.ts';

const submit = (nowMs: number, tasks = [taskNamed('x')], study = 's'): Event => ({
  type: 'submit',
  nowMs,
  study,
  tasks: tasks.map(newTaskState),
});

describe('a result whose checkpoint was lost', () => {
  const lost = (nowMs: number, task: string, hash = `end of ${task}`, study = 's'): Event => ({
    ...{ type: 'redo', nowMs, study, tasks: [{ task, hash }] },
  });

  it('is made again from the beginning, and its study with it; late messages of the old attempt stay late', () => {
    const finished = run(stateOf(['a', 'b']), hello('w1', 0), done('w1', 1, 'a'), done('w1', 2, 'b'));
    assert.equal(studyStatus(finished.state), 'finished');
    const redone = run(finished.state, lost(3, 'a'), hello('w2', 4), done('w1', 5, 'a', 1));
    assert.deepEqual([studyStatus(redone.state), statusOf(redone.state, 'b')], ['running', 'done']);
    const { status, attempt, checkpoint, result } = taskOf(redone.state, 'a');
    assert.deepEqual(
      { status, attempt, checkpoint, result },
      {
        ...{ status: 'leased', attempt: 2 },
        ...{ checkpoint: undefined, result: undefined },
      },
    );
    assert.equal(studyStatus(run(redone.state, done('w2', 6, 'a', 2)).state), 'finished');
  });

  it('stays where it has another checkpoint by now, or nobody wants it', () => {
    const one = run(stateOf(['a']), hello('w1', 0), done('w1', 1, 'a')).state;
    assert.equal(run(one, lost(2, 'a', 'another')).state, one);
    assert.equal(run(one, lost(2, 'a', 'end of a', 't')).state, one);
    const failedTrial = run(
      stateOf({ s: folds('a', 2) }),
      hello('w1', 0),
      done('w1', 1, 'a/0'),
      failed('w1', 2, 'a/1', 1, diverged),
    );
    assert.equal(statusOf(run(failedTrial.state, lost(3, 'a/0')).state, 'a/0'), 'done');
  });
});

describe('a study that is paused', () => {
  it('hands out nothing, asks who runs something to come back, again if need be, and is paused when they have', () => {
    const pausing = run(
      stateOf(['a', 'b', 'c']),
      hello('w1', 0),
      beat('w1', 1, 'a'),
      asked('pause', 2),
      hello('w2', 3),
      beat('w1', 4, 'a'),
    );
    assert.equal(studyStatus(pausing.state), 'pausing');
    const yields = { type: 'yield', worker: 'w1', study: 's', task: 'a', attempt: 1 };
    assert.deepEqual(of(pausing.effects, 'yield'), [yields, yields]);
    assert.equal(of(pausing.effects, 'assign').length, 1);
    const { state } = run(pausing.state, returned('w1', 5, 'a'));
    assert.equal(studyStatus(state), 'paused');
    assert.equal(workerStatus(state, 'w1'), 'idle', 'workers stay');
  });

  it('goes on when resumed, also before everything has come back', () => {
    for (const events of [[], [returned('w1', 3, 'a')]]) {
      const { state } = run(stateOf(['a']), hello('w1', 0), beat('w1', 1, 'a'), asked('pause', 2), ...events, asked('resume', 4));
      assert.equal(studyStatus(state), 'running');
      assert.notEqual(statusOf(state, 'a'), 'pending');
    }
  });

  it('is paused at once when nothing runs, and finished when what ran comes back done', () => {
    assert.equal(studyStatus(run(stateOf(['a']), asked('pause', 1)).state), 'paused');
    const { state } = run(stateOf(['a']), hello('w1', 0), asked('pause', 1), done('w1', 2, 'a'));
    assert.equal(studyStatus(state), 'finished');
  });

  it('leaves the others alone', () => {
    const { state } = run(stateOf({ s: folds('a', 1), t: folds('b', 1) }), asked('pause', 0), hello('w1', 1));
    assert.equal(statusOf(state, 'b/0', 't'), 'leased');
  });
});

describe('a study that is cancelled', () => {
  it('kills what runs and drops what waits, and keeps what is done', () => {
    const { state, effects } = run(
      stateOf(['a', 'b', 'c']),
      hello('w1', 0),
      done('w1', 1, 'a'),
      beat('w1', 2, 'b'),
      asked('cancel', 3),
    );
    assert.deepEqual(
      ['a', 'b', 'c'].map((id) => statusOf(state, id)),
      ['done', 'dropped', 'dropped'],
    );
    assert.deepEqual(of(effects, 'cancel'), [{ type: 'cancel', worker: 'w1', study: 's', task: 'b', attempt: 1 }]);
    assert.equal(studyStatus(state), 'cancelled');
  });

  it('is so for good', () => {
    const { state } = run(stateOf(['a']), asked('cancel', 0), asked('resume', 1), asked('retry', 2), submit(3), hello('w1', 4));
    assert.equal(studyStatus(state), 'cancelled');
    assert.deepEqual([statusOf(state, 'a'), statusOf(state, 'x')], ['dropped', 'dropped']);
  });
});

describe('what is submitted', () => {
  it('goes behind what is there, once', () => {
    const { state } = run(stateOf(['a']), submit(0), submit(1), submit(2, [taskNamed('y')], 't'));
    assert.deepEqual([...state.studies.keys()], ['s', 't']);
    assert.deepEqual(
      [...(state.studies.get('s')?.tasks.values() ?? [])].map(({ task }) => task.id),
      ['a', 'x'],
    );
  });

  it('lets a finished study run again', () => {
    const { state } = run(stateOf(['a'], { whenDone: 'wait' }), hello('w1', 0), done('w1', 1, 'a'), submit(2));
    assert.equal(studyStatus(state), 'running');
    assert.equal(statusOf(state, 'x'), 'leased');
  });

  it('is taken up by a restart, though a crash came between its rows and the event', () => {
    for (const [status, task, as] of [
      ['finished', 'pending', 'running'],
      ['cancelled', 'dropped', 'cancelled'],
    ] as const) {
      const state = recover([{ name: 's', status, tasks: [newTaskState(taskNamed('a'))] }], policy, 0, 0);
      assert.deepEqual([studyStatus(state), statusOf(state, 'a')], [as, task]);
      assert.deepEqual(violations(state), []);
    }
  });

  it('is dropped where its trial has failed', () => {
    const once = stateOf({ s: folds('a', 1) }, { whenDone: 'wait' });
    const { state } = run(once, hello('w1', 0), failed('w1', 1, 'a/0', 1, diverged), submit(2, folds('a', 2)));
    assert.equal(statusOf(state, 'a/1'), 'dropped');
    assert.equal(studyStatus(state), 'finished');
  });
});
