import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { storyText, studiesTable, studyText, tasksTable, workersTable } from '../../src/report/listing.ts';
import { unpainted } from '../../src/report/model.ts';
import { frameViewOf } from '../../src/report/remote.ts';
import { summaryOf } from '../../src/report/summary.ts';
import { taskTable } from '../../src/scheduler/task-table.ts';
import type { StudySummary, TaskSummary, WorkerSummary } from '../../src/wire/messages.ts';
import { planOf, progress, summary as result, taskState, workerState } from './fixtures.ts';

const wide = { width: Infinity, paint: unpainted };

/** raw and trial-1 are done, trial-2 runs on worker a, trial-3 waits. */
const summary = (change: Partial<StudySummary> = {}): StudySummary => {
  const tasks = [
    taskState('raw', { status: 'done', attempt: 1, result: result([0.2, 0.2]) }),
    taskState('trial-1', { status: 'done', attempt: 1, result: result([0.1, 0.3]) }),
    taskState('trial-2', { status: 'running', attempt: 1, worker: 'a', progress: progress() }),
    taskState('trial-3'),
  ];
  const made = summaryOf({
    plan: planOf('raw', 'trial-1', 'trial-2', 'trial-3'),
    study: { name: 's', status: 'running', tasks: taskTable(tasks) },
    workers: [workerState('a', 'trial-2')],
    phase: 'running',
    metric: 'rmse',
    nowMs: 101_000,
    startedMs: 1_000,
    createdMs: 1_000,
    trouble: undefined,
  });
  return { ...made, ...change };
};

const task = (change: Partial<TaskSummary> = {}): TaskSummary => ({
  task: 'trial-2/all',
  trial: 'trial-2',
  status: 'running',
  attempt: 1,
  failures: 0,
  losses: 0,
  worker: 'box/cpu-1',
  checkpointStep: undefined,
  toStep: 1_000,
  progress: progress(),
  score: undefined,
  seconds: undefined,
  error: undefined,
  ...change,
});

const worker = (change: Partial<WorkerSummary> = {}): WorkerSummary => ({
  name: 'box/cpu-1',
  status: 'busy',
  version: '0.1.0',
  capabilities: { engine: 'onnx', device: 'cpu', threads: 1, memory: 0 },
  running: { study: 's', task: 'trial-2/all', attempt: 1 },
  lastSeenMs: 1_000,
  reason: undefined,
  ...change,
});

describe('a study summed up for the wire', () => {
  it('counts tasks, trials and baselines by status, and names the best of each kind', () => {
    const { tasks, trials, baselines, best, raw, untrained, secondsLeft } = summary();
    assert.deepEqual(tasks, { pending: 1, leased: 0, running: 1, done: 2, failed: 0, dropped: 0 });
    assert.deepEqual(trials, { pending: 1, running: 1, done: 1, failed: 0, dropped: 0 });
    assert.deepEqual(baselines, { pending: 0, running: 0, done: 1, failed: 0, dropped: 0 });
    assert.deepEqual([best, raw, untrained], [{ trial: 'trial-1', score: 0.2 }, { trial: 'raw', score: 0.2 }, undefined]);
    assert.ok(secondsLeft !== undefined && secondsLeft > 0);
  });

  it('is shown as a sweep shows itself: workers of this study and idle ones, the share of the training that is done', () => {
    const others = worker({ name: 'other', running: { study: 't', task: 'x', attempt: 1 } });
    const idle = worker({ name: 'idle', status: 'quarantined', running: undefined });
    const view = frameViewOf({ study: summary(), running: [task()], workers: [worker(), others, idle], nowMs: 101_000 });
    assert.deepEqual(
      view.workers.map(({ name, trial, phase, share }) => [name, trial, phase, share]),
      [
        ['box/cpu-1', 'trial-2', 'training', 0.5],
        ['idle', undefined, 'quarantined', 0],
      ],
    );
    assert.deepEqual([view.trials.total, view.elapsed, view.raw?.change], [3, 100, 0]);
  });
});

describe('what a coordinator’s clients are shown', () => {
  it('is a line a study', () => {
    const [head, row] = studiesTable([summary({ secondsLeft: 65, atLeast: true })], wide).split('\n');
    assert.match(head ?? '', /^study\s+status\s+trials done\s+running\s+failed\s+best\s+left$/);
    assert.match(row ?? '', /^s\s+running\s+1\/3\s+1\s+0\s+0\.2000 RMSE \(trial-1\)\s+> 1:05$/);
    assert.equal(studiesTable([], wide), 'no studies\n');
  });

  it('says why a running study does not go on', () => {
    const stuck = summary({ trouble: 'the disk of the database is full' });
    assert.match(studiesTable([stuck], wide), /running, but stuck/);
    assert.match(studyText(stuck, wide), /^the disk of the database is full$/m);
  });

  it('gives way to a narrow terminal', () => {
    const long = [summary({ name: 'a-study-with-a-very-long-name-and-more', secondsLeft: 65 })];
    assert.ok(
      studiesTable(long, wide)
        .split('\n')
        .some((line) => line.length > 80),
    );
    for (const width of [64, 80])
      for (const line of studiesTable(long, { ...wide, width }).split('\n')) assert.ok(line.length <= width, line);
  });

  it('tells of tasks what is worth telling, and of those that failed why', () => {
    assert.match(tasksTable([task()], wide), /trial-2\/all\s+running\s+1\s+box\/cpu-1\s+epoch 6\/10, 5\.0k rows\/s/);
    const error = { code: 'TRAIN_DIVERGED', message: 'the loss is NaN' };
    const failed = tasksTable([task({ status: 'failed', worker: undefined, progress: undefined, error })], wide);
    assert.match(failed, /failed\s+1\s+TRAIN_DIVERGED: the loss is NaN/);
    assert.doesNotMatch(failed, /worker|progress|score/, 'columns without a cell are left out');
    const waiting = task({ status: 'pending', worker: undefined, progress: undefined, checkpointStep: 400 });
    assert.match(tasksTable([waiting], wide), /checkpoint at step 400 of 1000/);
  });

  it('tells of workers what they do, and why one gets no work', () => {
    assert.match(workersTable([worker()], 4_000, wide), /box\/cpu-1\s+busy\s+s trial-2\/all\s+onnx\s+cpu\s+0:03 ago/);
    const sick = worker({ status: 'quarantined', running: undefined, reason: '2 different tasks failed on it' });
    assert.match(workersTable([sick], 4_000, wide), /quarantined.*2 different tasks failed on it/);
  });

  it('tells a story a line a change, and keeps a cause on its line', () => {
    const line = { atMs: 0, task: 't', attempt: 2, from: 'running', to: 'pending', worker: 'w', cause: 'lease\nended' };
    assert.equal(storyText([line]), '1970-01-01T00:00:00.000Z  t  attempt 2  running -> pending  on w  lease ended\n');
    assert.match(storyText([{ ...line, from: 'running', to: 'running' }]), /attempt 2 {2}running {2}on w/);
  });
});
