/** `noisefold train`: one configuration in this process, without a coordinator. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Table from 'cli-table3';
import type { CommandModule } from 'yargs';
import type { ArtifactStore } from '../artifacts/store.ts';
import { fileArtifacts } from '../artifacts/files.ts';
import { NoisefoldError } from '../base/errors.ts';
import { hashOf } from '../base/hash.ts';
import { canonicalJson } from '../base/json.ts';
import { plusMinus, thousands } from '../base/units.ts';
import { decodeCheckpoint } from '../checkpoint/format.ts';
import { writeCheckpointFiles, writeFileDurably } from '../checkpoint/files.ts';
import { changesOf } from '../config/changes.ts';
import { isDistribution, parameters } from '../config/parameters.ts';
import { type Distribution, type EngineName, engineNames, type SweepConfig, type TrialConfig } from '../config/types.ts';
import type { Prepared } from '../dataset/prepare.ts';
import { fixTrial } from '../plan/fix.ts';
import { stepsPerEpoch } from '../plan/plan.ts';
import type { TrialKind } from '../plan/types.ts';
import { corruptionCsv, historyCsv } from '../report/csv.ts';
import { runTask } from '../train/task.ts';
import type { TaskResult, TaskSpec } from '../train/types.ts';
import { exportBest } from './best.ts';
import { atLeastOne, type CommonArguments, loadConfig, loadData, openMachine, realClock, terminalLog } from './context.ts';
import { makeOutputFolder } from './output-folder.ts';
import { showProgress } from './progress.ts';
import { mainMetric, metricName, overFolds } from './ridge.ts';
import { version } from './version.ts';

interface TrainArguments extends CommonArguments {
  config: string;
  set: string[];
  out: string | undefined;
  engine: EngineName | undefined;
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
    const toStep = trial.training.epochs * stepsPerEpoch(data.inputs.rows, trial.training.batchSize);
    const folder = args.out ?? join(config.output, `${config.study}-train`);
    const run = await openRun(folder, { config, trial, data: data.hash });
    const machine = await openMachine(args.engine ?? config.workers.engine, args.threads ?? config.workers.threads, log);
    const { engine, linearAlgebra } = machine;
    log.log('info', `Engine ${engine.name}, ${machine.threads} ${machine.threads === 1 ? 'thread' : 'threads'}`);

    const stop = stopOnInterrupt(log);
    const task = async (kind: TrialKind, id: string, resumeFrom?: string): Promise<TaskResult> => {
      const progress = showProgress(kind === 'trained' ? 'training' : `baseline ${kind}`, {
        quiet: args.quiet,
        clock: realClock,
      });
      try {
        const outcome = await runTask(
          specOf(kind, id, kind === 'trained' ? toStep : 0, { config, trial, data: data.hash, resumeFrom }),
          {
            data,
            engine,
            linearAlgebra,
            artifacts: run.artifacts,
            clock: realClock,
            signal: stop.signal,
            onProgress: progress.update,
            onCheckpoint: (hash, step) => (kind === 'trained' ? run.checkpointed(hash, step) : undefined),
          },
        );
        if (!outcome.stopped) return outcome.result;
      } finally {
        progress.close();
      }
      await run.settled();
      throw new NoisefoldError(
        'INTERRUPTED',
        `stopped ${run.step() === undefined ? 'before the first step' : `at step ${run.step()} of ${toStep}`}`,
        {
          where: folder,
          hint: 'Run the same command again to go on from there.',
        },
      );
    };

    try {
      const raw = await task('raw', 'raw');
      const untrained = await task('untrained', 'untrained');
      if (run.resume !== undefined) log.log('info', `Going on from step ${thousands(run.resume.step)} of ${thousands(toStep)}`);
      const trained = await task('trained', 'trained', run.resume?.hash);
      await run.settled();
      if (untrained.checkpoint !== undefined && untrained.checkpoint !== trained.checkpoint)
        await run.artifacts.delete(untrained.checkpoint);
      const weights = await writeResult(folder, trained, run.artifacts);
      const alpha = trained.score.alphas[trained.score.best] ?? 1;
      const files = await exportBest({
        folder: join(folder, 'best'),
        sweep: config,
        prepared,
        trial: { id: 'trained', config: trial, weights, alpha },
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

/** Throws CONFIG_INVALID for values that are searched, with a way to fix them. */
function requireFixedValues(config: SweepConfig): void {
  const searched = parameters(config).flatMap(({ name, space }) => (isDistribution(space) ? [{ name, space }] : []));
  if (searched.length === 0) return;
  throw new NoisefoldError(
    'CONFIG_INVALID',
    `train runs one configuration, but these are searched: ${searched.map(({ name }) => name).join(', ')}`,
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

interface Trained {
  readonly config: SweepConfig;
  readonly trial: TrialConfig;
  /** Hash of the prepared data. */
  readonly data: string;
}

function specOf(
  kind: TrialKind,
  id: string,
  toStep: number,
  { config, trial, data, resumeFrom }: Trained & { readonly resumeFrom: string | undefined },
): TaskSpec {
  return {
    task: { id: `${id}/all/0-${toStep}`, trial: id, fold: 'all', rung: 0, fromStep: 0, toStep },
    kind,
    config: kind === 'trained' ? trial : { ...trial, training: { ...trial.training, epochs: 0 } },
    seed: config.seed,
    ridge: config.ridge,
    data,
    ...(resumeFrom === undefined ? {} : { resumeFrom }),
  };
}

interface Run {
  readonly artifacts: ArtifactStore;
  /** Where an earlier run of the same training stopped. */
  readonly resume: { readonly hash: string; readonly step: number } | undefined;
  /** The checkpoint becomes the one to resume from; the one before is deleted. */
  checkpointed(hash: string, step: number): void;
  /** Resolves when the last checkpoint is the one on disk. */
  settled(): Promise<void>;
  /** Of the last checkpoint. */
  step(): number | undefined;
}

/** The folder of a training run, new or to be resumed. Throws CONFIG_CHANGED if another training was started in it, OUTPUT_NOT_WRITABLE. */
async function openRun(folder: string, { config, trial, data }: Trained): Promise<Run> {
  await makeOutputFolder(folder);
  const runFile = join(folder, 'run.json');
  const pointer = join(folder, 'checkpoint.json');
  // How often checkpoints are written changes no number.
  const identity = {
    trial: hashOf({ ...trial, training: { ...trial.training, checkpointEveryEpochs: 0 } }),
    seed: config.seed,
    data,
  };
  const known = await readJson(runFile);
  if (known !== undefined) {
    const was = known as Partial<typeof identity> & { readonly config?: TrialConfig };
    const differing =
      was.data !== data
        ? 'other data'
        : was.seed !== config.seed
          ? 'another seed'
          : was.trial !== identity.trial
            ? 'another configuration'
            : undefined;
    const changes = changesOf({ seed: was.seed, ...was.config }, { seed: config.seed, ...trial }).filter(
      (change) => !change.startsWith('training.checkpointEveryEpochs'),
    );
    if (differing !== undefined)
      throw new NoisefoldError('CONFIG_CHANGED', [`this folder holds a training with ${differing}`, ...changes].join('\n  '), {
        where: folder,
        hint: `Choose another folder with --out, or remove ${folder} to start anew.`,
      });
  }
  if (known === undefined)
    await writeFileDurably(runFile, `${canonicalJson({ ...identity, config: trial, noisefold: version }, 2)}\n`);
  const resume = (await readJson(pointer)) as Run['resume'];
  const artifacts = fileArtifacts(join(folder, 'artifacts'));
  let current = resume;
  let writing = Promise.resolve();
  return {
    artifacts,
    resume,
    checkpointed(hash, step) {
      const previous = current;
      current = { hash, step };
      const line = `${canonicalJson(current)}\n`;
      writing = writing.then(async () => {
        await writeFileDurably(pointer, line);
        if (previous !== undefined && previous.hash !== hash) await artifacts.delete(previous.hash);
      });
      // Reported by settled(); a rejection in between must not end the process.
      writing.catch(() => {});
    },
    settled: () => writing,
    step: () => current?.step,
  };
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch((thrown: unknown) => {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw thrown;
  });
  try {
    return text === undefined ? undefined : (JSON.parse(text) as unknown);
  } catch (cause) {
    throw new NoisefoldError('CHECKPOINT_CORRUPT', 'the file is not JSON', { where: path, cause });
  }
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
  return decodeCheckpoint(bytes).state.weights;
}

function comparison(
  results: { readonly raw: TaskResult; readonly untrained: TaskResult; readonly trained: TaskResult },
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
