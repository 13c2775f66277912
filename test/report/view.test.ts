import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { viewOf, type StudyView } from '../../src/report/view.ts';
import { taskTable } from '../../src/scheduler/task-table.ts';
import type { TaskState, WorkerState } from '../../src/scheduler/types.ts';
import { planOf, progress, summary as result, taskState, workerState } from './fixtures.ts';

const see = (tasks: readonly TaskState[], workers: readonly WorkerState[] = [], metric: 'rmse' | 'auc' = 'rmse'): StudyView =>
  viewOf({
    plan: planOf(...tasks.map(({ task }) => task.trial)),
    study: { name: 's', status: 'running', tasks: taskTable(tasks) },
    workers,
    phase: 'running',
    metric,
    nowMs: 101_000,
    startedMs: 1_000,
  });

const done = (id: string, ...rmse: number[]): TaskState => taskState(id, { status: 'done', attempt: 1, result: result(rmse) });
const running = (id: string, worker: string, change = progress()): TaskState =>
  taskState(id, { status: 'running', attempt: 1, worker, progress: change });

describe('view of a running study', () => {
  it('counts every trial once, baselines apart', () => {
    const task = fc.constantFrom('pending', 'leased', 'running', 'done', 'failed' as const);
    fc.assert(
      fc.property(fc.array(task), fc.array(task, { maxLength: 2 }), (trained, untrained) => {
        const tasks = [
          ...trained.map((status, i) => taskState(`trial-${i}`, { status })),
          ...untrained.map((status, i) => taskState(`untrained-${i}`, { status })),
        ];
        const { trials, baselines } = see(tasks);
        for (const [counts, statuses] of [
          [trials, trained],
          [baselines, untrained],
        ] as const) {
          const of = (...names: string[]): number => statuses.filter((status) => names.includes(status)).length;
          assert.deepEqual(counts, {
            pending: of('pending'),
            running: of('leased', 'running'),
            done: of('done'),
            failed: of('failed'),
            dropped: 0,
            total: statuses.length,
          });
        }
      }),
    );
  });

  it('makes one trial of its folds: a score when all are done, at the alpha that is best in their mean; the first failure as its story', () => {
    const folds = (...changes: Partial<TaskState>[]): TaskState[] =>
      changes.map((change, fold) => {
        const state = taskState('trial-1', change);
        return { ...state, task: { ...state.task, id: `trial-1/${fold}`, fold } };
      });
    const scored = (rmse: readonly number[]): Partial<TaskState> => {
      return { status: 'done', result: { ...result([]), rmse, best: rmse[0]! < rmse[1]! ? 0 : 1, seconds: 2 } };
    };
    const view = (tasks: readonly TaskState[], workers: readonly WorkerState[] = []): StudyView =>
      viewOf({
        plan: planOf('trial-1'),
        study: { name: 's', status: 'running', tasks: taskTable(tasks) },
        workers,
        phase: 'running',
        metric: 'rmse',
        nowMs: 101_000,
        startedMs: 1_000,
      });
    const [whole] = view(folds(scored([1, 3]), scored([8, 4]))).rows;
    assert.deepEqual([whole?.status, whole?.score, whole?.seconds], ['done', 3.5, 4]);

    const part = folds(scored([1, 3]), { status: 'running', attempt: 1, worker: '7', progress: progress() });
    const { rows, workers } = view(part, [{ ...workerState('7'), status: 'busy', task: { study: 's', task: 'trial-1/1' } }]);
    assert.deepEqual([rows[0]?.status, rows[0]?.score, workers[0]?.trial], ['running', undefined, 'trial-1/1']);

    const error = { code: 'TRAIN_DIVERGED', message: 'NaN', retryable: false } as const;
    const { failures } = view(folds(scored([1, 3]), { status: 'failed', error }));
    assert.deepEqual(failures, [{ trial: 'trial-1', code: 'TRAIN_DIVERGED', message: 'fold 1: NaN' }]);
  });

  it('compares the best trained trial with both baselines, at the best alpha', () => {
    const tasks = [
      done('raw', 0.2, 0.2),
      done('untrained-1', 0.16, 0.14),
      done('untrained-2', 0.13, 0.12),
      done('trial-1', 0.11, 0.09),
    ];
    const view = see([...tasks, done('trial-2', 0.3, 0.3), taskState('trial-3')]);
    assert.equal(view.best?.trial, 'trial-1');
    assert.ok(Math.abs(view.best.score - 0.1) < 1e-12);
    assert.deepEqual([view.raw?.trial, view.untrained?.trial], ['raw', 'untrained-2']);
    assert.ok(Math.abs((view.raw?.change ?? 0) + 0.5) < 1e-12);
    assert.ok(Math.abs((view.untrained?.change ?? 0) - (0.1 - 0.125) / 0.125) < 1e-12);
  });

  it('takes the larger score for AUC', () => {
    const view = see([done('raw', 0.4), done('trial-1', 0.3), done('trial-2', 0.2)], [], 'auc');
    assert.equal(view.best?.trial, 'trial-2');
    assert.ok(Math.abs((view.raw?.change ?? 0) - 0.2 / 0.6) < 1e-12);
  });

  it('has baselines without a gain before the first trial is done', () => {
    const view = see([done('raw', 0.2), taskState('trial-1')]);
    assert.equal(view.best, undefined);
    assert.deepEqual(view.raw, { trial: 'raw', score: 0.2, change: undefined });
    assert.equal(view.untrained, undefined);
  });

  it('has a row for every worker, also for those without work', () => {
    const tasks = [
      running('trial-1', 'a'),
      running('trial-2', 'b', progress({ phase: 'scoring', step: 1000 })),
      taskState('trial-3', { status: 'leased', worker: 'c' }),
    ];
    const workers = [workerState('a', 'trial-1'), workerState('b', 'trial-2'), workerState('c', 'trial-3'), workerState('d')];
    assert.deepEqual(
      see(tasks, [...workers, workerState('e', undefined, { status: 'draining' })]).workers.map((row) => [
        row.name,
        row.trial,
        row.phase,
        row.epoch,
        row.share,
      ]),
      [
        ['local-a', 'trial-1', 'training', 6, 0.5],
        ['local-b', 'trial-2', 'scoring', undefined, 0],
        ['local-c', 'trial-3', 'starting', undefined, 0],
        ['local-d', undefined, 'idle', undefined, 0],
        ['local-e', undefined, 'leaving', undefined, 0],
      ],
    );
  });

  it('counts epochs from one, and never past the last', () => {
    const epochAt = (epoch: number): number | undefined =>
      see([running('trial-1', 'a', progress({ epoch }))], [workerState('a', 'trial-1')]).workers[0]?.epoch;
    assert.deepEqual([0, 9, 10].map(epochAt), [1, 10, 10]);
  });

  it('does not take an unknown rate for a standstill', () => {
    const view = see(
      [running('trial-1', 'a', progress({ rowsPerSecond: 0, secondsLeft: undefined }))],
      [workerState('a', 'trial-1')],
    );
    assert.equal(view.workers[0]?.rowsPerSecond, undefined);
    assert.equal(view.left, undefined);
  });

  it('tells failures with their reasons, but not those that get another attempt', () => {
    const error = { code: 'TRAIN_DIVERGED', message: 'loss is NaN', retryable: false };
    const view = see([
      taskState('trial-1', { status: 'failed', error }),
      taskState('trial-2', { status: 'pending', attempt: 1, error }),
    ]);
    assert.deepEqual(view.failures, [{ trial: 'trial-1', code: 'TRAIN_DIVERGED', message: 'loss is NaN' }]);
    assert.equal(view.rows[1]?.error?.code, 'TRAIN_DIVERGED');
  });

  it('measures the time since the start in seconds', () => {
    assert.equal(see([]).elapsed, 100);
  });

  it('counts the seconds of the phase, and fills the bar once for the training and once for the scoring', () => {
    const scoring = (secondsLeft: number | undefined) => progress({ phase: 'scoring', step: 1000, secondsLeft });
    const rows = (change: ReturnType<typeof progress>, ...others: TaskState[]) =>
      see([...others, running('trial-1', 'a', change)], [workerState('a', 'trial-1')]).workers.map(({ share, secondsLeft }) => [
        share,
        secondsLeft,
      ]);
    const baseline = done('untrained-1', 0.2);
    assert.deepEqual(rows(progress(), baseline), [[0.5, 10]]);
    // The baseline's 34 s were scoring.
    assert.deepEqual(rows(scoring(17), baseline), [[0.5, 17]]);
    assert.deepEqual(rows(scoring(undefined), baseline), [[0, undefined]]);
    assert.deepEqual(rows(scoring(17)), [[0, 17]]);
  });

  describe('time left', () => {
    const half = (id: string, worker: string): TaskState =>
      running(id, worker, progress({ step: 500, rowsPerSecond: 5_000, secondsLeft: undefined }));
    const scoring = (id: string, worker: string, secondsLeft: number | undefined): TaskState =>
      running(id, worker, progress({ phase: 'scoring', step: 1000, secondsLeft }));
    const both = [workerState('a', 'trial-1'), workerState('b', 'trial-2')];
    const baseline = (seconds: number): TaskState =>
      taskState('untrained-1', { status: 'done', attempt: 1, result: result([0.2], seconds) });

    it('is what the last worker needs, by the rates of those that train', () => {
      // 500 steps of 100 rows are 10 s at 5,000 rows/s; then one of the two has 1,000 more.
      const tasks = [half('trial-1', 'a'), half('trial-2', 'b'), taskState('trial-3')];
      assert.deepEqual(see(tasks, both).left, { seconds: 30, atLeast: true });
    });

    it('counts the scoring of each trial by what the untrained baseline took, which is nothing but scoring', () => {
      const tasks = [baseline(7), half('trial-1', 'a'), half('trial-2', 'b'), taskState('trial-3')];
      assert.deepEqual(see(tasks, both).left, { seconds: 10 + 7 + 20 + 7, atLeast: false });
    });

    it('takes the scoring from finished trials where there is no such baseline', () => {
      // 1,000 steps of 100 rows took 34 s; at 5,000 rows/s, 20 s of them were training.
      const tasks = [done('trial-1', 0.1), half('trial-2', 'b')];
      assert.deepEqual(see(tasks, [workerState('b', 'trial-2')]).left, { seconds: 10 + 14, atLeast: false });
    });

    it('takes a trial to need what finished ones did, in all', () => {
      const tasks = [baseline(7), done('trial-1', 0.1), taskState('trial-2'), taskState('trial-3')];
      const { seconds, atLeast } = see(tasks, [workerState('a')]).left ?? {};
      assert.ok(Math.abs((seconds ?? NaN) - 68) < 1e-9);
      assert.equal(atLeast, false);
    });

    it('is never less than the slowest running task needs', () => {
      const slow = running('trial-1', 'a', progress({ rowsPerSecond: 5_000, secondsLeft: 60 }));
      assert.deepEqual(see([baseline(7), slow], [workerState('a', 'trial-1')]).left, { seconds: 67, atLeast: false });
    });

    it('counts a worker that scores as one that will train again while there is work', () => {
      const tasks = [half('trial-1', 'a'), scoring('trial-2', 'b', 4), taskState('trial-3')];
      assert.deepEqual(see(tasks, both).left, { seconds: 24, atLeast: true });
    });

    it('is what is left of the scoring when that is all', () => {
      const left = (seconds: number | undefined) => see([scoring('trial-1', 'a', seconds)], [workerState('a', 'trial-1')]).left;
      assert.deepEqual(left(4), { seconds: 4, atLeast: false });
      assert.deepEqual(left(undefined), { seconds: 0, atLeast: true });
    });

    it('starts from the checkpoint of a task that waits', () => {
      const waiting = taskState('trial-2', { checkpoint: { hash: 'h', step: 500 } });
      assert.deepEqual(see([baseline(14), done('trial-1', 0.1), waiting], [workerState('a')]).left, {
        seconds: 10 + 14,
        atLeast: false,
      });
    });

    it('does not go by the seconds of an attempt that went on from a checkpoint', () => {
      const resumed = taskState('trial-1', { status: 'done', attempt: 2, result: result([0.1], 3) });
      assert.deepEqual(see([resumed, half('trial-2', 'b')], [workerState('b', 'trial-2')]).left, { seconds: 10, atLeast: true });
    });

    it('gives no work to a worker that leaves', () => {
      const tasks = [baseline(7), half('trial-1', 'a'), half('trial-2', 'b'), taskState('trial-3')];
      const workers = [workerState('a', 'trial-1', { status: 'draining' }), workerState('b', 'trial-2')];
      const leaving = workers.map((worker) => ({ ...worker, status: 'draining' as const }));
      assert.equal(see(tasks, workers).left?.seconds, 44);
      assert.equal(see(tasks, leaving).left, undefined);
    });

    it('is unknown before there is a rate, without workers, and when nothing is left to do', () => {
      assert.equal(see([taskState('trial-1')], [workerState('a')]).left, undefined);
      assert.equal(see([done('trial-1', 0.1), taskState('trial-2')]).left, undefined);
      assert.equal(see([done('trial-1', 0.1)], [workerState('a')]).left, undefined);
    });

    it('falls as the work is done, however it is spread', () => {
      const steps = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 8 });
      fc.assert(
        fc.property(steps, fc.nat(7), (at, which) => {
          const left = (positions: readonly number[]): number => {
            const tasks = positions.map((step, i) => running(`trial-${i}`, `${i}`, progress({ step, secondsLeft: undefined })));
            const workers = positions.map((_, i) => workerState(`${i}`, `trial-${i}`));
            return see([baseline(7), ...tasks, taskState('trial-9')], workers).left?.seconds ?? NaN;
          };
          const later = at.map((step, i) => (i === which % at.length ? 1000 : step));
          assert.ok(left(later) <= left(at) + 1e-9);
        }),
      );
    });
  });
});
