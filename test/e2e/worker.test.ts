/** Real workers at a real coordinator that others started: blobs over the wire, signals, keys, devices. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { silentLog } from '../../src/base/ports.ts';
import { loadStudyInputs, realClock, type StudyInputs } from '../../src/cli/context.ts';
import { identityIn, oneStore, realTimers } from '../../src/cli/coordinator-parts.ts';
import { openStudy, studyPaths } from '../../src/cli/study-folder.ts';
import { startCoordinator } from '../../src/coordinator/coordinator.ts';
import type { Coordinator } from '../../src/coordinator/types.ts';
import { summaryOf } from '../../src/report/summary.ts';
import { defaultPolicy, type Policy, type TaskState } from '../../src/scheduler/types.ts';
import type { TaskResult } from '../../src/train/types.ts';
import { createBlobServer } from '../../src/wire/blobs/server.ts';
import { addKey, coordinatorSecurity, initKeys } from '../../src/wire/keys.ts';
import type { CoordinatorSecurity } from '../../src/wire/security.ts';
import { bindCoordinator } from '../../src/wire/zmq.ts';
import { childrenOf, hasProc, run, type Run, smallSweep, start, temporaryFolder, until, writeDiamonds } from './harness.ts';

const folder = temporaryFolder();
const short: readonly string[] = [];
/** One trial, long enough to be met in the middle. */
const long = ['search.trials=1', 'training.epochs=240', 'training.checkpointEveryEpochs=24'];

before(() => {
  writeDiamonds(folder);
  writeFileSync(join(folder, 'small.yaml'), smallSweep);
});

interface Service {
  readonly name: string;
  readonly address: string;
  readonly coordinator: Coordinator;
  readonly tasks: () => readonly TaskState[];
  readonly resultOf: (task: string) => TaskResult | undefined;
  readonly has: (hash: string) => Promise<boolean>;
}

interface ServiceOptions {
  readonly settings?: readonly string[];
  /** Workers are told of a folder that is not there. */
  readonly outOfSight?: boolean;
  readonly policy?: Partial<Policy>;
  readonly security?: CoordinatorSecurity;
}

const services: (() => Promise<void>)[] = [];
after(async () => {
  for (const close of services) await close();
});

/** A coordinator in this process, over a study that nothing has run of yet. */
async function serve(
  name: string,
  { settings = short, outOfSight = false, policy = {}, security }: ServiceOptions,
): Promise<Service> {
  const inputs: StudyInputs = await loadStudyInputs(join(folder, 'small.yaml'), silentLog, [`study=${name}`, ...settings]);
  const paths = studyPaths(join(folder, 'runs'), name);
  const study = await openStudy(paths, inputs.config, inputs.prepared, realClock.now());
  const transport = await bindCoordinator({ address: 'tcp://127.0.0.1:0', ...(security === undefined ? {} : { security }) });
  const coordinator = startCoordinator({
    stores: oneStore(name, study.store),
    transport,
    artifacts: study.artifacts,
    artifactsAt: outOfSight ? join(folder, 'out-of-sight') : paths.artifacts,
    identity: identityIn(paths.artifacts),
    blobs: createBlobServer,
    policy: { ...defaultPolicy, ...policy },
    heartbeatMs: 200,
    graceMs: 0,
    clock: realClock,
    timers: realTimers,
    log: silentLog,
    summaryOf,
    version: '0',
  });
  services.push(async () => {
    await coordinator.close();
    await transport.close();
    study.store.close();
  });
  return {
    name,
    address: transport.address,
    coordinator,
    tasks: () => [...(coordinator.state().studies.get(name)?.tasks.values() ?? [])],
    resultOf: (task) => study.store.result(task),
    has: (hash) => study.artifacts.has(hash),
  };
}

const cacheOf = (service: Service): string => join(folder, 'cache', service.name);

const worker = (service: Service, ...args: readonly string[]): Run =>
  start(folder, 'worker', '--connect', service.address, '--cache', cacheOf(service), ...args);

/** A task that trains, and has a checkpoint that is not its last. */
const training = (running: Run, { tasks }: Service): Promise<TaskState> =>
  until(running, 'a checkpoint in the middle', () =>
    tasks().find(({ status, checkpoint, task }) => status === 'running' && (checkpoint?.step ?? task.toStep) < task.toStep),
  );

const results = ({ tasks, resultOf }: Service): unknown[] =>
  tasks().map(({ task, status, checkpoint }) => [task.id, status, checkpoint?.hash, resultOf(task.id)?.score.folds]);

describe('workers of a coordinator', { concurrency: 2 }, () => {
  it('come to the same results whether they see its artifacts or have them streamed, one or one a device', async () => {
    const [near, far] = await Promise.all([serve('near', {}), serve('far', { outOfSight: true })]);
    const [one, two] = [worker(near, '--name', 'near'), worker(far, '--devices', 'cpu:2')];
    assert.deepEqual([await one.ended, await two.ended], [0, 0], `${one.stderr()}\n${two.stderr()}`);
    assert.ok(far.tasks().every(({ status }) => status === 'done'));
    assert.deepEqual(results(far), results(near));
    for (const { checkpoint } of far.tasks())
      if (checkpoint !== undefined) assert.ok(await far.has(checkpoint.hash), 'what is done is in the store');
    for (const slot of [1, 2]) assert.match(two.stderr(), new RegExp(`task done .*"worker":"${hostname()}/cpu-${slot}"`));
    assert.match(two.stderr(), /task started .*"study":"far".*"task":"[^"]+".*"attempt":1/);
    assert.deepEqual(readdirSync(join(cacheOf(far), 'tasks')), [], 'no folder of a task is left');
  });

  it('that are stopped mid-training checkpoint, hand back and end with 75; nothing counts as a failure', async () => {
    for (const signal of ['SIGTERM', 'SIGUSR1'] as const) {
      const service = await serve(`stopped-${signal.toLowerCase()}`, { settings: long, outOfSight: true });
      const running = worker(service);
      const { task, checkpoint } = await training(running, service);
      running.child.kill(signal);
      assert.equal(await running.ended, 75, running.stderr());
      const left = service.tasks().find((state) => state.task.id === task.id);
      assert.ok(left !== undefined);
      assert.deepEqual([left.status, left.failures, left.losses], ['pending', 0, 0]);
      assert.ok(
        (left.checkpoint?.step ?? 0) > (checkpoint?.step ?? 0),
        'the last checkpoint is newer than the one before the signal',
      );
      assert.ok(await service.has(left.checkpoint?.hash ?? ''));
    }
  });

  it('go on with a task whose process is killed from its last checkpoint', { skip: !hasProc }, async () => {
    const service = await serve('child-killed', { settings: long, outOfSight: true });
    const running = worker(service);
    const { task } = await training(running, service);
    for (const child of childrenOf(running.pid)) process.kill(child, 'SIGKILL');
    const failed = await until(running, 'the failure', () =>
      service.tasks().find((state) => state.task.id === task.id && state.failures === 1),
    );
    assert.equal(failed.error?.code, 'TASK_CRASHED');
    assert.match(failed.error.message, /by SIGKILL/);
    assert.equal(await running.ended, 0, running.stderr());
    const done = service.tasks().find((state) => state.task.id === task.id);
    assert.deepEqual([done?.status, done?.attempt], ['done', 2]);
  });

  it('that were stopped for longer than their lease give up the old attempt and go on', { skip: !hasProc }, async () => {
    const service = await serve('suspended', { settings: long, policy: { leaseMs: 1_500 } });
    const running = worker(service);
    const { task } = await training(running, service);
    running.child.kill('SIGSTOP');
    await until(running, 'the end of the lease', () =>
      service.tasks().every(({ status }) => status !== 'running' && status !== 'leased'),
    );
    running.child.kill('SIGCONT');
    assert.equal(await running.ended, 0, running.stderr());
    assert.ok(service.tasks().every(({ status }) => status === 'done'));
    assert.ok((service.tasks().find((state) => state.task.id === task.id)?.attempt ?? 0) >= 1);
  });

  it('leave with 0 when they were given nothing for so long', async () => {
    const service = await serve('idle', { policy: { whenDone: 'wait' } });
    const running = worker(service, '--idle-exit', '2');
    assert.equal(await running.ended, 0, running.stderr());
    assert.ok(service.tasks().every(({ status }) => status === 'done'));
  });

  it('whose setup no coordinator will have end with 78 and say what to do', async () => {
    const [keys, others] = [join(folder, 'keys'), join(folder, 'other-keys')];
    for (const at of [keys, others]) initKeys(at);
    const [good, bad] = [addKey(keys, 'worker'), addKey(others, 'worker')];
    const service = await serve('locked', { security: coordinatorSecurity(keys) });
    const ends = async (said: RegExp, ...args: readonly string[]): Promise<void> => {
      const running = worker(service, ...args);
      assert.equal(await running.ended, 78, running.stderr());
      assert.match(running.stderr(), said);
    };
    await ends(/^WIRE_KEY tcp:.*another key.*\n {2}Use the key file .*--key FILE/m, '--key', bad);
    await ends(/^WIRE_INSECURE tcp:.*encrypted.*\n {2}.*--key FILE/m);
    await ends(/^WIRE_KEY .*nowhere\.json/m, '--key', 'nowhere.json');
    await ends(/^ENGINE_UNAVAILABLE --devices: there is no GPU/m, '--key', good, '--devices', 'GPU-gone');
    assert.ok(!existsSync(join(folder, 'nowhere.json')));
    const welcome = worker(service, '--key', good);
    assert.equal(await welcome.ended, 0, welcome.stderr());
  });

  it('beyond this machine need a key, or to be told that they need none', async () => {
    const refused = await run(78, folder, 'worker', '--connect', 'tcp://192.0.2.1:7777');
    assert.match(refused.stderr(), /^WIRE_INSECURE: .*\n {2}.*--insecure/m);
  });
});
