/**
 * A coordinator, workers and a client, as processes of a simulated world, and the supervisors that start them again. The code is the real one: the composition
 * here stands for src/cli.
 */
import { sha256 } from '../../src/base/hash.ts';
import { startCoordinator } from '../../src/coordinator/coordinator.ts';
import type { Coordinator } from '../../src/coordinator/types.ts';
import { defaultPolicy, type Effect, type State } from '../../src/scheduler/types.ts';
import { createBlobClient } from '../../src/wire/blobs/client.ts';
import { createBlobServer } from '../../src/wire/blobs/server.ts';
import { protocolVersion, type ClientAnswer, type ClientRequest } from '../../src/wire/messages.ts';
import type { Blobs } from '../../src/worker/blobs.ts';
import { startWorker, type Worker } from '../../src/worker/worker.ts';
import type { Disk } from './disk.ts';
import type { Network } from './network.ts';
import type { SimulatedStudy } from './studies.ts';
import { simulatedLauncher, type TaskFaults } from './tasks.ts';
import { localBlobs } from './local-blobs.ts';
import type { Process, Random, World } from './world.ts';

export const policy = {
  ...defaultPolicy,
  leaseMs: 5_000,
  maxLosses: 2,
  backoffMs: 500,
  maxBackoffMs: 8_000,
  stallMs: 12_000,
  whenDone: 'wait' as const,
};
const heartbeatMs = 1_000;

export interface SimulatedWorker {
  readonly name: string;
  readonly faults: TaskFaults;
  /** Whether it sees the coordinator's artifact folder, or has its blobs sent. */
  readonly shares: boolean;
  process: Process;
  running: Worker | undefined;
}

export interface Cluster {
  readonly workers: readonly SimulatedWorker[];
  coordinator(): Coordinator | undefined;
  coordinatorProcess(): Process | undefined;
  /** Of the machine's clock against the world's. */
  clockOffset: number;
  /** SIGTERM. */
  stopCoordinator(): void;
  stopWorker(worker: SimulatedWorker): void;
  /** Asks until there is an answer that is no error. */
  ask(body: ClientRequest): void;
  submit(study: SimulatedStudy): void;
}

export interface ClusterOptions {
  readonly world: World;
  readonly random: Random;
  readonly network: Network;
  readonly disk: Disk;
  readonly workers: number;
  readonly onTurn: (state: State, effects: readonly Effect[]) => void;
  readonly onStart: (state: State) => void;
  /** The coordinator noticed a defect of its own. */
  readonly onDefect: (what: string) => void;
}

export function createCluster(options: ClusterOptions): Cluster {
  const { world, random, network, disk } = options;
  let coordinator: Coordinator | undefined;
  let coordinatorProcess: Process | undefined;

  // ---- The coordinator

  function startOne(): void {
    const process = world.spawn('coordinator');
    coordinatorProcess = process;
    // A process counts on from the time that it started at, whatever is done to the machine's clock.
    const offset = 1e9 + cluster.clockOffset;
    world.say('coordinator starts');
    // What is synced stays; a blob that was arriving may have lost its end.
    disk.tear(random);
    process.onDeath.push(() => {
      coordinator = undefined;
      world.after(random.whole(200, 4_000), undefined, startOne);
    });
    const started = startCoordinator({
      transport: network.coordinator(process),
      stores: disk.stores(process),
      artifacts: disk.artifacts(process),
      artifactsAt: 'shared',
      identity: 'simulated',
      blobs: ({ artifacts, send }) => createBlobServer({ artifacts, send, now: world.now }),
      policy,
      heartbeatMs,
      graceMs: policy.leaseMs,
      garbage: { everyMs: 3_000, graceMs: 20_000 },
      clock: { now: () => offset + world.now() },
      timers: {
        every: (ms, callback) => world.every(ms, process, callback),
        endOfTurn: (callback) => void world.after(0, process, callback),
      },
      log: {
        log(level, message, fields) {
          if (level === 'warn' || level === 'error') world.say('   log', level, message, fields);
          if (fields?.['code'] === 'INTERNAL') options.onDefect(`${message}: ${JSON.stringify(fields)}`);
        },
      },
      summaryOf: () => {
        throw new Error('unused');
      },
      version: '0',
      onTurn: (state, effects) => process.alive && options.onTurn(state, effects),
    });
    if (!process.alive) return;
    coordinator = started;
    options.onStart(started.state());
    const { stopped } = started;
    void stopped.then(() => world.kill(process, 'stopped'));
  }

  // ---- Workers

  const workers = Array.from({ length: options.workers }, (_, i): SimulatedWorker => {
    const faults: TaskFaults = { crash: 0, hang: 0, sick: false, slowness: 1 };
    return { name: `w${i + 1}`, faults, shares: i % 2 === 0, process: world.spawn(`w${i + 1}`), running: undefined };
  });

  function startWorkerProcess(worker: SimulatedWorker): void {
    const process = (worker.process = world.spawn(worker.name));
    world.say(worker.name, 'starts');
    const again = (): void => {
      worker.running = undefined;
      // One who runs on the coordinator's machine is known to be gone before its lease says so; the news may come after its successor.
      if (worker.shares && random.chance(0.5)) world.after(random.whole(0, 500), undefined, () => coordinator?.lost(worker.name));
      world.after(random.whole(200, 3_000), undefined, () => startWorkerProcess(worker));
    };
    process.onDeath.push(again);
    const transport = network.connect(process);
    const client = createBlobClient({
      send: (message) => transport.send(message),
      every: (ms, callback) => world.every(ms, process, callback),
    });
    const local = localBlobs(client);
    const shared: Blobs = {
      prepare: () => Promise.resolve({ path: 'shared', upload: () => Promise.resolve(), close: () => Promise.resolve() }),
    };
    const running = startWorker({
      transport,
      introduction: {
        version: '0',
        name: worker.name,
        pid: 1,
        capabilities: { engine: 'simulated', device: 'cpu', threads: 1, memory: 0 },
      },
      launcher: simulatedLauncher({
        ...{ world, random, process, faults: worker.faults },
        folder: (path, own) => (path === 'shared' ? disk.artifacts(own) : local.folder(path)),
      }),
      blobsOf: () => Promise.resolve(worker.shares ? shared : local.blobs),
      onBlobAnswer: (answer) => client.hear(answer),
      timers: {
        every: (ms, callback) => world.every(ms, process, callback),
        after: (ms, callback) => world.after(ms, process, callback),
      },
      clock: { now: () => 1e9 + world.now() },
      log: { log: (level, message, fields) => world.say('   log', worker.name, level, message, fields) },
    });
    worker.running = running;
    void running.ended.then(({ code }) => world.kill(process, `left with exit code ${code}`));
  }

  // ---- The client

  const client = world.spawn('client');
  const transport = network.connect(client);
  const blobs = createBlobClient({
    send: (message) => transport.send(message),
    every: (ms, callback) => world.every(ms, client, callback),
  });
  const replies = new Map<number, (answer: ClientAnswer) => void>();
  let requests = 0;
  transport.listen((message) => {
    if (message.type === 'reply') replies.get(message.request)?.(message.body);
    else blobs.hear(message);
  });

  function ask(body: ClientRequest, onError: () => void = () => {}): void {
    const request = ++requests;
    const send = (): void => transport.send({ type: 'request', request, protocol: protocolVersion, body });
    const stop = world.every(2_500, client, send);
    replies.set(request, (answer) => {
      if (answer.type === 'error') {
        if (answer.code === 'STUDY_UNKNOWN') stop();
        onError();
        return;
      }
      stop();
      replies.delete(request);
    });
    send();
  }

  function submit(study: SimulatedStudy): void {
    // A blob that is lost before the submission arrives is sent again.
    const put = async (): Promise<void> => {
      for (const bytes of study.blobs)
        for (let done = false; !done;) {
          done = await blobs.put(sha256(bytes), bytes).then(
            () => true,
            () => false,
          );
          if (!done) await world.sleep(1_000, client);
        }
    };
    let putting = false;
    const again = (): void => {
      if (putting) return;
      putting = true;
      void put().then(() => (putting = false));
    };
    void put().then(() => ask(study.submission, again));
  }

  const cluster: Cluster = {
    workers,
    coordinator: () => coordinator,
    coordinatorProcess: () => coordinatorProcess,
    clockOffset: 0,
    stopCoordinator: () => coordinator?.stop(),
    stopWorker: (worker) => worker.running?.stop(),
    ask: (body) => ask(body),
    submit,
  };
  startOne();
  for (const worker of workers) world.after(random.whole(0, 2_000), undefined, () => startWorkerProcess(worker));
  return cluster;
}
