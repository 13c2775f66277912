/** `noisefold worker`: one process that owns one device and runs a coordinator's tasks. */
import { hostname } from 'node:os';
import type { CommandModule } from 'yargs';
import { NoisefoldError } from '../base/errors.ts';
import { type DeviceName, deviceNames, engineNames, type EngineName } from '../config/types.ts';
import { exitCodes } from '../worker/session.ts';
import { taskLauncher } from '../worker/task-launcher.ts';
import { startWorker } from '../worker/worker.ts';
import { connectWorker } from '../wire/zmq.ts';
import { atLeastOne } from './context.ts';
import { fileLog, stderrLog } from './log.ts';
import { version } from './version.ts';

interface WorkerArguments {
  connect: string;
  name: string | undefined;
  engine: EngineName | undefined;
  device: DeviceName;
  threads: number;
  log: string | undefined;
}

/** The default of --device. */
const autoDevice: DeviceName = 'auto';

export const workerCommand: CommandModule<object, WorkerArguments> = {
  command: 'worker',
  describe: 'Run the tasks of a coordinator on this machine',
  builder: (yargs) =>
    yargs
      .option('connect', {
        type: 'string',
        demandOption: true,
        describe: 'Where the coordinator listens, such as tcp://127.0.0.1:7777',
      })
      .option('name', {
        type: 'string',
        describe: 'What the worker is called in displays and logs (default: host name and process id)',
      })
      .option('engine', { choices: engineNames, describe: 'What runs the training steps (default: auto)' })
      .option('device', {
        choices: deviceNames,
        default: autoDevice,
        describe: 'Where the onnx engine computes',
      })
      .option('threads', { type: 'number', coerce: atLeastOne('--threads'), default: 1, describe: 'Engine threads' })
      .option('log', { type: 'string', describe: 'Append log lines (JSON) to this file instead of standard error' }),
  handler: async (args) => {
    requireLoopback(args.connect);
    const engine = args.engine ?? 'auto';
    const name = args.name ?? `${hostname()}-${process.pid}`;
    const log = args.log === undefined ? stderrLog() : fileLog(args.log, { worker: name });
    const worker = startWorker({
      transport: connectWorker({ address: args.connect }),
      introduction: { version, name, pid: process.pid, engine, device: args.device, threads: args.threads },
      launch: taskLauncher({ engine, device: args.device, threads: args.threads }),
      every: (ms, callback) => {
        const timer = setInterval(callback, ms);
        return () => clearInterval(timer);
      },
      log,
    });
    if (process.send === undefined) {
      let interrupted = false;
      process.on('SIGINT', () => {
        if (interrupted) worker.abort();
        interrupted = true;
        worker.stop();
      });
    } else {
      // Started by a sweep: Ctrl-C reaches the whole process group, and the sweep says what it means. Without the sweep there is nothing to do.
      process.on('SIGINT', () => {});
      process.on('disconnect', () => worker.abort());
      // It may have died while this process started, before anyone listened.
      if (!process.connected) worker.abort();
    }
    process.on('SIGTERM', () => worker.stop());
    const { code, reason } = await worker.ended;
    await log.close();
    if (code === exitCodes.refused) throw new NoisefoldError('WORKER_REFUSED', reason ?? 'the coordinator gave no reason');
    process.exit(code);
  },
};

/** Nothing is encrypted yet, so nothing leaves the machine. */
function requireLoopback(address: string): void {
  if (/^tcp:\/\/(127\.\d+\.\d+\.\d+|localhost|\[::1\]):\d+$/.test(address)) return;
  throw new NoisefoldError('USAGE', `${address} is not a loopback address`, {
    where: '--connect',
    hint: 'Workers connect to coordinators on the same machine only, such as tcp://127.0.0.1:7777: connections are not encrypted yet.',
  });
}
