/** `noisefold worker`: one process that owns one device and runs a coordinator's tasks, or with --devices one such process for each of them. */
import { homedir, hostname, totalmem, availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandModule } from 'yargs';
import { fileArtifacts } from '../artifacts/files.ts';
import { errorCodes, NoisefoldError, type ErrorCode } from '../base/errors.ts';
import { type DeviceName, deviceNames, engineNames, type EngineName } from '../config/types.ts';
import { serveHttp, type HttpServer } from '../coordinator/http.ts';
import { seesFolder, sharedBlobs } from '../worker/blobs.ts';
import { cachedBlobs } from '../worker/cache.ts';
import {
  chosenDevices,
  deviceEnvironment,
  deviceName,
  deviceOf,
  sliceMemory,
  visibleGpus,
  type Device,
} from '../worker/devices.ts';
import { gpuMemory, listGpus, memoryGate, nvidiaSmi } from '../worker/nvidia-smi.ts';
import type { SessionEnd } from '../worker/session-types.ts';
import { processLauncher } from '../worker/task-launcher.ts';
import { startWorker, type Worker } from '../worker/worker.ts';
import { createBlobClient } from '../wire/blobs/client.ts';
import { connectPeer } from '../wire/zmq.ts';
import { byteSize } from './byte-size.ts';
import { atLeastOne, realClock, requirePair } from './context.ts';
import { superviseDevices } from './device-workers.ts';
import { directChannel } from './direct-channel.ts';
import { hostAndPort } from './http-address.ts';
import { peerSecurity } from './keys.ts';
import { fileLog, stderrLog } from './log.ts';
import { defaultAddress } from './remote/connection.ts';
import { version } from './version.ts';

interface WorkerArguments {
  connect: string;
  key: string | undefined;
  insecure: boolean;
  devices: string | undefined;
  /** The device that a supervisor gave this process. */
  slot: string | undefined;
  name: string | undefined;
  engine: EngineName;
  device: DeviceName;
  threads: number;
  cache: string;
  cacheSize: number;
  s3Endpoint: string | undefined;
  idleExit: number | undefined;
  log: string | undefined;
  http: string | undefined;
}

/** How long nobody has to answer before that is said. */
const unansweredMs = 3_000;

/** The default of --device. */
const autoDevice: DeviceName = 'auto';

export const workerCommand: CommandModule<object, WorkerArguments> = {
  command: 'worker',
  describe: 'Run the tasks of a coordinator on this machine',
  builder: (yargs) =>
    yargs
      .option('connect', {
        type: 'string',
        default: process.env['NOISEFOLD_CONNECT'] ?? defaultAddress,
        defaultDescription: `NOISEFOLD_CONNECT, or ${defaultAddress}`,
        describe: 'Where the coordinator listens',
      })
      .option('key', {
        type: 'string',
        default: process.env['NOISEFOLD_KEY'] || undefined,
        defaultDescription: 'NOISEFOLD_KEY',
        describe: 'The key file by which the coordinator knows this worker (see noisefold keys)',
      })
      .option('insecure', { type: 'boolean', default: false, describe: 'Connect to another machine without a key, unencrypted' })
      .option('devices', {
        type: 'string',
        describe: 'One worker a device: all, gpu, cpu, cpu:4, or UUIDs of nvidia-smi -L with commas (default: one worker)',
      })
      .option('slot', { type: 'string', hidden: true })
      .option('name', {
        type: 'string',
        describe:
          'What the worker is called in displays and logs; with --devices the first part of it (default: the host’s name)',
      })
      .option('engine', { choices: engineNames, default: 'auto', describe: 'What runs the training steps' })
      .option('device', { choices: deviceNames, default: autoDevice, describe: 'Where the engine computes' })
      .option('threads', { type: 'number', coerce: atLeastOne('--threads'), default: 1, describe: 'Engine threads a worker' })
      .option('cache', {
        type: 'string',
        default: join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'noisefold'),
        defaultDescription: '~/.cache/noisefold',
        describe: 'The folder for data and checkpoints, where the coordinator’s own is out of sight',
      })
      .option('cache-size', {
        type: 'string',
        default: '10GiB',
        coerce: byteSize,
        describe: 'How much the cache may hold; what was used longest ago goes first',
      })
      .option('s3-endpoint', {
        type: 'string',
        describe: 'Where this machine reaches the coordinator’s artifacts on S3, if elsewhere than the coordinator does',
      })
      .option('idle-exit', { type: 'number', describe: 'Leave after so many seconds without a task (default: stay)' })
      .option('log', { type: 'string', describe: 'Append log lines (JSON) to this file instead of standard error' })
      .option('http', { type: 'string', describe: 'host:port of /healthz and /readyz (default: none)' })
      .example(
        '$0 worker --connect tcp://host:7777 --key worker.json --devices all',
        'A worker for every GPU of this machine',
      ) as never,
  handler: (args) => endingWith78(runWorkers(args)),
};

async function runWorkers(args: WorkerArguments): Promise<void> {
  requirePair(args);
  await (args.devices === undefined ? runWorker(args) : runDevices(args, args.devices));
}

/** Starts a worker for each device, and ends when they have. */
async function runDevices(args: WorkerArguments, list: string): Promise<void> {
  const { gpus, trouble } = await listGpus(nvidiaSmi);
  const cpuSlots = Math.max(1, Math.floor(availableParallelism() / args.threads));
  const visible = visibleGpus(gpus, process.env['CUDA_VISIBLE_DEVICES']);
  const devices = chosenDevices(list, { gpus: visible, trouble, cpuSlots });
  // Checked here, once, and not by every worker again.
  peerSecurity(args.key, args.insecure);
  const log = openLog(args, args.name ?? hostname());
  log.log('info', 'one worker a device', { devices: devices.map(deviceName) });
  let running = (): number => 0;
  const server = await serveHealth(args.http, () => {
    const count = running();
    return count === devices.length ? undefined : `${count} of ${devices.length} workers run`;
  });
  const options = ['connect', 'engine', 'device', 'threads', 'cache', 'key', 'log'] as const;
  const given = options.flatMap((option) => (args[option] === undefined ? [] : [`--${option}`, String(args[option])]));
  const code = await superviseDevices({
    devices,
    host: args.name ?? hostname(),
    args: [
      ...given,
      '--cache-size',
      String(args.cacheSize),
      ...(args.s3Endpoint === undefined ? [] : ['--s3-endpoint', args.s3Endpoint]),
      ...(args.insecure ? ['--insecure'] : []),
      ...(args.idleExit === undefined ? [] : ['--idle-exit', String(args.idleExit)]),
    ],
    log,
    watch: (count) => (running = count),
  });
  await server?.close();
  await log.close();
  process.exit(code);
}

async function runWorker(args: WorkerArguments): Promise<void> {
  const { device, memory } = await ownDevice(args.slot);
  const name = args.name ?? `${hostname()}/${process.pid}`;
  const joined = { yet: false };
  const server = await serveHealth(args.http, () =>
    joined.yet ? undefined : `no coordinator has welcomed it at ${args.connect}`,
  );
  const security = peerSecurity(args.key, args.insecure);
  const log = openLog(args, name);
  const transport = connectPeer({ address: args.connect, security, log });
  const blobs = createBlobClient({ send: (message) => transport.send(message) });
  const gate = args.slot === undefined ? undefined : memoryGate({ smi: nvidiaSmi, device, wait: (ms) => sleep(ms), log });
  const worker = startWorker({
    transport,
    introduction: {
      version,
      name,
      pid: process.pid,
      capabilities: { engine: args.engine, device: shownDevice(device), threads: args.threads, memory },
    },
    idleExitMs: args.idleExit === undefined ? undefined : args.idleExit * 1000,
    launcher: processLauncher({
      engine: args.engine,
      device: args.device,
      threads: args.threads,
      environment: args.slot === undefined ? {} : deviceEnvironment(device),
      ...(gate === undefined ? {} : { released: () => gate.released() }),
    }),
    blobsOf: async ({ artifacts, coordinator }) => {
      joined.yet = true;
      if (await seesFolder(artifacts, coordinator)) return sharedBlobs(artifacts);
      const direct = await directChannel({ artifacts, coordinator, endpoint: args.s3Endpoint, wire: blobs, log });
      const how = direct === undefined ? 'over the wire' : 'from the object store';
      log.log('info', `the coordinator’s artifacts are out of sight: they come ${how}`, { cache: args.cache });
      return cachedBlobs({
        folder: args.cache,
        limit: args.cacheSize,
        openStore: fileArtifacts,
        channel: direct ?? blobs,
        clock: realClock,
        log,
      });
    },
    onBlobAnswer: (answer) => blobs.hear(answer),
    ...(gate === undefined ? {} : { ready: gate.ready() }),
    timers: {
      every: (ms, callback) => {
        const timer = setInterval(callback, ms);
        return () => clearInterval(timer);
      },
      after: (ms, callback) => {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    },
    clock: realClock,
    log,
  });
  heedSignals(worker);
  const search = setTimeout(() => {
    if (!joined.yet) log.log('warn', `no coordinator has answered at ${args.connect} yet: it is tried on`);
  }, unansweredMs);
  const { code, refusal } = await worker.ended;
  clearTimeout(search);
  if (!joined.yet && refusal === undefined)
    log.log('warn', `left without a coordinator: none answered at ${args.connect}`, { code });
  await server?.close();
  blobs.close();
  await log.close();
  if (refusal !== undefined) throw refused(args.connect, refusal);
  process.exit(code);
}

/** For whoever places this process; nothing without --http. Throws USAGE, WIRE_ADDRESS. */
async function serveHealth(address: string | undefined, unready: () => string | undefined): Promise<HttpServer | undefined> {
  return address === undefined ? undefined : serveHttp({ ...hostAndPort(address), unready });
}

function heedSignals(worker: Worker): void {
  if (process.send === undefined) {
    let interrupted = false;
    process.on('SIGINT', () => {
      if (interrupted) worker.abort();
      interrupted = true;
      worker.stop();
    });
  } else {
    // Started by a sweep or a supervisor: Ctrl-C reaches the whole process group, and the parent says what it means. Without the parent there is nothing to do.
    process.on('SIGINT', () => {});
    process.on('disconnect', () => worker.abort());
    // It may have died while this process started, before anyone listened.
    if (!process.connected) worker.abort();
  }
  // Slurm warns by SIGUSR1; everybody else by SIGTERM.
  process.on('SIGTERM', () => worker.stop());
  process.on('SIGUSR1', () => worker.stop());
}

/** The device that a supervisor gave this process; else the GPU that its environment gave it, or the CPU. */
async function ownDevice(id: string | undefined): Promise<{ readonly device: Device; readonly memory: number }> {
  const visible = process.env['CUDA_VISIBLE_DEVICES'];
  const needsGpus = id === undefined ? (visible ?? '') !== '' : !id.startsWith('cpu-');
  const gpus = needsGpus ? visibleGpus((await listGpus(nvidiaSmi)).gpus, visible) : [];
  const device = id === undefined ? (gpus[0] ?? { kind: 'cpu', slot: 1 }) : deviceOf(id, gpus);
  if (device === undefined)
    throw new NoisefoldError('ENGINE_UNAVAILABLE', `the device ${id ?? ''} is not there any more`, { where: '--slot' });
  const memory = device.kind === 'cpu' ? totalmem() : sliceMemory(device) || ((await gpuMemory(nvidiaSmi, device))?.total ?? 0);
  return { device, memory };
}

const shownDevice = (device: Device): string => (device.kind === 'cpu' ? 'cpu' : `${device.name} (${device.uuid})`);

const openLog = (args: WorkerArguments, worker: string) =>
  args.log === undefined ? stderrLog({ worker }) : fileLog(args.log, { worker });

/** What to do about it, by code. */
const refusalHints: Partial<Record<ErrorCode, string>> = {
  WIRE_KEY: 'Use the key file that `noisefold keys add` made at this coordinator: --key FILE, or NOISEFOLD_KEY.',
  WIRE_INSECURE: 'Both sides have keys, or neither: --key FILE here, or a coordinator that was started --insecure.',
  WIRE_VERSION: 'Install the same version of noisefold here as at the coordinator.',
};

function refused(address: string, { code, reason }: NonNullable<SessionEnd['refusal']>): NoisefoldError {
  const known = code in errorCodes ? (code as ErrorCode) : undefined;
  const hint = known === undefined ? undefined : refusalHints[known];
  if (known === undefined || hint === undefined)
    return new NoisefoldError('WORKER_REFUSED', `${code}: ${reason}`, { where: address });
  return new NoisefoldError(known, reason, { where: address, hint });
}

/** A worker that was set up wrongly ends with 78 whatever is wrong, so that who started it does not try again. */
async function endingWith78(running: Promise<void>): Promise<void> {
  try {
    await running;
  } catch (thrown) {
    if (!(thrown instanceof NoisefoldError) || thrown.exit !== 2) throw thrown;
    process.stderr.write(`${thrown.format()}\n`);
    process.exit(78);
  }
}
