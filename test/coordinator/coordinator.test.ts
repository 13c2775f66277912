import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Store } from '../../src/store/store.ts';
import type { TaskProgress } from '../../src/train/types.ts';
import { protocolVersion } from '../../src/wire/messages.ts';
import { briefTask, checkpointBytes, checkpointHash, open, planOf, rowOf, scores, storeOf, until, type Run } from './bench.ts';

const oneStudy = (): Map<string, Store> => new Map([['s', storeOf('s')]]);
const all = [0, 1, 2, 3, 4];
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));

describe('a coordinator with workers', () => {
  it('runs a plan to its end, once each, and sends everyone home', async () => {
    const bench = open({ stores: oneStudy() });
    const workers = [bench.join('w1'), bench.join('w2')];
    assert.equal(await bench.coordinator.ended('s'), 'finished');
    const ends = await Promise.all(workers.map((worker) => worker.ended));
    assert.deepEqual(
      ends.map(({ code }) => code),
      [0, 0],
    );
    const store = bench.stores.get('s');
    assert.deepEqual(scores(store), all);
    assert.ok(store?.tasks().every(({ attempt }) => attempt === 1));
    assert.equal(store?.study()?.status, 'finished');
    await bench.close();
  });

  it('runs many studies with the same workers, and tells them apart', async () => {
    const stores = new Map(['one', 'two', 'three'].map((name) => [name, storeOf(name)] as const));
    const bench = open({ stores });
    bench.join('w1');
    bench.join('w2');
    for (const name of stores.keys()) assert.equal(await bench.coordinator.ended(name), 'finished');
    for (const store of stores.values()) assert.deepEqual(scores(store), all);
    await bench.close();
  });

  it('ends with the same results when messages are lost, doubled and late', async () => {
    let count = 0;
    // A fixed pattern of faults that meets every kind of message: of each seven, one lost, one doubled, one late.
    const deliveries = (): readonly number[] => [[0], [], [0], [0, 3], [0], [25], [0]][count++ % 7] ?? [0];
    const bench = open({ stores: oneStudy(), faults: { deliveries }, policy: { leaseMs: 60 } });
    bench.join('w1');
    bench.join('w2');
    assert.equal(await bench.coordinator.ended('s'), 'finished');
    assert.deepEqual(scores(bench.stores.get('s')), all);
    await bench.close();
  });

  it('gives the task of a silent worker to another', async () => {
    const bench = open({ stores: oneStudy(), policy: { leaseMs: 60 } });
    const store = bench.stores.get('s');
    const silent = bench.join('silent', () => ({ interrupt: () => {}, kill: () => {} }));
    await until(() => store?.tasks()[0]?.status === 'running', 'a running task');
    silent.abort();
    bench.join('w2');
    assert.equal(await bench.coordinator.ended('s'), 'finished');
    assert.deepEqual(scores(store), all);
    assert.equal(store?.tasks()[0]?.attempt, 2);
    const lost = store.transitions('raw/all/0-10').find(({ cause }) => cause === 'lease ended');
    assert.equal(lost?.worker, 'silent', 'the story names who lost it');
    await bench.close();
  });

  it('stops with everything handed back, and a later coordinator goes on from the checkpoints without repeating what is done', async () => {
    const stores = oneStudy();
    const first = open({ stores });
    const slow: Run = (spec, folder, reports) => {
      if (spec.task.trial === 'raw') return briefTask(first.artifacts)(spec, folder, reports);
      void first.artifacts.put(checkpointBytes(spec.task.trial, 4)).then((hash) => reports.onCheckpoint(hash, 4));
      return { interrupt: () => setImmediate(() => reports.onEnd('stopped')), kill: () => {} };
    };
    const worker = first.join('w1', slow);
    await until(() => stores.get('s')?.tasks()[1]?.checkpoint !== undefined, 'a checkpoint');
    first.coordinator.stop();
    assert.equal(await first.coordinator.ended('s'), 'stopped');
    await first.coordinator.stopped;
    await worker.ended;
    await first.close();
    assert.deepEqual(scores(stores.get('s')), [0, undefined, undefined, undefined, undefined]);

    const second = open({ stores, artifacts: first.artifacts });
    const resumed: (string | undefined)[] = [];
    second.join('w1', (spec, folder, reports) => {
      resumed.push(spec.resumeFrom);
      return briefTask(second.artifacts)(spec, folder, reports);
    });
    assert.equal(await second.coordinator.ended('s'), 'finished');
    assert.deepEqual(resumed, [checkpointHash('trial-0001', 4), undefined, undefined, undefined]);
    assert.deepEqual(scores(stores.get('s')), all);
    await second.close();
  });

  it('hears the heartbeats that came while it stood still before it ends a lease', async () => {
    let nowMs = 0;
    const timers: (() => void)[] = [];
    const every = (_ms: number, callback: () => void): (() => void) => {
      timers.push(callback);
      return () => {};
    };
    const tick = async (): Promise<void> => {
      for (const callback of timers) callback();
      await settled();
    };
    const bench = open({ stores: oneStudy(), policy: { leaseMs: 1_000 }, now: () => nowMs, every });
    bench.join('w', () => ({ interrupt: () => {}, kill: () => {} }));
    const held = () => [...(bench.coordinator.state().studies.get('s')?.tasks.held() ?? [])][0];
    await until(() => held()?.status === 'running', 'a running task');
    nowMs = 60_000;
    await tick();
    await until(() => (held()?.leaseUntil ?? 0) > nowMs, 'a heartbeat');
    await tick();
    assert.equal(held()?.status, 'running');
    const story = bench.stores.get('s')?.transitions() ?? [];
    assert.ok(!story.some(({ cause }) => cause === 'lease ended'));
    await bench.close();
  });

  it('lets a worker go on that lived through its restart', async () => {
    const stores = oneStudy();
    const first = open({ stores });
    const hello = (to: ReturnType<typeof first.peer>): void =>
      to.send({
        ...{ type: 'hello', protocol: protocolVersion, version: '0', name: 'w', pid: 1, running: undefined },
        capabilities: { engine: 'fake', device: 'cpu', threads: 1, memory: 0 },
      });
    const before = first.peer();
    hello(before);
    await until(() => before.heard.some(({ type }) => type === 'assign'), 'a task');
    await first.close();

    const second = open({ stores, graceMs: 5_000 });
    const after = second.peer();
    const lease = { study: 's', task: 'raw/all/0-10', attempt: 1 };
    const progress: TaskProgress = {
      ...{ phase: 'training', step: 1, toStep: 10, epoch: 0, epochs: 1, loss: 1, rowsPerSecond: 1 },
      secondsLeft: undefined,
    };
    const beat = (): void => after.send({ type: 'heartbeat', running: { ...lease, progress } });
    beat();
    await until(() => after.heard.some(({ type }) => type === 'introduce'), 'the question who it is');
    hello(after);
    beat();
    const task = () => second.coordinator.state().studies.get('s')?.tasks.get(lease.task);
    await until(() => task()?.status === 'running', 'its task is its own again');
    assert.equal(task()?.attempt, 1);
    assert.ok(!after.heard.some(({ type }) => type === 'assign' || type === 'cancel'));
    await second.close();
  });

  it('runs what a finished study was given beyond its tasks, whether or not its status was written', async () => {
    const store = memoryStore();
    store.create({ ...rowOf('s'), status: 'finished' }, planOf());
    const bench = open({ stores: new Map([['s', store]]) });
    bench.join('w1');
    assert.equal(await bench.coordinator.ended('s'), 'finished');
    assert.deepEqual(scores(store), all);
    await bench.close();
  });

  it('fails a diverged trial with its reason and goes on with the rest', async () => {
    const bench = open({ stores: oneStudy() });
    bench.join('w1', (spec, folder, reports) => {
      if (spec.task.trial !== 'trial-0002') return briefTask(bench.artifacts)(spec, folder, reports);
      setImmediate(() => reports.onEnd({ failure: { code: 'TRAIN_DIVERGED', message: 'loss is NaN', retryable: false } }));
      return { interrupt: () => {}, kill: () => {} };
    });
    assert.equal(await bench.coordinator.ended('s'), 'finished');
    assert.deepEqual(scores(bench.stores.get('s')), [0, 1, undefined, 3, 4]);
    assert.equal(bench.stores.get('s')?.tasks()[2]?.error?.message, 'loss is NaN');
    await bench.close();
  });

  it('refuses peers of another protocol version, workers and clients alike', async () => {
    const bench = open({ stores: oneStudy() });
    const old = bench.peer();
    old.send({
      ...{ type: 'hello', protocol: 99, version: '9', name: 'w', pid: 1, running: undefined },
      capabilities: { engine: 'e', device: 'd', threads: 1, memory: 0 },
    });
    old.send({ type: 'request', request: 7, protocol: 99, body: { type: 'list' } });
    await until(() => old.heard.length === 2, 'two answers');
    const [refused, reply] = old.heard;
    assert.ok(refused?.type === 'refuse' && refused.code === 'WIRE_VERSION');
    assert.ok(reply?.type === 'reply' && reply.body.type === 'error' && reply.body.code === 'WIRE_VERSION');
    await bench.close();
  });
});

describe('what a coordinator sends', () => {
  it('is sent after the rows are durable, and a turn takes one transaction a study', async () => {
    const events: string[] = [];
    let commits = 0;
    const store = storeOf('s');
    const stores = new Map<string, Store>([
      [
        's',
        {
          ...store,
          commit(changes) {
            commits++;
            store.commit(changes);
            for (const { transition } of changes.tasks) events.push(`row ${transition.task} ${transition.to}`);
          },
        },
      ],
    ]);
    const deliveries = ({ to, message }: { to: string; message: { type: string } }): readonly number[] => {
      if (to === 'peer' && message.type === 'assign') events.push('assign');
      return [0];
    };
    const bench = open({ stores, faults: { deliveries } });
    for (let i = 0; i < 5; i++)
      bench.peer().send({
        ...{ type: 'hello', protocol: protocolVersion, version: '0', name: `w${i}`, pid: 1, running: undefined },
        capabilities: { engine: 'fake', device: 'cpu', threads: 1, memory: 0 },
      });
    await until(() => events.filter((event) => event === 'assign').length === 5, 'five tasks sent');
    assert.equal(commits, 1, 'five workers said hello in one turn');
    assert.ok(events.slice(0, 5).every((event) => event.endsWith(' leased')));
    await bench.close();
  });

  it('is nothing where a commit fails, and the study stops with the store’s error while others go on', async () => {
    const bad = storeOf('bad');
    const stores = new Map<string, Store>([
      ['bad', { ...bad, commit: () => assert.fail('the disk is on fire') }],
      ['good', storeOf('good')],
    ]);
    const bench = open({ stores });
    const failed = bench.coordinator.ended('bad');
    bench.join('w1');
    await assert.rejects(failed, /the disk is on fire/);
    assert.ok(bad.tasks().every(({ status }) => status === 'pending'));
    assert.equal(await bench.coordinator.ended('good'), 'finished');
    assert.deepEqual(scores(stores.get('good')), all);
    const answer = await bench.ask({ type: 'status', study: 'bad' });
    assert.ok(answer.type === 'error' && /on fire/.test(answer.message));
    assert.equal(await bench.coordinator.collectGarbage(), 0, 'what a broken study points at cannot be known');
    await bench.close();
  });
});

describe('a full disk', () => {
  it('pauses everything, loses nothing, and what it held up goes on when there is space', async () => {
    let full = false;
    const store = storeOf('s');
    const stores = new Map<string, Store>([
      [
        's',
        {
          ...store,
          commit(changes) {
            if (full) throw new NoisefoldError('DISK_FULL', 'no space left', { where: 'study.db' });
            store.commit(changes);
          },
        },
      ],
    ]);
    const turns: boolean[] = [];
    const bench = open({ stores, policy: { leaseMs: 1_000 }, onDiskFull: (is) => void turns.push(is) });
    bench.join('w1');
    bench.join('w2');
    await until(() => store.tasks().some(({ status }) => status === 'done'), 'a result');
    full = true;
    await until(() => bench.coordinator.diskFull(), 'a full disk');
    const before = store.tasks();
    // Longer than leases last: the workers are alive, and nobody takes their tasks away.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    assert.deepEqual(store.tasks(), before);
    const listed = await bench.ask({ type: 'list' });
    assert.match((listed.type === 'studies' && listed.studies[0]?.trouble) || '', /disk is full/);
    const refused = await bench.ask({ type: 'pause', study: 's' });
    assert.ok(refused.type === 'error' && refused.code === 'DISK_FULL');
    full = false;
    assert.equal(await bench.coordinator.ended('s'), 'finished');
    assert.deepEqual(scores(store), all);
    assert.ok(
      store.tasks().every(({ attempt }) => attempt === 1),
      'no attempt was lost',
    );
    assert.deepEqual(turns, [true, false]);
    assert.equal(bench.lines.filter(({ message }) => message.startsWith('the disk is full')).length, 1);
    await bench.close();
  });

  it('does not keep one from stopping', async () => {
    const store = storeOf('s');
    const stores = new Map<string, Store>([
      [
        's',
        {
          ...store,
          commit: () => {
            throw new NoisefoldError('DISK_FULL', 'no space left');
          },
        },
      ],
    ]);
    const bench = open({ stores });
    bench.join('w1');
    await until(() => bench.coordinator.diskFull(), 'a full disk');
    bench.coordinator.stop();
    assert.equal(await bench.coordinator.ended('s'), 'stopped');
    await bench.close();
  });
});

describe('checkpoints', () => {
  it('are deleted when they are superseded, but never one that a result names', async () => {
    const bench = open({ stores: oneStudy() });
    bench.join('w1');
    await bench.coordinator.ended('s');
    await settled();
    const kept =
      bench.stores
        .get('s')
        ?.tasks()
        .flatMap(({ status, checkpoint }) => (status === 'done' && checkpoint !== undefined ? [checkpoint.hash] : [])) ?? [];
    assert.deepEqual(await bench.artifacts.list(), [...kept].sort());
    await bench.close();
  });

  it('count when their blob is there; a result whose checkpoint is not is handed back, nobody’s failure', async () => {
    const bench = open({ stores: oneStudy(), policy: { leaseMs: 5_000 } });
    const worker = bench.peer();
    worker.send({
      ...{ type: 'hello', protocol: protocolVersion, version: '0', name: 'w', pid: 1, running: undefined },
      capabilities: { engine: 'fake', device: 'cpu', threads: 1, memory: 0 },
    });
    await until(() => worker.heard.some(({ type }) => type === 'assign'), 'a task');
    const lease = { study: 's', task: 'raw/all/0-10', attempt: 1 };
    const hash = checkpointHash('raw', 5);
    const task = () => bench.coordinator.state().studies.get('s')?.tasks.get(lease.task);
    worker.send({ ...lease, type: 'checkpointed', hash, step: 5 });
    worker.send({ ...lease, type: 'done', result: { ...resultWith(hash) } });
    await until(() => worker.heard.some(({ type }) => type === 'acknowledge'), 'an acknowledgement');
    assert.equal(task()?.checkpoint, undefined);
    assert.equal(task()?.failures, 0);
    worker.send({ type: 'heartbeat', running: undefined });
    await until(() => task()?.attempt === 2, 'another attempt');
    await bench.artifacts.put(checkpointBytes('raw', 5));
    worker.send({ ...lease, attempt: 2, type: 'checkpointed', hash, step: 5 });
    worker.send({ ...lease, attempt: 2, type: 'done', result: { ...resultWith(hash) } });
    await until(() => task()?.status === 'done', 'a result');
    const story = bench.stores.get('s')?.transitions(lease.task) ?? [];
    assert.deepEqual(
      story.map(({ cause }) => cause),
      ['leased', 'handed back', 'leased', 'checkpoint at step 5', 'done'],
      'in the order in which they were said',
    );
    await bench.close();
  });

  for (const how of ['flip', 'truncate'] as const)
    it(`that a disk has spoilt (${how}) are put aside for the one before, or for the beginning; the end is the same`, async () => {
      for (const spoilt of [[5], [3, 5]]) {
        const bench = open({ stores: oneStudy() });
        const resumed: (string | undefined)[] = [];
        let runs = 0;
        bench.join('w1', (spec, folder, reports) => {
          const { trial } = spec.task;
          if (trial !== 'trial-0001') return briefTask(bench.artifacts)(spec, folder, reports);
          resumed.push(spec.resumeFrom);
          if (++runs > 1) return briefTask(bench.artifacts)(spec, folder, reports);
          void (async () => {
            for (const step of [3, 5]) {
              reports.onCheckpoint(await bench.artifacts.put(checkpointBytes(trial, step)), step);
              await until(() => bench.stores.get('s')?.tasks()[1]?.checkpoint?.step === step, 'the row');
            }
            for (const step of spoilt) bench.artifacts.damage(checkpointHash(trial, step), how);
            reports.onEnd({ failure: { code: 'TASK_CRASHED', message: 'x', retryable: true } });
          })();
          return { interrupt: () => {}, kill: () => {} };
        });
        assert.equal(await bench.coordinator.ended('s'), 'finished');
        assert.deepEqual(resumed, [undefined, spoilt.length === 1 ? checkpointHash('trial-0001', 3) : undefined]);
        assert.deepEqual(scores(bench.stores.get('s')), all);
        assert.ok(
          bench.lines.some(({ message, level }) => level === 'warn' && message.startsWith('a checkpoint cannot be used')),
        );
        await bench.close();
      }
    });

  it('of trials that are not among the best are let go where the study says so', async () => {
    const stores = new Map([['s', storeOf('s', 'checkpoints: { keep: { best: 2 } }')]]);
    const bench = open({ stores });
    bench.join('w1');
    await bench.coordinator.ended('s');
    await settled();
    assert.equal(await bench.coordinator.collectGarbage(), 2);
    const best = ['trial-0001', 'trial-0002'].map((trial) => checkpointHash(trial, 10));
    assert.deepEqual(await bench.artifacts.list(), best.sort());
    await bench.close();
  });
});

const resultWith = (checkpoint: string) => ({
  score: { alphas: [1], folds: [{ fold: 0, rows: 1, metrics: [{ rmse: 0, mae: 1, r2: 0 }] }], best: 0, features: 1 },
  ...{ checkpoint, history: [], corruption: [], seconds: 0.01, parameters: 1, engine: 'fake' },
});
