import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { silentLog } from '../../src/base/ports.ts';
import type { TrialConfig } from '../../src/config/types.ts';
import { startCoordinator, type Coordinator } from '../../src/coordinator/coordinator.ts';
import type { Plan } from '../../src/plan/types.ts';
import { violations } from '../../src/scheduler/invariants.ts';
import { defaultPolicy } from '../../src/scheduler/types.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import type { TaskResult } from '../../src/train/types.ts';
import { startWorker, type LaunchTask, type Worker } from '../../src/worker/worker.ts';
import { createLoopback, type LoopbackOptions } from '../../src/wire/loopback.ts';

const config: TrialConfig = {
  noise: { flavour: 'group', swapProbability: { a: 0.5 } },
  model: { kind: 'mlp', units: 4, layers: 1 },
  training: {
    epochs: 1,
    batchSize: 2,
    learningRate: 0.1,
    learningRateDecay: 1,
    loss: { emphasis: 0.5, maskWeight: 1 },
    checkpointEveryEpochs: 1,
  },
  features: { layers: 'all', inputs: false },
};
const names = ['raw', 'trial-0001', 'trial-0002', 'trial-0003', 'trial-0004'];
const plan: Plan = {
  trials: names.map((id) => ({ id, kind: id === 'raw' ? 'raw' : 'trained', parameters: {}, config })),
  tasks: names.map((id) => ({ id: `${id}/all/0-10`, trial: id, fold: 'all', rung: 0, fromStep: 0, toStep: 10 })),
};
const hash = (digit: number): string => String(digit).repeat(64);

/** A result that depends on the task only, as a real one does. */
const resultOf = (trial: string): TaskResult => ({
  score: {
    alphas: [1],
    folds: [{ fold: 0, rows: 1, metrics: [{ rmse: names.indexOf(trial), mae: 1, r2: 0 }] }],
    best: 0,
    features: 1,
  },
  checkpoint: hash(names.indexOf(trial)),
  history: [],
  corruption: [],
  seconds: 0.01,
  parameters: 1,
  engine: 'fake',
});

function newStore(): Store {
  const store = memoryStore();
  store.create({ name: 's', config: '{}', configHash: 'c', dataHash: 'd', createdMs: 0, version: '0' }, plan);
  return store;
}

interface Bench {
  readonly coordinator: Coordinator;
  readonly store: Store;
  readonly deleted: string[];
  /** A real worker on a fake task. */
  join(name: string, launch?: LaunchTask): Worker;
  close(): Promise<void>;
}

/** A task that takes a few milliseconds, checkpoints once, and hands back when interrupted. */
const briefTask: LaunchTask = (spec, _artifacts, reports) => {
  let over = false;
  const end: typeof reports.onEnd = (how) => {
    if (over) return;
    over = true;
    setImmediate(() => reports.onEnd(how));
  };
  setTimeout(() => !over && reports.onCheckpoint(hash(9), 5), 2);
  setTimeout(() => end({ result: resultOf(spec.task.trial) }), 8);
  return { interrupt: () => end('stopped'), kill: () => end('stopped') };
};

function open(store: Store, faults: LoopbackOptions = {}): Bench {
  const loopback = createLoopback(faults);
  const deleted: string[] = [];
  const artifacts: ArtifactStore = {
    put: () => Promise.reject(new Error('unused')),
    get: () => Promise.reject(new Error('unused')),
    has: () => Promise.resolve(true),
    delete: (name) => Promise.resolve(void deleted.push(name)),
    list: () => Promise.resolve([]),
  };
  const coordinator = startCoordinator({
    study: 's',
    store,
    transport: loopback.coordinator,
    artifacts,
    artifactsAt: '/nowhere',
    specOf(id) {
      const task = plan.tasks.find((row) => row.id === id);
      assert.ok(task !== undefined);
      const ridge = { alphas: [1], folds: { count: 2, kind: 'plain' as const }, learningCurve: { labels: [], draws: 1 } };
      return { task, kind: task.trial === 'raw' ? 'raw' : 'trained', config, seed: 1, ridge, data: hash(7) };
    },
    policy: { ...defaultPolicy, leaseMs: 60, backoffMs: 5, maxLosses: 50, maxFailures: 3 },
    heartbeatMs: 10,
    graceMs: 0,
    retryFailed: true,
    clock: { now: () => Date.now() },
    log: silentLog,
    onChange: (state) => assert.deepEqual(violations(state), []),
  });
  const ticks = setInterval(() => coordinator.tick(), 10);
  const workers: Worker[] = [];
  return {
    coordinator,
    store,
    deleted,
    join(name, launch = briefTask) {
      const worker = startWorker({
        transport: loopback.connect(),
        introduction: { version: '0', name, pid: 1, engine: 'fake', device: 'cpu', threads: 1 },
        launch,
        every: (ms, callback) => {
          const timer = setInterval(callback, ms);
          return () => clearInterval(timer);
        },
        log: silentLog,
      });
      workers.push(worker);
      return worker;
    },
    async close() {
      clearInterval(ticks);
      for (const worker of workers) worker.abort();
      await loopback.coordinator.close();
    },
  };
}

const scores = (store: Store): (number | undefined)[] =>
  store.tasks().map(({ result }) => result?.score.folds[0]?.metrics[0]?.rmse);

describe('a coordinator with workers', () => {
  it('runs a plan to its end, once each, and sends everyone home', async () => {
    const bench = open(newStore());
    const workers = [bench.join('w1'), bench.join('w2')];
    assert.equal(await bench.coordinator.ended, 'finished');
    assert.deepEqual(await Promise.all(workers.map((worker) => worker.ended)), [
      { code: 0, reason: undefined },
      { code: 0, reason: undefined },
    ]);
    assert.deepEqual(scores(bench.store), [0, 1, 2, 3, 4]);
    assert.ok(bench.store.tasks().every(({ attempt }) => attempt === 1));
    await bench.close();
  });

  it('ends with the same results when messages are lost, doubled and late', async () => {
    let count = 0;
    // A fixed pattern of faults that meets every kind of message: of each seven, one lost, one doubled, one late.
    const deliveries = (): readonly number[] => [[0], [], [0], [0, 3], [0], [25], [0]][count++ % 7] ?? [0];
    const bench = open(newStore(), { deliveries });
    bench.join('w1');
    bench.join('w2');
    assert.equal(await bench.coordinator.ended, 'finished');
    assert.deepEqual(scores(bench.store), [0, 1, 2, 3, 4]);
    await bench.close();
  });

  it('gives the task of a silent worker to another', async () => {
    const bench = open(newStore());
    const silent = bench.join('silent', () => ({ interrupt: () => {}, kill: () => {} }));
    while (bench.store.tasks()[0]?.status !== 'running') await new Promise((resolve) => setTimeout(resolve, 2));
    silent.abort();
    bench.join('w2');
    assert.equal(await bench.coordinator.ended, 'finished');
    assert.deepEqual(scores(bench.store), [0, 1, 2, 3, 4]);
    assert.equal(bench.store.tasks()[0]?.attempt, 2);
    assert.ok(bench.store.transitions('raw/all/0-10').some(({ cause }) => cause === 'lease ended'));
    await bench.close();
  });

  it('stops with everything handed back, and a later coordinator goes on from the checkpoints without repeating what is done', async () => {
    const store = newStore();
    const first = open(store);
    const slow: LaunchTask = (spec, artifacts, reports) => {
      if (spec.task.trial === 'raw') return briefTask(spec, artifacts, reports);
      setTimeout(() => reports.onCheckpoint(hash(8), 4), 1);
      return { interrupt: () => setImmediate(() => reports.onEnd('stopped')), kill: () => {} };
    };
    const worker = first.join('w1', slow);
    while (store.tasks()[1]?.checkpoint === undefined) await new Promise((resolve) => setTimeout(resolve, 2));
    first.coordinator.stop();
    assert.equal(await first.coordinator.ended, 'stopped');
    assert.equal((await worker.ended).code, 0);
    await first.close();
    assert.deepEqual(scores(store), [0, undefined, undefined, undefined, undefined]);

    const second = open(store);
    const resumed: (string | undefined)[] = [];
    second.join('w1', (spec, artifacts, reports) => {
      resumed.push(spec.resumeFrom);
      return briefTask(spec, artifacts, reports);
    });
    assert.equal(await second.coordinator.ended, 'finished');
    assert.deepEqual(resumed, [hash(8), undefined, undefined, undefined]);
    assert.deepEqual(scores(store), [0, 1, 2, 3, 4]);
    await second.close();
  });

  it('fails a diverged trial with its reason and goes on with the rest', async () => {
    const bench = open(newStore());
    bench.join('w1', (spec, artifacts, reports) => {
      if (spec.task.trial !== 'trial-0002') return briefTask(spec, artifacts, reports);
      setImmediate(() => reports.onEnd({ failure: { code: 'TRAIN_DIVERGED', message: 'loss is NaN', retryable: false } }));
      return { interrupt: () => {}, kill: () => {} };
    });
    assert.equal(await bench.coordinator.ended, 'finished');
    assert.deepEqual(scores(bench.store), [0, 1, undefined, 3, 4]);
    assert.equal(bench.store.tasks()[2]?.error?.message, 'loss is NaN');
    await bench.close();
  });

  it('deletes superseded checkpoints, but never one that a result still names', async () => {
    const bench = open(newStore());
    bench.join('w1');
    await bench.coordinator.ended;
    await new Promise((resolve) => setImmediate(resolve));
    const kept = new Set(bench.store.tasks().map(({ result }) => result?.checkpoint));
    assert.ok(bench.deleted.length > 0);
    assert.ok(bench.deleted.every((name) => !kept.has(name)));
    await bench.close();
  });

  it('ends with the store’s error, sending nothing, when a commit fails', async () => {
    const store = newStore();
    const bench = open({
      ...store,
      commit: () => {
        throw new Error('the disk is on fire');
      },
    });
    bench.join('w1');
    await assert.rejects(bench.coordinator.ended, /the disk is on fire/);
    assert.ok(store.tasks().every(({ status }) => status === 'pending'));
    await bench.close();
  });

  it('refuses a worker of another protocol version', async () => {
    const loopback = createLoopback();
    const store = newStore();
    startCoordinator({
      study: 's',
      store,
      transport: loopback.coordinator,
      artifacts: {} as ArtifactStore,
      artifactsAt: '/',
      specOf: () => assert.fail(),
      policy: defaultPolicy,
      heartbeatMs: 10,
      graceMs: 0,
      retryFailed: false,
      clock: { now: () => 0 },
      log: silentLog,
    });
    const worker = loopback.connect();
    const answer = new Promise((resolve) => worker.listen(resolve));
    worker.send({ type: 'hello', protocol: 99, version: '9', name: 'w', pid: 1, engine: 'e', device: 'd', threads: 1 });
    assert.deepEqual(await answer, {
      type: 'refuse',
      code: 'WIRE_VERSION',
      reason: 'this coordinator speaks protocol 1, the worker (noisefold 9) speaks 99',
    });
  });
});
