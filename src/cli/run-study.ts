/** Runs an open study to its end or to a stop: coordinator, local workers, display and signals, put together. */
import type { Log } from '../base/ports.ts';
import { NoisefoldError } from '../base/errors.ts';
import type { SweepConfig } from '../config/types.ts';
import type { Prepared } from '../dataset/prepare.ts';
import { startCoordinator } from '../coordinator/coordinator.ts';
import { summaryOf } from '../report/summary.ts';
import { viewOf } from '../report/view.ts';
import { isFinal } from '../scheduler/transitions.ts';
import { defaultPolicy, type State, type StudyState, type TaskState } from '../scheduler/types.ts';
import { createBlobServer } from '../wire/blobs/server.ts';
import { bindCoordinator } from '../wire/zmq.ts';
import { realClock } from './context.ts';
import { identityIn, oneStore, realTimers } from './coordinator-parts.ts';
import type { Display } from './display.ts';
import { startLocalWorkers } from './local-workers.ts';
import { shown, type OpenStudy, type StudyPaths } from './study-folder.ts';
import { version } from './version.ts';

export interface RunStudyOptions {
  readonly config: SweepConfig;
  readonly prepared: Prepared;
  readonly study: OpenStudy;
  readonly paths: StudyPaths;
  readonly workers: { readonly count: number; readonly threads: number };
  readonly display: Display;
  readonly log: Log;
  /** Called for every task that is done or failed, as it happens. */
  readonly onEnd: (task: TaskState) => void;
}

export interface EndedStudy {
  readonly state: StudyState;
  /** Somebody stopped it, even if nothing was left to do by then. */
  readonly interrupted: boolean;
}

const heartbeatMs = 500;
const redrawMs = 250;

/**
 * Resolves with the study's last state. Throws WORKER_LOST when no worker stays alive, STORE_FAILED when the state cannot be kept. A full disk
 * pauses it until there is space.
 */
export async function runStudy(options: RunStudyOptions): Promise<EndedStudy> {
  const { config, prepared, study, paths, display, log } = options;
  const { data } = prepared;
  const name = config.study;
  const startedMs = realClock.now();
  const transport = await bindCoordinator({ address: 'tcp://127.0.0.1:0' });
  log.log('info', 'the coordinator listens', { address: transport.address });

  const coordinator = startCoordinator({
    stores: oneStore(name, study.store),
    transport,
    artifacts: study.artifacts,
    artifactsAt: paths.artifacts,
    identity: identityIn(paths.artifacts),
    blobs: createBlobServer,
    policy: defaultPolicy,
    heartbeatMs,
    // The workers of an earlier run ended with it.
    graceMs: 0,
    clock: realClock,
    timers: realTimers,
    log,
    summaryOf,
    version,
    // A view of thousands of trials takes its time: between ends of trials, the timer draws.
    onTurn(state, effects) {
      const ended = effects.flatMap((effect) => (effect.type === 'persist' && isFinal(effect.task.status) ? [effect.task] : []));
      for (const task of ended) options.onEnd(task);
      if (ended.length > 0) redraw(state);
    },
    onDiskFull(full) {
      display.note(full ? 'the disk is full: waiting until there is space (finished work is kept)' : 'there is space again');
    },
  });
  const studyIn = (state: State): StudyState => {
    const found = state.studies.get(name);
    if (found === undefined) throw coordinator.broken().get(name) ?? new NoisefoldError('INTERNAL', `there is no study ${name}`);
    return found;
  };
  if (studyIn(coordinator.state()).status !== 'cancelled') coordinator.retry(name);
  if (studyIn(coordinator.state()).status === 'finished') {
    await coordinator.close();
    await transport.close();
    return { state: studyIn(coordinator.state()), interrupted: false };
  }

  const metric = data.task === 'binary' ? 'auc' : 'rmse';
  function redraw(state: State): void {
    const { workers: known, phase } = state;
    const shownStudy = state.studies.get(name);
    if (shownStudy === undefined) return;
    const nowMs = realClock.now();
    display.update(viewOf({ plan: study.plan, study: shownStudy, workers: known.values(), phase, metric, nowMs, startedMs }));
  }

  let failure: NoisefoldError | undefined;
  const workers = startLocalWorkers({
    ...options.workers,
    connect: transport.address,
    engine: config.workers.engine,
    device: config.workers.device,
    logFile: paths.log,
    log,
    onLost: (name) => coordinator.lost(name),
    onExhausted() {
      failure = new NoisefoldError('WORKER_LOST', 'every worker process ended again and again', {
        where: shown(paths.log),
        hint: 'The log tells their last words. What is finished is kept: the same command goes on from there.',
      });
      coordinator.stop();
    },
  });
  const redraws = setInterval(() => redraw(coordinator.state()), redrawMs);

  let interrupts = 0;
  const interrupt = (): void => {
    if (++interrupts > 1) {
      workers.kill();
      display.close();
      process.stderr.write('stopped at once; the last checkpoints are kept\n');
      process.exit(75);
    }
    display.note('stopping: running trials write their checkpoints (Ctrl-C again stops at once)');
    workers.retire();
    coordinator.stop();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    await coordinator.ended(name);
    await workers.close();
    if (failure !== undefined) throw failure;
    return { state: studyIn(coordinator.state()), interrupted: coordinator.state().phase !== 'running' };
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    clearInterval(redraws);
    workers.kill();
    await workers.close();
    await coordinator.close();
    await transport.close();
  }
}
