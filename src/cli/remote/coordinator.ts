/** `noisefold coordinator`: a service that holds many studies, for workers and clients of other machines. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import type { Log } from '../../base/ports.ts';
import { startCoordinator } from '../../coordinator/coordinator.ts';
import { serveHttp } from '../../coordinator/http.ts';
import { createMetrics } from '../../coordinator/metrics.ts';
import { summaryOf } from '../../report/summary.ts';
import { defaultPolicy } from '../../scheduler/types.ts';
import { takeLock } from '../../store/database.ts';
import { createBlobServer } from '../../wire/blobs/server.ts';
import { addKey, coordinatorSecurity, hasKeys, initKeys } from '../../wire/keys.ts';
import { isLoopback, type CoordinatorSecurity } from '../../wire/security.ts';
import { bindCoordinator } from '../../wire/zmq.ts';
import { openArtifacts } from '../artifacts.ts';
import { byteSize } from '../byte-size.ts';
import { atLeastOne, realClock, terminalLog, type CommonArguments } from '../context.ts';
import { folderStores, realTimers } from '../coordinator-parts.ts';
import { fileLog } from '../log.ts';
import { hostAndPort } from '../http-address.ts';
import { outputRefusal } from '../output-folder.ts';
import { shown } from '../study-folder.ts';
import { version } from '../version.ts';
import { defaultAddress } from './connection.ts';

interface CoordinatorArguments extends CommonArguments {
  data: string;
  listen: string;
  keys: string | undefined;
  insecure: boolean;
  http: string | undefined;
  lease: number;
  artifacts: string | undefined;
  s3Endpoint: string | undefined;
  cacheSize: number;
}

/** Workers are heard this often, and more often where leases are short. */
const heartbeatMs = 1_000;
const heartbeatsPerLease = 5;
/** How many leases workers have to come back after a restart before their tasks are given to others. */
const leasesOfGrace = 3;

export const coordinatorCommand: CommandModule<CommonArguments, CoordinatorArguments> = {
  command: 'coordinator',
  describe: 'Serve studies to workers and clients, on this machine or others',
  builder: (yargs) =>
    yargs
      .option('data', { type: 'string', demandOption: true, describe: 'The folder for studies, artifacts, keys and the log' })
      .option('artifacts', {
        type: 'string',
        describe: 's3://bucket/prefix for artifacts (default: the folder artifacts in --data)',
      })
      .option('s3-endpoint', {
        type: 'string',
        describe: 'http(s)://host:port of an S3-compatible store (default: AWS_ENDPOINT_URL, or Amazon’s)',
      })
      .option('cache-size', {
        type: 'string',
        default: '10GiB',
        coerce: byteSize,
        describe: 'How much of what is on S3 may be in --data, too',
      })
      .option('listen', {
        type: 'string',
        default: defaultAddress,
        describe: 'tcp://host:port; tcp://0.0.0.0:7777 is every interface, and needs keys',
      })
      .option('keys', { type: 'string', describe: 'The folder of keys (default: keys in --data; made when it is needed)' })
      .option('insecure', {
        type: 'boolean',
        default: false,
        describe: 'Serve other machines without keys: whoever reaches the port may command the studies',
      })
      .option('lease', {
        type: 'number',
        default: defaultPolicy.leaseMs / 1000,
        coerce: atLeastOne('--lease'),
        describe: 'Seconds that a worker may be silent before its task is given to another',
      })
      .option('http', { type: 'string', describe: 'host:port of /metrics, /healthz and /readyz (default: none)' })
      .example('$0 coordinator --data /srv/noisefold', 'For this machine: workers and submit find it without options')
      .example(
        '$0 coordinator --data /srv/noisefold --listen tcp://0.0.0.0:7777',
        'For others too: makes keys at the first start, and says where they are',
      )
      .example(
        '$0 coordinator --data /srv/noisefold --artifacts s3://bucket/noisefold',
        'Data and checkpoints in a bucket',
      ) as never,
  handler: (args) => serve(args),
};

async function serve(args: CoordinatorArguments): Promise<void> {
  const say = terminalLog(args);
  const http = args.http === undefined ? undefined : hostAndPort(args.http);
  const leaseMs = args.lease * 1000;
  const folder = resolve(args.data);
  makeFolder(folder);
  const lock = takeLock(join(folder, 'coordinator.lock'), 'another coordinator serves this folder');
  const log = fileLog(join(folder, 'log.jsonl'), { process: 'coordinator' });
  const note = (message: string, fields: Record<string, unknown> = {}): void => {
    say.log('info', message);
    log.log('info', message, fields);
  };
  // Whatever is open when something fails would keep the process alive.
  const opened: (() => unknown)[] = [() => lock.close(), () => log.close()];
  try {
    const security = securityOf(args, folder, say);
    const store = await openArtifacts({
      ...{ folder, url: args.artifacts, endpoint: args.s3Endpoint, cacheBytes: args.cacheSize },
    });
    opened.push(() => store.close());
    const transport = await bindCoordinator({ address: args.listen, security, log });
    opened.push(() => transport.close());
    const metrics = createMetrics(() => performance.now());
    const coordinator = startCoordinator({
      transport,
      stores: folderStores(join(folder, 'studies')),
      artifacts: store.artifacts,
      artifactsAt: store.at,
      identity: store.identity,
      blobs: createBlobServer,
      policy: { ...defaultPolicy, leaseMs, whenDone: 'wait' },
      heartbeatMs: Math.min(heartbeatMs, leaseMs / heartbeatsPerLease),
      graceMs: leasesOfGrace * leaseMs,
      garbage: { everyMs: 600_000, graceMs: 3_600_000 },
      clock: realClock,
      timers: realTimers,
      log,
      metrics,
      summaryOf,
      version,
      onDiskFull: (full) =>
        say.log('warn', full ? 'the disk is full: waiting until there is space (nothing is lost)' : 'there is space again'),
    });
    opened.push(() => coordinator.close());
    if (http !== undefined) {
      const server = await serveHttp({
        ...http,
        metrics,
        // Not a full disk: workers and clients must still find it.
        unready: () => undefined,
      });
      opened.push(() => server.close());
      note(`metrics and health at ${server.address}`);
    }
    const { size } = coordinator.state().studies;
    for (const [name, error] of coordinator.broken()) say.log('error', `study ${name}: ${error.format()}`);
    note(
      `noisefold ${version} listens at ${transport.address} (${size === 1 ? '1 study' : `${size} studies`} in ${shown(folder)})`,
    );
    const signal = await signalled();
    note(`${signal}: the coordinator leaves; workers go on and find the next one`);
  } finally {
    for (const close of opened.reverse()) await close();
  }
}

const signalled = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
  });

/** The keys that are there; made for an address beyond this machine. */
function securityOf({ listen, keys, insecure }: CoordinatorArguments, folder: string, say: Log): CoordinatorSecurity {
  const at = keys ?? join(folder, 'keys');
  if (insecure) {
    if (!isLoopback(listen)) say.log('warn', `${listen} is neither encrypted nor authenticated (--insecure)`);
    return { kind: 'none', insecure };
  }
  if (!hasKeys(at)) {
    if (keys === undefined && isLoopback(listen)) return { kind: 'none' };
    initKeys(at);
    const files = ['worker', 'client'].map((name) => addKey(at, name));
    say.log(
      'info',
      `made keys in ${shown(at)}: hand ${files.map(shown).join(' to workers, and ')} to whoever submits (--key FILE)`,
    );
  }
  return coordinatorSecurity(at);
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw outputRefusal(folder, cause) ?? cause;
  }
}
