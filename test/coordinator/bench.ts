/** A coordinator on loopback with stores in memory, and real workers on fake tasks. */
import assert from 'node:assert/strict';
import { afterEach } from 'node:test';
import { memoryArtifacts, type MemoryArtifacts } from '../../src/artifacts/memory.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { sha256 } from '../../src/base/hash.ts';
import { canonicalJson } from '../../src/base/json.ts';
import type { Log } from '../../src/base/ports.ts';
import { configHash, parseSweep } from '../../src/config/parse.ts';
import type { SweepConfig, TrialConfig } from '../../src/config/types.ts';
import { startCoordinator } from '../../src/coordinator/coordinator.ts';
import type { Metrics } from '../../src/coordinator/metrics.ts';
import type { Coordinator, CoordinatorOptions, StudyStores } from '../../src/coordinator/types.ts';
import type { Plan } from '../../src/plan/types.ts';
import { violations } from '../../src/scheduler/invariants.ts';
import { defaultPolicy, type Policy } from '../../src/scheduler/types.ts';
import { summaryOf } from '../../src/report/summary.ts';
import { memoryStore } from '../../src/store/memory.ts';
import type { Store, StudyRow } from '../../src/store/store.ts';
import type { TaskResult } from '../../src/train/types.ts';
import { createBlobServer } from '../../src/wire/blobs/server.ts';
import { createLoopback, type LoopbackOptions } from '../../src/wire/loopback.ts';
import { protocolVersion, type ClientAnswer, type ClientRequest, type FromCoordinator } from '../../src/wire/messages.ts';
import { sharedBlobs } from '../../src/worker/blobs.ts';
import { startWorker, type Launcher, type Worker } from '../../src/worker/worker.ts';

const trialConfig: TrialConfig = {
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

export const names = ['raw', 'trial-0001', 'trial-0002', 'trial-0003', 'trial-0004'];
export const planOf = (trials: readonly string[] = names): Plan => ({
  trials: trials.map((id) => ({ id, kind: id === 'raw' ? 'raw' : 'trained', parameters: {}, config: trialConfig })),
  tasks: trials.map((id) => ({ id: `${id}/all/0-10`, trial: id, fold: 'all', rung: 0, fromStep: 0, toStep: 10 })),
});

export const configOf = (study: string, more = ''): SweepConfig =>
  parseSweep(`study: ${study}\ndata: { train: t.csv, target: { column: y } }\n${more}`, 'sweep.yaml');

const text = (what: string): Uint8Array => new TextEncoder().encode(what);
export const dataBytes = text('prepared data');
export const tableBytes = text('prepared table');

export const submission = (study: string, plan: Plan = planOf(), more = ''): Extract<ClientRequest, { type: 'submit' }> => {
  const config = configOf(study, more);
  const dataHash = sha256(dataBytes);
  return {
    ...{ type: 'submit', config: canonicalJson(config), configHash: configHash(config), dataHash, table: sha256(tableBytes) },
    ...{ data: [dataHash], plan: canonicalJson(plan), version: '0' },
  };
};

export function rowOf(study: string, more = ''): StudyRow {
  const { config, configHash: hash, dataHash, table, data, version } = submission(study, planOf(), more);
  return { name: study, status: 'running', createdMs: 0, config, configHash: hash, dataHash, table, data, version };
}

export function storeOf(study: string, more = ''): Store {
  const store = memoryStore();
  store.create(rowOf(study, more), planOf());
  return store;
}

/** What a checkpoint of a trial at a step is. */
export const checkpointBytes = (trial: string, step: number): Uint8Array => text(`${trial} at ${step}`);
export const checkpointHash = (trial: string, step: number): string => sha256(checkpointBytes(trial, step));

/** A result that depends on the task only, as a real one does. */
export const resultOf = (trial: string): TaskResult => ({
  score: {
    alphas: [1],
    folds: [{ fold: 0, rows: 1, metrics: [{ rmse: names.indexOf(trial), mae: 1, r2: 0 }] }],
    best: 0,
    features: 1,
  },
  ...(trial === 'raw' ? {} : { checkpoint: checkpointHash(trial, 10) }),
  history: [],
  corruption: [],
  seconds: 0.01,
  parameters: 1,
  engine: 'fake',
});

export type Run = Launcher['run'];

/** A test that fails before it closes its bench would keep the process, and with it the whole run, for ever. */
const opened = new Set<Bench>();
afterEach(async () => {
  for (const bench of opened) await bench.close();
});

export interface Setup {
  readonly stores?: Map<string, Store>;
  readonly faults?: LoopbackOptions;
  readonly policy?: Partial<Policy>;
  readonly graceMs?: number;
  readonly garbage?: CoordinatorOptions['garbage'];
  readonly artifacts?: MemoryArtifacts;
  readonly metrics?: Metrics;
  readonly log?: Log;
  readonly open?: StudyStores['open'];
  readonly onDiskFull?: (full: boolean) => void;
  readonly now?: () => number;
  /** The coordinator's timers. */
  readonly every?: CoordinatorOptions['timers']['every'];
}

export interface Bench {
  readonly coordinator: Coordinator;
  readonly stores: Map<string, Store>;
  readonly artifacts: MemoryArtifacts;
  readonly lines: { readonly level: string; readonly message: string; readonly [field: string]: unknown }[];
  join(name: string, run?: Run): Worker;
  ask(request: ClientRequest): Promise<ClientAnswer>;
  /** A peer that says what it is told to. */
  peer(): { readonly heard: FromCoordinator[]; readonly send: ReturnType<ReturnType<typeof createLoopback>['connect']>['send'] };
  close(): Promise<void>;
}

/** A task that takes some milliseconds, checkpoints once on the way, and hands back when interrupted. */
export const briefTask =
  (artifacts: ArtifactStore): Run =>
  (spec, _folder, reports) => {
    const { trial } = spec.task;
    const task = { over: false };
    const end: typeof reports.onEnd = (how) => {
      if (task.over) return;
      task.over = true;
      setImmediate(() => reports.onEnd(how));
    };
    void (async () => {
      if (trial !== 'raw') {
        const hash = await artifacts.put(checkpointBytes(trial, 5));
        if (!task.over) reports.onCheckpoint(hash, 5);
        await artifacts.put(checkpointBytes(trial, 10));
      }
      setTimeout(() => end({ result: resultOf(trial) }), 6);
    })();
    return { interrupt: () => end('stopped'), kill: () => end('stopped') };
  };

const every = (ms: number, callback: () => void): (() => void) => {
  const timer = setInterval(callback, ms);
  return () => clearInterval(timer);
};

export function open(setup: Setup = {}): Bench {
  const stores = setup.stores ?? new Map<string, Store>();
  const loopback = createLoopback(setup.faults);
  const artifacts = setup.artifacts ?? memoryArtifacts();
  const lines: { level: string; message: string }[] = [];
  const log: Log = { log: (level, message, fields) => void lines.push({ level, message, ...fields }) };
  const coordinator = startCoordinator({
    transport: loopback.coordinator,
    stores: {
      list: () => [...stores.keys()],
      open:
        setup.open ??
        ((study) => {
          const store = stores.get(study) ?? memoryStore();
          stores.set(study, store);
          return store;
        }),
    },
    artifacts,
    artifactsAt: '/nowhere',
    identity: 'test',
    blobs: createBlobServer,
    policy: {
      ...defaultPolicy,
      // Long enough for a busy machine; tests of lost leases shorten it.
      ...{ leaseMs: 60_000, backoffMs: 5, maxLosses: 50, maxFailures: 3, whenDone: 'drain' },
      ...setup.policy,
    },
    heartbeatMs: 10,
    graceMs: setup.graceMs ?? 0,
    garbage: setup.garbage,
    clock: { now: setup.now ?? (() => Date.now()) },
    timers: {
      // A full disk is looked at again after a second; a test does not wait that long.
      every: setup.every ?? ((ms, callback) => every(Math.min(ms, 20), callback)),
      endOfTurn: (callback) => void setImmediate(callback),
    },
    log: setup.log ?? log,
    metrics: setup.metrics,
    summaryOf,
    version: '0',
    onTurn: (state) => assert.deepEqual(violations(state), []),
    onDiskFull: setup.onDiskFull,
  });
  const workers: Worker[] = [];
  let requests = 0;
  const bench: Bench = {
    coordinator,
    stores,
    artifacts,
    lines,
    join(name, run = briefTask(artifacts)) {
      const worker = startWorker({
        transport: loopback.connect(),
        introduction: { version: '0', name, pid: 1, capabilities: { engine: 'fake', device: 'cpu', threads: 1, memory: 0 } },
        launcher: { run, probe: (onEnd) => ({ interrupt: () => {}, kill: () => onEnd(undefined) }) },
        blobsOf: () => Promise.resolve(sharedBlobs('/nowhere')),
        timers: {
          every,
          after(ms, callback) {
            const timer = setTimeout(callback, ms);
            return () => clearTimeout(timer);
          },
        },
        clock: { now: () => Date.now() },
        log: { log: () => {} },
      });
      workers.push(worker);
      return worker;
    },
    ask(body) {
      const transport = loopback.connect();
      const request = ++requests;
      const answered = new Promise<ClientAnswer>((resolve) =>
        transport.listen((message) => {
          if (message.type === 'reply' && message.request === request) resolve(message.body);
        }),
      );
      transport.send({ type: 'request', request, protocol: protocolVersion, body });
      return answered;
    },
    peer() {
      const transport = loopback.connect();
      const heard: FromCoordinator[] = [];
      transport.listen((message) => void heard.push(message));
      return { heard, send: (message) => transport.send(message) };
    },
    async close() {
      if (!opened.delete(bench)) return;
      for (const worker of workers) worker.abort();
      await coordinator.close();
      await loopback.coordinator.close();
    },
  };
  opened.add(bench);
  return bench;
}

export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

export const scores = (store: Store | undefined): (number | undefined)[] =>
  (store?.tasks() ?? []).map(({ task }) => store?.result(task.id)?.score.folds[0]?.metrics[0]?.rmse);
