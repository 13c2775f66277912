/** Runs an open study to its end or to a stop: coordinator, local workers, display and signals, put together. */
import type { Log } from '../base/ports.ts';
import { NoisefoldError } from '../base/errors.ts';
import type { SweepConfig } from '../config/types.ts';
import type { Prepared } from '../dataset/prepare.ts';
import { dataFor } from '../dataset/study-data.ts';
import { startCoordinator } from '../coordinator/coordinator.ts';
import { viewOf } from '../report/view.ts';
import { isFinal } from '../scheduler/transitions.ts';
import { defaultPolicy, type State, type TaskState } from '../scheduler/types.ts';
import type { TaskSpec } from '../train/types.ts';
import { bindCoordinator } from '../wire/zmq.ts';
import { realClock } from './context.ts';
import type { Display } from './display.ts';
import { startLocalWorkers } from './local-workers.ts';
import { shown, type OpenStudy, type StudyPaths } from './study-folder.ts';

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

const heartbeatMs = 500;
const redrawMs = 250;

/** Resolves with the last state. Throws WORKER_LOST when no worker stays alive, STORE_FAILED and DISK_FULL when the state cannot be kept. */
export async function runStudy(options: RunStudyOptions): Promise<State> {
  const { config, prepared, study, paths, display, log } = options;
  const { data } = prepared;
  const startedMs = realClock.now();
  const transport = await bindCoordinator({ address: 'tcp://127.0.0.1:0' });
  log.log('info', 'the coordinator listens', { address: transport.address });
  const trials = new Map(study.plan.trials.map((trial) => [trial.id, trial]));
  const tasks = new Map(study.plan.tasks.map((task) => [task.id, task]));

  const coordinator = startCoordinator({
    study: config.study,
    store: study.store,
    transport,
    artifacts: study.artifacts,
    artifactsAt: paths.artifacts,
    specOf(id): TaskSpec {
      const task = tasks.get(id);
      const trial = task && trials.get(task.trial);
      if (task === undefined || trial === undefined) throw new NoisefoldError('INTERNAL', `task ${id} is not in the plan`);
      const { hash } = dataFor(prepared, task.fold);
      return { task, kind: trial.kind, config: trial.config, seed: config.seed, ridge: config.ridge, data: hash };
    },
    policy: defaultPolicy,
    heartbeatMs,
    // The workers of an earlier run ended with it.
    graceMs: 0,
    retryFailed: true,
    clock: realClock,
    log,
    // A view of thousands of trials takes its time: between ends of trials, the timer draws.
    onChange(state, effects) {
      const ended = effects.flatMap((effect) => (effect.type === 'persist' && isFinal(effect.task.status) ? [effect.task] : []));
      for (const task of ended) options.onEnd(task);
      if (ended.length > 0) redraw(state);
    },
  });
  if (coordinator.state().phase === 'finished') {
    await transport.close();
    return coordinator.state();
  }

  const metric = data.task === 'binary' ? 'auc' : 'rmse';
  function redraw(state: State): void {
    display.update(viewOf({ study: config.study, plan: study.plan, state, metric, nowMs: realClock.now(), startedMs }));
  }

  let failure: NoisefoldError | undefined;
  coordinator.tick();
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
  const ticks = setInterval(() => coordinator.tick(), heartbeatMs);
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
    await coordinator.ended;
    await workers.close();
    if (failure !== undefined) throw failure;
    return coordinator.state();
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    clearInterval(ticks);
    clearInterval(redraws);
    workers.kill();
    await workers.close();
    await transport.close();
  }
}
