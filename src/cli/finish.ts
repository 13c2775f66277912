/** The last part of a study: the best model with its features and predictions, the learning curves, the report. */
import { access, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.ts';
import { NoisefoldError } from '../base/errors.ts';
import { hashOf } from '../base/hash.ts';
import type { Log } from '../base/ports.ts';
import { writeFileDurably } from '../checkpoint/files.ts';
import { finalWeights } from '../checkpoint/averaging.ts';
import { decodeCheckpoint } from '../checkpoint/format.ts';
import type { SweepConfig } from '../config/types.ts';
import type { Prepared } from '../dataset/prepare.ts';
import { dataFor } from '../dataset/study-data.ts';
import type { Plan } from '../plan/types.ts';
import { outcomeOf, type ResultOf, type TrialOutcome } from '../rank/aggregate.ts';
import { rankingJson } from '../rank/render.ts';
import type { RankedTrial } from '../rank/types.ts';
import { foldsCsv, learningCurveCsv, type RungRow, type TimingRow } from '../report/csv.ts';
import { leaderboard } from '../report/leaderboard.ts';
import { reportMarkdown } from '../report/markdown.ts';
import type { LearningCurve } from '../report/model.ts';
import type { TaskState } from '../scheduler/types.ts';
import type { EffectiveCorruption } from '../train/types.ts';
import { networkOf } from '../train/network.ts';
import { type FeatureSource, type Member } from '../train/ensemble.ts';
import { bestWork, exportBest } from './best.ts';
import { commandAgain, openMachine, realClock, terminalLog } from './context.ts';
import { curveWork, learningCurveOf } from './curves.ts';
import { paintOf, terminalOf } from './display.ts';
import { failuresOf, rungSizes, secondsOf, tasksByTrial, trainedConfig } from './outputs.ts';
import { openPhases } from './phases.ts';
import { version } from './version.ts';
import { shown, type StudyPaths } from './study-folder.ts';

export interface FinishOptions {
  readonly config: SweepConfig;
  readonly prepared: Prepared;
  readonly plan: Plan;
  readonly artifacts: ArtifactStore;
  readonly paths: StudyPaths;
  readonly tasks: ReadonlyMap<string, TaskState>;
  /** The store's. */
  readonly resultOf: ResultOf;
  /** With at least one trained trial. */
  readonly ranking: readonly RankedTrial[];
  readonly timings: readonly TimingRow[];
  /** Nothing but warnings on standard error. */
  readonly quiet: boolean;
  /** Told the phases and their seconds. */
  readonly log: Log;
  /** Of successive halving. */
  readonly rungs: readonly RungRow[];
}

/**
 * Resolves to what is there afterwards: [path, what it is], in the order in which a reader may want them. Nothing is made again that an earlier
 * run made of the same ranking.
 */
async function finishStudy(options: FinishOptions): Promise<readonly WrittenFile[]> {
  const { config, prepared, paths, ranking } = options;
  const stamp = hashOf({
    version,
    ranking: rankingJson(ranking, config.protocol),
    learningCurve: config.ridge.learningCurve,
    folds: config.features.folds,
  });
  const files = filesOf(paths, prepared.data.target.some(Number.isNaN), config.search.halving !== undefined);
  const made = await readFile(paths.file(stampFile), 'utf8').catch(() => undefined);
  if (made !== stamp || !(await allThere(files))) {
    await rm(paths.file(stampFile), { force: true });
    await writeAll(options);
    await writeFileDurably(paths.file(stampFile), stamp);
  }
  return files;
}

/** Finishes the study, and says on standard output what came out and where it lies. */
export async function finishAndShow(options: FinishOptions): Promise<void> {
  const { ranking, timings } = options;
  const written = await finishStudy(options);
  const seconds = new Map(Object.entries(secondsOf(timings)));
  const width = process.stdout.isTTY ? process.stdout.columns : undefined;
  const paint = paintOf(terminalOf(process.stdout, process.env).colour);
  process.stdout.write(`\n${leaderboard({ ranking, seconds, width, paint })}\n`);
  for (const [path, what] of written) process.stdout.write(`  ${shown(path).padEnd(40)} ${what}\n`);
}

/** A path, and what lies there. */
type WrittenFile = readonly [path: string, what: string];

/** Says of which ranking best/ and the report were made; written last. */
const stampFile = '.finished';

function filesOf(paths: StudyPaths, unlabelled: boolean, halved: boolean): WrittenFile[] {
  return [
    [paths.file('report.md'), 'the study in one page'],
    [paths.file('ranking.csv'), 'every trial, best first (also ranking.json; seconds in timings.csv)'],
    ...(halved ? [[paths.file('rungs.csv'), 'who was scored after how many epochs, and who went on'] as const] : []),
    [paths.file('learning_curve.csv'), 'errors where labels are few'],
    [paths.file('folds.csv'), 'which row was held out in which fold'],
    [paths.best, 'the best model: noisefold features --model applies it to new rows'],
    [join(paths.best, 'features.parquet'), 'its features, a row each (also features.npy)'],
    ...(unlabelled ? [[join(paths.best, 'predictions.csv'), 'predictions for the rows without target'] as const] : []),
    [paths.file('trials'), 'configuration, history and checkpoint of each trial'],
  ];
}

const allThere = (files: readonly WrittenFile[]): Promise<boolean> =>
  Promise.all(files.map(([path]) => access(path))).then(
    () => true,
    () => false,
  );

async function writeAll(options: FinishOptions): Promise<void> {
  const { config, prepared, plan, artifacts, paths, tasks, resultOf, ranking, timings, quiet, log } = options;
  const best = ranking.find(({ kind }) => kind === 'trained');
  const trial = plan.trials.find(({ id }) => id === best?.id);
  if (best === undefined || trial === undefined)
    throw new NoisefoldError('INTERNAL', 'a study without a trained trial cannot be finished');
  const { engine, linearAlgebra } = await openMachine(
    config.workers.engine,
    'auto',
    terminalLog({ quiet, verbose: false }),
    config.workers.device,
  );

  const byTrial = tasksByTrial(tasks);
  const outcomeOfTrial = (id: string): TrialOutcome => outcomeOf(byTrial.get(id) ?? [], prepared.data.task, resultOf);
  const sourceOf = async (id: string): Promise<Omit<FeatureSource, 'combine'> | undefined> => {
    const outcome = outcomeOfTrial(id);
    const planned = plan.trials.find((row) => row.id === id);
    if (outcome.status !== 'scored' || planned === undefined) return undefined;
    const members: Member[] = [];
    for (const { fold, result } of outcome.folds) {
      if (result.checkpoint === undefined) return undefined;
      const weights = finalWeights(decodeCheckpoint(await artifacts.get(result.checkpoint)));
      members.push({ network: networkOf(dataFor(prepared, fold).layout, planned.config), weights });
    }
    return { engine, features: planned.config.features, members };
  };
  const source = await sourceOf(best.id);
  const untrained = best.untrained === undefined ? undefined : await sourceOf(best.untrained);
  if (source === undefined) throw new NoisefoldError('INTERNAL', `${best.id} has no checkpoint`);

  const { ridge, seed } = config;
  const curveData = prepared.folds?.[0]?.data ?? prepared.data;
  const sets =
    ridge.learningCurve.labels.length === 0
      ? []
      : [
          { name: 'raw', source: 'inputs' as const },
          ...(best.untrained === undefined || untrained === undefined ? [] : [{ name: best.untrained, source: untrained }]),
          { name: best.id, source },
        ];
  const phases = openPhases({
    title: 'finishing',
    phases: [
      { name: 'the best model and its features', work: bestWork(prepared.data, { ...source, combine: config.features.folds }) },
      ...sets.map((set) => ({
        name: `learning curve of ${set.name}`,
        work: curveWork({ data: curveData, ridge, source: set.source }),
      })),
    ],
    ...{ out: process.stderr, isTTY: terminalOf(process.stderr, process.env).isTTY, quiet, clock: realClock, log },
    interrupted: new NoisefoldError(
      'INTERRUPTED',
      'the trials are done and ranked; the best model, the learning curves and the report are not all written yet',
      { where: shown(paths.folder), hint: `Finish with: ${commandAgain()}` },
    ),
  });
  const curves: LearningCurve[] = [];
  try {
    await phases.run((working) =>
      exportBest({
        folder: paths.best,
        sweep: config,
        prepared,
        trial: {
          id: best.id,
          config: trainedConfig(trial, outcomeOfTrial(trial.id)),
          members: source.members,
          alpha: best.alpha,
        },
        ...{ engine, linearAlgebra, working },
        log: { log: (_level, message) => phases.note(message) },
      }),
    );
    for (const set of sets)
      curves.push({
        name: set.name,
        points: await phases.run((working) =>
          learningCurveOf({ data: curveData, ridge, seed, linearAlgebra, source: set.source, working }),
        ),
      });
  } finally {
    phases.close();
  }
  await writeFileDurably(paths.file('learning_curve.csv'), learningCurveCsv(curves));
  await writeFileDurably(paths.file('folds.csv'), foldsCsv(config.data.id ?? 'row', prepared.ids, prepared.data.folds));

  const { data, target, warnings } = prepared;
  const report = reportMarkdown(
    {
      study: config.study,
      protocol: config.protocol,
      metric: best.metric,
      target,
      seed: config.seed,
      folds: config.ridge.folds,
      engines: [...new Set(timings.map((row) => row.engine))].filter((engine) => engine !== 'none'),
      noisefold: version,
      ranking,
      ...(config.search.halving !== undefined && {
        halving: { mode: config.search.halving.mode, rungs: rungSizes(options.rungs) },
      }),
      failures: failuresOf(tasks),
      seconds: secondsOf(timings),
      corruption: corruptionOf(outcomeOfTrial(best.id)),
      learningCurve: curves,
      data: {
        files: [config.data.train, config.data.test].flatMap((path) => (path === undefined ? [] : [shown(path)])),
        missing: config.data.missing,
        delimiter: config.data.delimiter,
        rows: data.inputs.rows,
        labelled: data.target.filter((value) => !Number.isNaN(value)).length,
        columns: data.layout.sources.length,
        inputs: data.inputs.cols,
      },
      warnings,
    },
    shown(paths.folder),
  );
  await writeFileDurably(paths.file('report.md'), report);
}

/** Of the first fold's network. */
const corruptionOf = (outcome: TrialOutcome): readonly EffectiveCorruption[] =>
  outcome.status === 'scored' ? (outcome.folds[0]?.result.corruption ?? []) : [];
