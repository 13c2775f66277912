import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { canonicalJson } from '../../src/base/json.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { ClientAnswer } from '../../src/wire/messages.ts';
import {
  briefTask,
  dataBytes,
  names,
  open,
  planOf,
  scores,
  storeOf,
  submission,
  tableBytes,
  until,
  type Bench,
} from './bench.ts';

/** A coordinator that keeps its workers, with the blobs that submissions name. */
async function service(): Promise<Bench> {
  const bench = open({ policy: { whenDone: 'wait' } });
  await bench.artifacts.put(dataBytes);
  await bench.artifacts.put(tableBytes);
  return bench;
}

const codeOf = (answer: ClientAnswer): string => (answer.type === 'error' ? answer.code : answer.type);

describe('a submission', () => {
  it('makes a study, which runs; the same again is accepted and changes nothing', async () => {
    const bench = await service();
    assert.deepEqual(await bench.ask(submission('new')), { type: 'accepted', study: 'new', existed: false });
    assert.deepEqual(await bench.ask(submission('new')), { type: 'accepted', study: 'new', existed: true });
    bench.join('w1');
    assert.equal(await bench.coordinator.ended('new'), 'finished');
    assert.deepEqual(await bench.ask(submission('new')), { type: 'accepted', study: 'new', existed: true });
    const store = bench.stores.get('new');
    assert.deepEqual(scores(store), [0, 1, 2, 3, 4]);
    assert.ok(store?.tasks().every(({ attempt }) => attempt === 1));
    await bench.close();
  });

  it('with more trials extends the study, also a finished one, and runs only those', async () => {
    const bench = await service();
    await bench.ask(submission('s', planOf(names.slice(0, 2))));
    bench.join('w1');
    await bench.coordinator.ended('s');
    const answer = await bench.ask(submission('s'));
    assert.deepEqual(answer, { type: 'accepted', study: 's', existed: true });
    assert.equal(await bench.coordinator.ended('s'), 'finished');
    const store = bench.stores.get('s');
    assert.deepEqual(scores(store), [0, 1, 2, 3, 4]);
    assert.ok(store?.tasks().every(({ attempt }) => attempt === 1));
    assert.deepEqual(store?.plan(), planOf());
    // Fewer again: what is there stays.
    assert.deepEqual(await bench.ask(submission('s', planOf(names.slice(0, 2)))), answer);
    assert.equal(store.plan().tasks.length, 5);
    await bench.close();
  });

  it('of another configuration or other data under a name that is taken is refused, and says what differs', async () => {
    const bench = await service();
    await bench.ask(submission('s'));
    const other = await bench.ask(submission('s', planOf(), 'seed: 7'));
    assert.ok(other.type === 'error' && other.code === 'CONFIG_CHANGED' && other.message.includes('seed: 1 -> 7'));
    const data = await bench.ask({ ...submission('s'), dataHash: 'f'.repeat(64) });
    assert.ok(data.type === 'error' && data.code === 'CONFIG_CHANGED' && data.message.includes('other data'));
    assert.equal(bench.stores.get('s')?.plan().tasks.length, 5);
    await bench.close();
  });

  it('goes on with a study of an earlier noisefold, whose configuration lacked keys that came later', async () => {
    const bench = await service();
    await bench.ask(submission('s'));
    const store = bench.stores.get('s') ?? assert.fail();
    const row = store.study() ?? assert.fail();
    const now = JSON.parse(row.config) as { training: { epochs: number } };
    const config = canonicalJson({ ...now, checkpoints: undefined, training: { epochs: now.training.epochs } });
    store.extend({ ...row, config, configHash: 'of an earlier version' }, planOf());
    await bench.close();
    const again = open({ stores: bench.stores, artifacts: bench.artifacts, policy: { whenDone: 'wait' } });
    assert.deepEqual(await again.ask(submission('s')), { type: 'accepted', study: 's', existed: true });
    assert.equal(store.study()?.configHash, submission('s').configHash);
    assert.equal(codeOf(await again.ask(submission('s', planOf(), 'training: { epochs: 3 }'))), 'CONFIG_CHANGED');
    await again.close();
  });

  it('is refused where its blobs were not sent, and where its plan or configuration is none', async () => {
    const bench = await service();
    const right = submission('s');
    const plan = planOf();
    const [trial] = plan.trials;
    const [task] = plan.tasks;
    assert.ok(trial !== undefined && task !== undefined);
    const planned = (changed: object): string => canonicalJson({ ...plan, ...changed });
    for (const [wrong, code] of [
      [{ table: 'e'.repeat(64) }, 'ARTIFACT_NOT_FOUND'],
      [{ data: ['e'.repeat(64)] }, 'ARTIFACT_NOT_FOUND'],
      [{ config: 'study: s' }, 'CONFIG_INVALID'],
      [{ config: canonicalJson({ ...(JSON.parse(right.config) as object), study: '../up' }) }, 'CONFIG_INVALID'],
      [{ configHash: 'e'.repeat(64) }, 'CONFIG_INVALID'],
      [{ plan: '{}' }, 'CONFIG_INVALID'],
      [{ plan: 'no JSON' }, 'CONFIG_INVALID'],
      [{ plan: planned({ tasks: [] }) }, 'CONFIG_INVALID'],
      [{ plan: planned({ tasks: [...plan.tasks, task] }) }, 'CONFIG_INVALID'],
      [{ plan: planned({ tasks: [{ ...task, trial: 'stranger' }] }) }, 'CONFIG_INVALID'],
      [{ plan: planned({ tasks: [{ ...task, fold: 3 }] }) }, 'CONFIG_INVALID'],
      [{ plan: planned({ tasks: [{ ...task, toStep: -1 }] }) }, 'CONFIG_INVALID'],
      [{ plan: planned({ trials: [{ ...trial, id: '../up' }] }) }, 'CONFIG_INVALID'],
      [{ plan: planned({ trials: [{ ...trial, config: {} }] }) }, 'CONFIG_INVALID'],
    ] as const)
      assert.equal(codeOf(await bench.ask({ ...right, ...wrong })), code, JSON.stringify(wrong).slice(0, 80));
    assert.equal(bench.stores.size, 0, 'nothing is left behind');
    assert.deepEqual(await bench.ask({ type: 'list' }), { type: 'studies', studies: [] });
    await bench.close();
  });

  it('outlives a restart that comes right after the answer', async () => {
    const bench = await service();
    await bench.ask(submission('s'));
    await bench.close();
    const again = open({ stores: bench.stores, artifacts: bench.artifacts });
    again.join('w1');
    assert.equal(await again.coordinator.ended('s'), 'finished');
    await again.close();
  });
});

describe('clients', () => {
  it('pause, resume, retry and cancel a study; others go on meanwhile', async () => {
    const bench = await service();
    await bench.ask(submission('s'));
    await bench.ask({ type: 'pause', study: 's' });
    await bench.ask(submission('other'));
    const worker = bench.join('w1');
    assert.equal(await bench.coordinator.ended('other'), 'finished');
    const status = (): string | undefined => bench.stores.get('s')?.study()?.status;
    assert.equal(status(), 'paused');
    assert.ok(
      bench.stores
        .get('s')
        ?.tasks()
        .every(({ attempt }) => attempt === 0),
    );
    assert.deepEqual(await bench.ask({ type: 'resume', study: 's' }), { type: 'accepted', study: 's', existed: true });
    assert.equal(await bench.coordinator.ended('s'), 'finished');
    assert.deepEqual(await bench.ask({ type: 'retry', study: 's' }), { type: 'accepted', study: 's', existed: true });
    worker.abort();
    await bench.ask(submission('third'));
    await bench.ask({ type: 'cancel', study: 'third' });
    assert.equal(await bench.coordinator.ended('third'), 'cancelled');
    for (const request of [
      { type: 'resume', study: 'third' } as const,
      { type: 'retry', study: 'third' } as const,
      submission('third'),
    ]) {
      const answer = await bench.ask(request);
      assert.equal(answer.type === 'error' && answer.code, 'STUDY_CANCELLED', `${request.type} must not pass for done`);
    }
    assert.ok(
      bench.stores
        .get('third')
        ?.tasks()
        .every(({ status: is }) => is === 'dropped'),
    );
    assert.deepEqual(
      bench.stores
        .get('s')
        ?.studyTransitions()
        .map(({ from, status: to }) => `${from} -> ${to}`),
      ['running -> paused', 'paused -> running', 'running -> finished'],
    );
    await bench.close();
  });

  it('pause what runs: it comes back with its checkpoint, and goes on from there', async () => {
    const stores = new Map([['s', storeOf('s')]]);
    const bench = open({ stores });
    const resumed: (string | undefined)[] = [];
    bench.join('w1', (spec, _folder, reports) => {
      resumed.push(spec.resumeFrom);
      return { interrupt: () => setImmediate(() => reports.onEnd('stopped')), kill: () => {} };
    });
    await until(() => stores.get('s')?.tasks()[0]?.status === 'running', 'a running task');
    await bench.ask({ type: 'pause', study: 's' });
    await until(() => stores.get('s')?.study()?.status === 'paused', 'a paused study');
    assert.equal(stores.get('s')?.tasks()[0]?.status, 'pending');
    await bench.ask({ type: 'resume', study: 's' });
    await until(() => resumed.length === 2, 'a second attempt');
    await bench.close();
  });

  it('see the engine that a worker last ran, not that inputs were scored without one', async () => {
    const bench = await service();
    await bench.ask(submission('s'));
    const engines = ['onnx', 'none', 'onnx', 'onnx', 'none'];
    const run = briefTask(bench.artifacts);
    bench.join('w1', (spec, folder, reports) =>
      run(spec, folder, {
        ...reports,
        onEnd: (how) =>
          reports.onEnd(
            typeof how === 'object' && 'result' in how ? { result: { ...how.result, engine: engines.shift() ?? '' } } : how,
          ),
      }),
    );
    await bench.coordinator.ended('s');
    const answer = await bench.ask({ type: 'workers' });
    assert.ok(answer.type === 'workers');
    assert.deepEqual(
      answer.workers.map(({ capabilities }) => capabilities.engine),
      ['onnx'],
    );
    assert.deepEqual(engines, []);
    await bench.close();
  });

  it('see studies, tasks in pages, workers and stories', async () => {
    const bench = await service();
    await bench.ask(submission('s'));
    bench.join('w1');
    await bench.coordinator.ended('s');
    const listed = await bench.ask({ type: 'list' });
    assert.ok(listed.type === 'studies');
    assert.deepEqual(
      listed.studies.map(({ name, status, trouble }) => [name, status, trouble]),
      [['s', 'finished', undefined]],
    );
    const study = await bench.ask({ type: 'status', study: 's' });
    assert.ok(study.type === 'study');
    assert.deepEqual([study.study.tasks.done, study.study.best?.trial, study.study.raw?.score], [5, 'trial-0001', 0]);
    const page = await bench.ask({ type: 'tasks', study: 's', statuses: ['done'], offset: 1, limit: 2 });
    assert.ok(page.type === 'tasks');
    assert.deepEqual([page.total, page.tasks.map(({ trial }) => trial)], [5, ['trial-0001', 'trial-0002']]);
    assert.equal(page.tasks[1]?.score, 2);
    const workers = await bench.ask({ type: 'workers' });
    assert.ok(workers.type === 'workers');
    assert.deepEqual(
      workers.workers.map(({ name, status, capabilities }) => [name, status, capabilities.engine]),
      [['w1', 'idle', 'fake']],
    );
    const story = await bench.ask({ type: 'logs', study: 's', task: 'raw/all/0-10', last: 2 });
    assert.ok(story.type === 'story');
    assert.deepEqual(
      story.lines.map(({ from, to, worker }) => [from, to, worker]),
      [
        ['leased', 'running', 'w1'],
        ['running', 'done', 'w1'],
      ],
    );
    const whole = await bench.ask({ type: 'logs', study: 's', task: undefined, last: 1_000 });
    assert.ok(whole.type === 'story');
    assert.deepEqual(whole.lines.at(-1)?.to, 'finished');
    await bench.close();
  });

  it('fetch a copy of a study’s database as a blob', async () => {
    const bench = await service();
    await bench.ask(submission('s'));
    const answer = await bench.ask({ type: 'snapshot', study: 's' });
    assert.ok(answer.type === 'snapshot');
    const bytes = await bench.artifacts.get(answer.hash);
    assert.equal(bytes.length, answer.bytes);
    assert.deepEqual(memoryStore(bytes).plan(), planOf());
    await bench.close();
  });

  it('are told of studies that are not there', async () => {
    const bench = await service();
    const asked = [
      { type: 'pause', study: 'x' },
      { type: 'status', study: 'x' },
      { type: 'logs', study: 'x', task: undefined, last: 1 },
      { type: 'snapshot', study: 'x' },
    ] as const;
    for (const request of asked) assert.equal(codeOf(await bench.ask(request)), 'STUDY_NOT_FOUND');
    await bench.close();
  });
});
