/** `noisefold sweep`: an embedded coordinator and local workers, from a configuration to a ranking. */
import { availableParallelism } from 'node:os';
import type { CommandModule } from 'yargs';
import { asNoisefoldError, NoisefoldError } from '../base/errors.ts';
import type { SweepConfig, WorkersConfig } from '../config/types.ts';
import { deviceNames, engineNames, type DeviceName, type EngineName } from '../config/types.ts';
import { repairStudy } from '../coordinator/repair.ts';
import { rungsOf } from '../plan/rungs.ts';
import { isFinal, isOver } from '../scheduler/transitions.ts';
import { trialStatus } from '../scheduler/trials.ts';
import type { TaskState } from '../scheduler/types.ts';
import type { TaskResult } from '../train/types.ts';
import {
  atLeastOne,
  commandAgain,
  loadStudyInputs,
  realClock,
  requirePair,
  terminalLog,
  type CommonArguments,
  type StudyInputs,
} from './context.ts';
import { dataHash } from '../dataset/study-data.ts';
import { countsText } from '../report/counts.ts';
import { createDisplay, terminalOf } from './display.ts';
import { finishAndShow } from './finish.ts';
import { fileLog } from './log.ts';
import { rankingOf, rungRowsOf, tasksByTrial, timingsOf, writeRanking, writeTrial } from './outputs.ts';
import { retain } from './retain.ts';
import { runStudy, type EndedStudy } from './run-study.ts';
import { processLauncher } from '../worker/task-launcher.ts';
import { openStudy, shown, studyPaths, type OpenStudy, type StudyPaths } from './study-folder.ts';
import { versionsNote } from './versions.ts';

interface SweepArguments extends CommonArguments {
  config: string;
  set: string[];
  out: string | undefined;
  workers: number | undefined;
  threads: number | undefined;
  engine: EngineName | undefined;
  device: DeviceName | undefined;
}

export const sweepCommand: CommandModule<CommonArguments, SweepArguments> = {
  command: 'sweep <config>',
  describe: 'Search noise ratios on this machine and rank them by cross-validated ridge',
  builder: (yargs) =>
    yargs
      .positional('config', { type: 'string', demandOption: true, describe: 'The YAML file of the sweep' })
      .option('set', { type: 'string', array: true, default: [], describe: 'Replace a value of the configuration: path=value' })
      .option('out', {
        type: 'string',
        alias: 'output',
        describe: 'The folder that holds the study’s folder (default: the configuration’s, runs)',
      })
      .option('workers', {
        type: 'number',
        coerce: atLeastOne('--workers'),
        describe: 'Worker processes (default: the configuration’s; auto is one a core)',
      })
      .option('threads', {
        type: 'number',
        coerce: atLeastOne('--threads'),
        describe: 'Engine threads a worker (default: so that workers x threads = cores)',
      })
      .option('engine', { choices: engineNames, describe: 'What runs the training steps' })
      .option('device', { choices: deviceNames, describe: 'Where the engine computes' })
      .example('$0 sweep examples/diamonds/sweep.yaml', 'Run the example; Ctrl-C stops it, the same command goes on')
      .example(
        '$0 sweep sweep.yaml --set search.trials=24 --set study=wide',
        'The same sweep with more trials, as another study (without the name: more trials for the same)',
      ),
  handler: (args) => runSweep(args),
};

/** From the command line to the end of the study. Throws INTERRUPTED after a stop, STUDY_FAILED where no trial was scored. */
async function runSweep(args: SweepArguments): Promise<void> {
  const inputs = await loadStudyInputs(args.config, terminalLog(args), args.set);
  const asked: SweepConfig = { ...inputs.config, workers: workersOf(inputs.config.workers, args) };
  const { prepared } = inputs;
  const { data } = prepared;
  const paths = studyPaths(args.out ?? asked.output, asked.study);
  await requireEngine(asked.workers);
  const study = await openStudy(paths, asked, prepared, realClock.now());
  const config: SweepConfig = { ...asked, workers: { ...asked.workers, engine: study.engine } };
  const log = fileLog(paths.log, { process: 'sweep' });
  const { isTTY, colour } = terminalOf(process.stderr, process.env);
  const display = createDisplay({
    out: args.quiet ? silent : process.stderr,
    isTTY: isTTY && !args.quiet,
    colour,
    nowMs: () => realClock.now(),
  });
  const again = commandAgain();
  try {
    if (config.workers.engine !== asked.workers.engine) await requireEngine(config.workers);
    if (study.resumed) {
      const { store, artifacts } = study;
      const redone = await repairStudy({ store, artifacts, thorough: true, nowMs: realClock.now(), log });
      if (redone.length > 0)
        display.note(`Checkpoints that were lost or damaged on disk are trained again: ${redone.join(', ')}`);
      const over = study.store.tasks().every(isOver);
      display.note(over ? `This study is finished: ${shown(paths.folder)}` : `Going on with the study in ${shown(paths.folder)}`);
      const versions = versionsNote(study.ranBefore);
      if (versions !== undefined) display.note(versions);
    }
    const { state, interrupted } = await runAndWriteTrials(config, inputs, study, paths, display, log);
    display.close();
    const tasks = new Map(state.tasks);
    const resultOf = (task: string): TaskResult | undefined => study.store.result(task);
    const rungs = rungsOf(config);
    const ranking = rankingOf(study.plan, tasks, data.task, resultOf, rungs);
    const timings = timingsOf(tasks, study.store.transitions(), rungs);
    const rungRows = rungRowsOf(tasks, data.task, rungs);
    await writeRanking(paths, ranking, config.protocol, timings, rungRows);
    await retain(paths, study, config, state);
    if (interrupted || state.status !== 'finished') {
      const byTrial = tasksByTrial(tasks);
      const isDone = (trial: string): boolean => trialStatus(byTrial.get(trial) ?? []) === 'done';
      throw new NoisefoldError(
        'INTERRUPTED',
        study.plan.trials.every(({ id }) => isDone(id))
          ? 'every trial is done; the best model and the report are still to be written'
          : `${countsText(study.plan.trials, isDone)} are done; the others go on from their checkpoints`,
        {
          where: shown(paths.folder),
          hint: `Resume with: ${again}`,
        },
      );
    }
    if (!ranking.some(({ kind }) => kind === 'trained'))
      throw new NoisefoldError('STUDY_FAILED', 'no trial was scored', {
        where: shown(paths.file('trials')),
        hint: 'Each trial’s error.json says why.',
      });
    await finishAndShow({
      ...{ config, prepared, paths, tasks, resultOf, ranking, timings },
      plan: study.plan,
      artifacts: study.artifacts,
      quiet: args.quiet,
      log,
      rungs: rungRows,
    });
  } catch (thrown) {
    display.close();
    const error = asNoisefoldError(thrown);
    log.log(error.code === 'INTERRUPTED' ? 'info' : 'error', error.message, { code: error.code });
    throw error;
  } finally {
    study.store.close();
    await log.close();
  }
}

/** Runs what is left of the study; each trial's folder is written when it ends, and those of earlier runs are completed. */
async function runAndWriteTrials(
  config: SweepConfig,
  inputs: StudyInputs,
  study: OpenStudy,
  paths: StudyPaths,
  display: ReturnType<typeof createDisplay>,
  log: ReturnType<typeof fileLog>,
): Promise<EndedStudy> {
  const { prepared } = inputs;
  const trials = new Map(study.plan.trials.map((trial) => [trial.id, trial]));
  const writes: Promise<void>[] = [];
  let failure: NoisefoldError | undefined;
  const hash = dataHash(prepared);
  const resultOf = (task: string): TaskResult | undefined => study.store.result(task);
  // The tasks of a trial as they were last heard of, and its folder's last writing, so that two never overlap.
  const known = new Map<string, Map<string, TaskState>>();
  const last = new Map<string, Promise<void>>();
  const note = (task: TaskState): void => {
    const own = known.get(task.task.trial) ?? new Map<string, TaskState>();
    known.set(task.task.trial, own.set(task.task.id, task));
  };
  const write = (id: string, ended: readonly TaskState[]): void => {
    const trial = trials.get(id);
    if (trial === undefined) return;
    const tasks = [...(known.get(id)?.values() ?? [])];
    const written = (last.get(id) ?? Promise.resolve())
      .then(() => writeTrial(paths, trial, tasks, ended, prepared.data.task, config.seed, hash, study.artifacts, resultOf))
      // The result is in the database: a folder that cannot be written now is written by the next run.
      .catch((thrown: unknown) => void (failure ??= asNoisefoldError(thrown)));
    last.set(id, written);
    writes.push(written);
  };
  const before = study.store.tasks();
  before.forEach(note);
  for (const [id, tasks] of known) {
    const ended = [...tasks.values()].filter(({ status }) => isFinal(status));
    if (ended.length > 0) write(id, ended);
  }
  const unfinished = before.filter((task) => !isOver(task));
  const ended = await runStudy({
    config,
    prepared,
    study,
    paths,
    workers: shares(config.workers, unfinished.length),
    display,
    log,
    onEnd(task) {
      note(task);
      write(task.task.trial, [task]);
    },
  });
  await Promise.all(writes);
  if (failure !== undefined) throw failure;
  return ended;
}

/**
 * That an engine or a device that was named works here, by a canary in a process of its own, since a GPU would stay with this one. Without, every worker would find
 * out for itself, and the study would wait for one that does not. Throws USAGE, ENGINE_UNAVAILABLE.
 */
async function requireEngine({ engine, device }: WorkersConfig): Promise<void> {
  requirePair({ engine, device });
  if (engine === 'auto' && (device === 'auto' || device === 'cpu')) return;
  const launcher = processLauncher({ engine, device, threads: 1 });
  const reason = await new Promise<string | undefined>((resolve) => launcher.probe(resolve));
  if (reason === undefined) return;
  throw new NoisefoldError('ENGINE_UNAVAILABLE', reason.replace(/^ENGINE_UNAVAILABLE: /, ''), {
    hint: 'noisefold doctor says what is missing here, and the command that adds it.',
  });
}

const workersOf = (config: WorkersConfig, { workers, threads, engine, device }: SweepArguments): WorkersConfig => ({
  count: workers ?? config.count,
  threads: threads ?? config.threads,
  engine: engine ?? config.engine,
  device: device ?? config.device,
});

/** How many workers, with how many threads: one a core unless there is less to do, and together no more threads than cores. */
function shares({ count, threads }: WorkersConfig, tasks: number): { count: number; threads: number } {
  const cores = availableParallelism();
  const workers = Math.max(1, count === 'auto' ? Math.min(cores, tasks) : count);
  return { count: workers, threads: threads === 'auto' ? Math.max(1, Math.floor(cores / workers)) : threads };
}

const silent: Pick<NodeJS.WriteStream, 'write' | 'columns' | 'rows'> = { write: () => true, columns: 80, rows: 24 };
