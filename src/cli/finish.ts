/** The last part of a study: the best model with its features and predictions, the learning curves, the report. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactStore } from '../artifacts/store.ts';
import { NoisefoldError } from '../base/errors.ts';
import { writeFileDurably } from '../checkpoint/files.ts';
import { decodeCheckpoint } from '../checkpoint/format.ts';
import type { SweepConfig } from '../config/types.ts';
import type { Plan } from '../plan/types.ts';
import type { RankedTrial } from '../rank/types.ts';
import { learningCurveCsv, type TimingRow } from '../report/csv.ts';
import { reportMarkdown } from '../report/markdown.ts';
import type { LearningCurve } from '../report/model.ts';
import type { State } from '../scheduler/types.ts';
import { networkOf } from '../train/network.ts';
import { exportBest, type FeatureSource } from './best.ts';
import { openMachine, type StudyInputs } from './context.ts';
import { learningCurves } from './curves.ts';
import { failuresOf } from './outputs.ts';
import { shown, type StudyPaths } from './study-folder.ts';

export interface FinishOptions {
  readonly config: SweepConfig;
  readonly inputs: StudyInputs;
  readonly plan: Plan;
  readonly artifacts: ArtifactStore;
  readonly paths: StudyPaths;
  readonly state: State;
  /** With at least one trained trial. */
  readonly ranking: readonly RankedTrial[];
  readonly timings: readonly TimingRow[];
  readonly note: (line: string) => void;
}

/** Resolves to what was written: [path, what it is], in the order in which a reader may want them. */
export async function finishStudy(options: FinishOptions): Promise<readonly (readonly [path: string, what: string])[]> {
  const { config, inputs, plan, artifacts, paths, state, ranking, timings, note } = options;
  const { prepared } = inputs;
  const best = ranking.find(({ kind }) => kind === 'trained');
  const trial = plan.trials.find(({ id }) => id === best?.id);
  if (best === undefined || trial === undefined)
    throw new NoisefoldError('INTERNAL', 'a study without a trained trial cannot be finished');
  const log = { log: (_level: string, message: string): void => note(message) };
  const { engine, linearAlgebra } = await openMachine(config.workers.engine, 'auto', log);

  const sourceOf = async (id: string): Promise<FeatureSource | undefined> => {
    const ranked = ranking.find((row) => row.id === id);
    const planned = plan.trials.find((row) => row.id === id);
    if (ranked?.checkpoint === undefined || planned === undefined) return undefined;
    const { weights } = decodeCheckpoint(await artifacts.get(ranked.checkpoint)).state;
    return { engine, network: networkOf(prepared.data.layout, planned.config), config: planned.config, weights };
  };
  const source = await sourceOf(best.id);
  const untrained = best.untrained === undefined ? undefined : await sourceOf(best.untrained);
  if (source === undefined) throw new NoisefoldError('INTERNAL', `${best.id} has no checkpoint`);

  const files = await exportBest({
    folder: paths.best,
    sweep: config,
    prepared,
    trial: { id: best.id, config: trial.config, weights: source.weights, alpha: best.alpha },
    engine,
    linearAlgebra,
    log,
  });
  const curves: readonly LearningCurve[] = await learningCurves({
    data: prepared.data,
    ridge: config.ridge,
    seed: config.seed,
    linearAlgebra,
    sets: [
      { name: 'raw', source: 'inputs' },
      ...(best.untrained === undefined || untrained === undefined ? [] : [{ name: best.untrained, source: untrained }]),
      { name: best.id, source },
    ],
    onSet: (name) => note(`Learning curve of ${name}`),
  });
  await writeFileDurably(paths.file('learning_curve.csv'), learningCurveCsv(curves));

  const { data, target, warnings } = prepared;
  const report = reportMarkdown(
    {
      study: config.study,
      protocol: config.protocol,
      metric: best.metric,
      target,
      ranking,
      failures: failuresOf(state.tasks),
      seconds: Object.fromEntries(timings.map((row) => [row.trial, row.seconds])),
      corruption: [...state.tasks.values()].find(({ task }) => task.trial === best.id)?.result?.corruption ?? [],
      learningCurve: curves,
      data: {
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
  const trials = paths.file('trials');
  return [
    [paths.file('report.md'), 'the study in one page'],
    [paths.file('ranking.csv'), 'every trial, best first (also ranking.json; seconds in timings.csv)'],
    [paths.file('learning_curve.csv'), 'errors where labels are few'],
    [files.bundle, 'the best model: noisefold features --model applies it to new rows'],
    [files.parquet, 'its features, a row each (also features.npy)'],
    ...(files.predictions === undefined ? [] : [[files.predictions, 'predictions for the rows without target'] as const]),
    ...((await exists(trials)) ? [[join(trials, '<id>/'), 'configuration, history and checkpoint of each trial'] as const] : []),
  ];
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
