/** `noisefold train`: one configuration in this process, without a coordinator. */
import { join } from 'node:path';
import Table from 'cli-table3';
import type { CommandModule } from 'yargs';
import type { ArtifactStore } from '../artifacts/store.ts';
import { NoisefoldError } from '../base/errors.ts';
import { canonicalJson } from '../base/json.ts';
import { plusMinus, thousands } from '../base/units.ts';
import { finalWeights } from '../checkpoint/averaging.ts';
import { writeCheckpointFiles, writeFileDurably } from '../checkpoint/files.ts';
import { decodeCheckpoint } from '../checkpoint/format.ts';
import { isDistribution, parameters, type SearchedSections } from '../config/parameters.ts';
import {
  deviceNames,
  type DeviceName,
  type Distribution,
  type EngineName,
  engineNames,
  type ParameterValues,
  type TrialConfig,
} from '../config/types.ts';
import type { Prepared } from '../dataset/prepare.ts';
import { dataFor, dataHash, planData } from '../dataset/study-data.ts';
import { fixTrial } from '../plan/fix.ts';
import { tasksOf } from '../plan/plan.ts';
import type { Task, TrialKind } from '../plan/types.ts';
import { aggregateScores, type FoldResult } from '../rank/aggregate.ts';
import { corruptionCsv, historyCsv } from '../report/csv.ts';
import type { RidgeScore } from '../ridge/types.ts';
import type { Member } from '../train/ensemble.ts';
import { networkOf } from '../train/network.ts';
import { runTask } from '../train/task.ts';
import type { TaskResult } from '../train/types.ts';
import { exportBest } from './best.ts';
import { atLeastOne, type CommonArguments, loadConfig, loadData, openMachine, realClock, terminalLog } from './context.ts';
import { showProgress } from './progress.ts';
import { mainMetric, metricName, overFolds } from './ridge.ts';
import { type Course, engineOfRun, openRun } from './train-folder.ts';
import { versionsNote } from './versions.ts';

interface TrainArguments extends CommonArguments {
  config: string;
  set: string[];
  out: string | undefined;
  engine: EngineName | undefined;
  device: DeviceName | undefined;
  threads: number | undefined;
}

export const trainCommand: CommandModule<CommonArguments, TrainArguments> = {
  command: 'train <config>',
  describe: 'Train one configuration in this process, score it, and write its model and features',
  builder: (yargs) =>
    yargs
      .positional('config', { type: 'string', demandOption: true, describe: 'The YAML file of a sweep' })
      .option('set', {
        type: 'string',
        array: true,
        nargs: 1,
        default: [] as string[],
        describe: 'Replace a value of the configuration: path=value; repeatable',
      })
      .option('out', { type: 'string', describe: "Folder to write (default: the study's folder with -train behind its name)" })
      .option('engine', { choices: engineNames, describe: 'What runs the training steps (default: as configured)' })
      .option('device', { choices: deviceNames, describe: 'Where the engine computes (default: as configured)' })
      .option('threads', { type: 'number', coerce: atLeastOne('--threads'), describe: 'Engine threads (default: one a core)' })
      .example('$0 train sweep.yaml --set noise.numerical=0.2', 'Fix what the sweep would search')
      .example('$0 train sweep.yaml --out runs/long', 'Into a folder of its own'),
  handler: async (args) => {
    const log = terminalLog(args);
    const { config, given } = await loadConfig(args.config, args.set);
    requireFixedValues(config);
    const prepared = await loadData(config, given, log);
    const { data } = prepared;
    const trial = fixTrial(config, {}, data.layout);
    const folder = args.out ?? join(config.output, `${config.study}-train`);
    const { workers } = config;
    const asked = args.engine ?? workers.engine;
    const name = asked === 'auto' ? ((await engineOfRun(folder)) ?? asked) : asked;
    const machine = await openMachine(name, args.threads ?? workers.threads, log, args.device ?? workers.device);
    const { engine, linearAlgebra } = machine;
    const run = await openRun(folder, { config, trial, data: dataHash(prepared), engine: engine.name });
    const versions = versionsNote(run.begunBy);
    if (versions !== undefined) log.log('info', versions);
    log.log('info', `Engine ${engine.name}, ${machine.threads} ${machine.threads === 1 ? 'thread' : 'threads'}`);

    const stop = stopOnInterrupt(log);
    const untrained: TrialConfig = { ...trial, training: { ...trial.training, epochs: 0 } };
    const runOne = async (kind: TrialKind, task: Task, course: Course | undefined): Promise<FoldResult> => {
      const { fold, toStep } = task;
      const of = fold === 'all' ? '' : `, fold ${fold}`;
      const resume = course?.resume;
      if (resume !== undefined && resume.step > 0)
        log.log('info', `Going on from step ${thousands(resume.step)} of ${thousands(toStep)}${of}`);
      const label = `${kind === 'trained' ? 'training' : `baseline ${kind}`}${of}`;
      const progress = showProgress(label, { quiet: args.quiet, clock: realClock });
      try {
        const own = dataFor(prepared, fold);
        const outcome = await runTask(
          {
            task,
            kind,
            config: kind === 'trained' ? trial : untrained,
            seed: config.seed,
            ridge: config.ridge,
            data: own.hash,
            ...(resume === undefined ? {} : { resumeFrom: resume.hash }),
          },
          {
            data: own,
            engine,
            linearAlgebra,
            artifacts: run.artifacts,
            clock: realClock,
            signal: stop.signal,
            onProgress: progress.update,
            onCheckpoint: (hash, step) => course?.checkpointed(hash, step),
          },
        );
        await course?.settled();
        if (!outcome.stopped) return { fold, result: outcome.result };
      } finally {
        progress.close();
      }
      const step = course?.step();
      throw new NoisefoldError(
        'INTERRUPTED',
        `stopped ${step === undefined ? 'before the first step' : `at step ${step} of ${toStep}`}${of}`,
        { where: folder, hint: 'Run the same command again to go on from there.' },
      );
    };
    const runAll = async (kind: TrialKind): Promise<Results> => {
      const folds: FoldResult[] = [];
      for (const task of tasksOf({ id: kind, config: kind === 'trained' ? trial : untrained }, planData(prepared)))
        folds.push(await runOne(kind, task, kind === 'trained' ? await run.courseOf(task.fold) : undefined));
      return { folds, score: scoreOf(folds, data.task) };
    };

    try {
      const raw = await runAll('raw');
      const untrained = await runAll('untrained');
      const trained = await runAll('trained');
      const kept = new Set(trained.folds.map(({ result }) => result.checkpoint));
      for (const { checkpoint } of untrained.folds.map(({ result }) => result))
        if (checkpoint !== undefined && !kept.has(checkpoint)) await run.artifacts.delete(checkpoint);
      const members: Member[] = [];
      for (const { fold, result } of trained.folds)
        members.push({
          network: networkOf(dataFor(prepared, fold).layout, trial),
          weights: await writeResult(run.folderOf(fold), result, run.artifacts),
        });
      if (trained.folds.length > 1) await writeFileDurably(join(folder, 'score.json'), `${canonicalJson(trained.score, 2)}\n`);
      const files = await exportBest({
        folder: join(folder, 'best'),
        sweep: config,
        prepared,
        trial: { id: 'trained', config: trial, members, alpha: trained.score.alphas[trained.score.best] ?? 1 },
        engine,
        linearAlgebra,
        log,
      });
      process.stdout.write(
        `${comparison({ raw, untrained, trained }, prepared)}\n\nwrote\n${Object.values(files)
          .map((path) => `  ${path}\n`)
          .join('')}`,
      );
    } finally {
      stop.close();
    }
  },
};

const searchedIn = (sections: SearchedSections): readonly { readonly name: string; readonly space: Distribution }[] =>
  parameters(sections).flatMap(({ name, space }) => (isDistribution(space) ? [{ name, space }] : []));

/** Middle values of what is searched. */
export const middleOf = (sections: SearchedSections): ParameterValues =>
  Object.fromEntries(searchedIn(sections).map(({ name, space }) => [name, middle(space)]));

/** Throws CONFIG_INVALID for values that are searched, with a way to fix them. */
export function requireFixedValues(sections: SearchedSections): void {
  const searched = searchedIn(sections);
  if (searched.length === 0) return;
  throw new NoisefoldError(
    'CONFIG_INVALID',
    `the command is about one configuration, but these are searched: ${searched.map(({ name }) => name).join(', ')}`,
    {
      hint: `Fix them, for example: ${searched.map(({ name, space }) => `--set ${name}=${middle(space)}`).join(' ')}`,
    },
  );
}

/** A value from the middle of a distribution. */
function middle(space: Distribution): number | string {
  if ('choice' in space) return space.choice[Math.floor(space.choice.length / 2)] ?? '';
  if ('integer' in space) return Math.round((space.integer[0] + space.integer[1]) / 2);
  if ('logUniform' in space) return Number(Math.sqrt(space.logUniform[0] * space.logUniform[1]).toPrecision(2));
  return Number(((space.uniform[0] + space.uniform[1]) / 2).toPrecision(2));
}

/** What the tasks of one kind came to, and their score together. */
interface Results {
  readonly folds: readonly FoldResult[];
  readonly score: RidgeScore;
}

function scoreOf(folds: readonly FoldResult[], task: 'regression' | 'binary'): RidgeScore {
  const [first, ...others] = folds.map(({ result }) => result.score);
  if (first === undefined) throw new NoisefoldError('INTERNAL', 'a training without a task');
  return others.length === 0 ? first : aggregateScores([first, ...others], task);
}

/** history.csv, corruption.csv, score.json, and the last checkpoint as safetensors with its manifest. Resolves to the weights. */
async function writeResult(
  folder: string,
  { score, history, corruption, checkpoint }: TaskResult,
  artifacts: ArtifactStore,
): Promise<Float32Array> {
  if (checkpoint === undefined) throw new NoisefoldError('INTERNAL', 'a trained task left no checkpoint');
  const bytes = await artifacts.get(checkpoint);
  await writeFileDurably(join(folder, 'score.json'), `${canonicalJson(score, 2)}\n`);
  await writeFileDurably(join(folder, 'history.csv'), historyCsv(history));
  await writeFileDurably(join(folder, 'corruption.csv'), corruptionCsv(corruption));
  await writeCheckpointFiles(folder, bytes);
  return finalWeights(decodeCheckpoint(bytes));
}

function comparison(
  results: { readonly raw: Results; readonly untrained: Results; readonly trained: Results },
  { data }: Prepared,
): string {
  const rows = [
    ['raw inputs', results.raw],
    ['untrained network', results.untrained],
    ['trained network', results.trained],
  ] as const;
  const table = new Table({
    head: ['ridge on', metricName(data.task), 'alpha', 'features'],
    style: { head: [], border: [], compact: true },
  });
  for (const [name, { score }] of rows) {
    const { mean, standardError } = overFolds(score, score.best, mainMetric(data.task));
    table.push([name, plusMinus(mean, standardError), String(score.alphas[score.best]), thousands(score.features)]);
  }
  return table.toString();
}

/** The first Ctrl-C asks the running task to checkpoint and stop; the second ends the process. */
function stopOnInterrupt(log: { log(level: 'warn', message: string): void }): { readonly signal: AbortSignal; close(): void } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(75);
    log.log('warn', 'stopping after a checkpoint; Ctrl-C again stops at once');
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    close() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
