/** report.md: a study in one page, for a reader who was not there. */
import { duration, epochsText, percent, plusMinus, significant, thousands } from '../base/units.ts';
import { defaults } from '../config/defaults.ts';
import type { LearningCurvePoint } from '../ridge/types.ts';
import { change, parameterText, parameterValue, shownOf, toLeader } from './leaderboard.ts';
import { metricNames, shortNames, type StudyReport } from './model.ts';
import { verdict } from './verdict.ts';

const shownTrials = 20;

/** The page; deterministic but for the times in `seconds`. `folder` is where the study's outputs lie, for the commands at the end. */
export function reportMarkdown(report: StudyReport, folder = `runs/${report.study}`): string {
  const sections = [
    headline,
    warnings,
    protocol,
    ranking,
    bestParameters,
    corruption,
    learningCurve,
    failures,
    (r: StudyReport) => usage(r, folder),
  ];
  return sections
    .flatMap((section) => section(report))
    .join('\n\n')
    .concat('\n');
}

/** Blocks of Markdown; none where there is nothing to say. */
type Blocks = readonly string[];

const bestOf = ({ ranking: ranked }: StudyReport) => ranked.find(({ kind }) => kind === 'trained');

/** `RMSE of log(price)` */
function metricOf({ metric, target }: StudyReport): string {
  const column = text(target.column);
  return `${metricNames[metric]} of ${target.transform === 'log' ? `log(${column})` : column}`;
}

function headline(report: StudyReport): Blocks {
  const best = bestOf(report);
  const title = `# ${text(report.study)}`;
  if (best === undefined) return [title, '**No trial was scored.**'];
  return [
    title,
    `**${best.id}: ${metricOf(report)} ${plusMinus(best.mean, best.standardError)}** (mean over ${best.perFold.length} folds ± standard error).`,
    verdict(report.ranking).join(' '),
  ];
}

function warnings({ warnings: lines }: StudyReport): Blocks {
  return lines.length === 0 ? [] : ['## Warnings', lines.map((line) => `- ${text(line)}`).join('\n')];
}

function protocol({ protocol: name, data, target, folds, seed, engines, noisefold, halving: halved }: StudyReport): Blocks {
  const unlabelled = data.rows - data.labelled;
  const rows = `${thousands(data.rows)} rows, ${thousands(data.labelled)} of them with a target (${text(target.column)})`;
  const inputs = `${thousands(data.columns)} columns, encoded as ${thousands(data.inputs)} inputs`;
  const how = {
    transductive: `One autoencoder a trial, trained on the inputs of all rows${unlabelled > 0 ? ', labelled or not' : ''}; it never saw a target. Ridge was then fitted on its features and scored on rows that the ridge did not see. So the scores say what the features are worth for rows that were there when the autoencoder was trained; for rows that come later, expect a little less.`,
    inductive: `One autoencoder a trial and fold: encoding, autoencoder and ridge were all fitted on the fold's training rows only, so the scores are what one autoencoder is worth on rows that come later.${unlabelled > 0 ? ' Rows without a target had no part in any of it.' : ''} The model in best/ puts the features of all ${folds.count} autoencoders together.`,
  }[name];
  return [
    '## Protocol',
    `${rows}; ${inputs}. ${folds.count}-fold cross-validation: ${foldsOf(folds, seed)}. Protocol: **${name}**. ${how}`,
    ...(halved === undefined ? [] : [halvingOf(halved)]),
    `Seed ${seed}; noisefold ${text(noisefold)}${engines.length === 0 ? '' : `; engine ${text(engines.join(', '))}`}.`,
  ];
}

/** `Successive halving: 27 trials were trained for 1 epoch, 9 of them for 3, 3 of them for 9.` */
function halvingOf({ mode, rungs }: NonNullable<StudyReport['halving']>): string {
  const [first, ...others] = rungs;
  if (first === undefined) return '';
  const steps = others.map(({ trials, epochs }) => `${trials} of them for ${epochs}`);
  const epochs = epochsText(first.epochs);
  const early =
    mode === 'eager'
      ? ' Mode eager: who went on depended on which scores were there first, so another run may rank otherwise.'
      : '';
  return `Successive halving: ${[`${first.trials} trials were trained for ${epochs}`, ...steps].join(', ')}. A trial is ranked by the best of its scores, after the epochs that the table says (rungs.csv has all of them).${early}`;
}

function foldsOf({ kind, column }: StudyReport['folds'], seed: number): string {
  switch (kind) {
    case 'plain':
      return 'each fold is a run of consecutive rows';
    case 'shuffled':
      return `rows were shuffled with seed ${seed}`;
    case 'grouped':
      return `rows with the same ${text(column ?? '')} share a fold`;
    default:
      return kind satisfies never;
  }
}

function ranking(report: StudyReport): Blocks {
  const ranked = report.ranking;
  if (ranked.length === 0) return [];
  const names = shortNames(ranked.map(({ parameters }) => parameters));
  const shown = shownOf(ranked, shownTrials);
  const rows = shown.map((trial) => [
    `${trial.rank}${trial.tie ? ' =' : ''}`,
    trial.kind === 'trained' ? trial.id : `*${trial.id}*`,
    text(parameterText(trial.parameters, names)),
    ...(report.halving === undefined ? [] : [String(trial.epochs ?? '')]),
    plusMinus(trial.mean, trial.standardError),
    toLeader(trial),
    change(trial, trial.toUntrained),
    change(trial, trial.toRaw),
    parameterValue(trial.alpha),
    trial.id in report.seconds ? duration(report.seconds[trial.id] ?? NaN) : '',
  ]);
  const rest = ranked.length - shown.length;
  const epochs = report.halving === undefined ? [] : ['epochs'];
  return [
    '## Ranking',
    table(
      ['', 'trial', 'parameters', ...epochs, metricOf(report), 'to the best', 'to untrained', 'to raw', 'alpha', 'time'],
      ['right', 'left', 'left', ...epochs.map(() => 'right' as const), 'left', 'left', 'right', 'right', 'right', 'right'],
      rows,
    ),
    `\`=\` marks what the folds cannot tell from the best (corrected resampled t-test, p ≥ 0.05). *raw* is ridge on the encoded inputs; *untrained* is ridge on the features of the same network before training. Differences are paired over folds.${rest > 0 ? ` ${rest} more in ranking.csv.` : ''}`,
  ];
}

function bestParameters(report: StudyReport): Blocks {
  const best = bestOf(report);
  const values = Object.entries(best?.parameters ?? {});
  if (best === undefined || values.length === 0) return [];
  const summary = `${thousands(best.score.features)} features, ridge alpha ${parameterValue(best.alpha)}; per fold ${best.perFold.map((score) => significant(score)).join(', ')}.`;
  return [
    `## Parameters of ${best.id}`,
    table(
      ['parameter', 'value'],
      ['left', 'right'],
      values.map(([path, value]) => [text(path), text(parameterValue(value))]),
    ),
    summary,
  ];
}

function corruption(report: StudyReport): Blocks {
  const best = bestOf(report);
  if (best === undefined || report.corruption.length === 0) return [];
  return [
    `## What the noise of ${best.id} changed`,
    `A swap that draws the value a cell has already changes nothing, so columns with few levels are corrupted less than their swap probability says.${report.protocol === 'inductive' ? ' Measured in the training rows of fold 0.' : ''}`,
    table(
      ['column', 'swap probability', 'rows changed'],
      ['left', 'right', 'right'],
      report.corruption.map(({ column, nominal, effective }) => [text(column), parameterValue(nominal), percent(effective)]),
    ),
  ];
}

function learningCurve({ protocol: name, learningCurve: curves, metric, ranking: ranked }: StudyReport): Blocks {
  const labels = [...new Set(curves.flatMap(({ points }) => points.map((point) => point.labels)))].sort((a, b) => a - b);
  if (labels.length === 0) return [];
  const cell = (point: Pick<LearningCurvePoint, 'mean' | 'standardError'> | undefined): string =>
    point === undefined ? '' : plusMinus(point.mean, point.standardError);
  const draws = Math.max(...curves.flatMap(({ points }) => points.map((point) => point.draws)));
  return [
    '## With fewer labels',
    `${metricNames[metric]} on held-out rows of ridge fitted on so many labels (mean ± standard error over up to ${draws} draws), alpha chosen within them.${name === 'inductive' ? ' Labels and held-out rows both are rows that fold 0 held out: its autoencoder has seen neither.' : ''} The last row is the ranking's: every label, by cross-validation.`,
    table(
      ['labels', ...curves.map(({ name }) => text(name))],
      ['right', ...curves.map(() => 'left' as const)],
      [
        ...labels.map((n) => [thousands(n), ...curves.map(({ points }) => cell(points.find((point) => point.labels === n)))]),
        ['all', ...curves.map(({ name }) => cell(ranked.find(({ id }) => id === name)))],
      ],
    ),
  ];
}

function failures({ failures: failed }: StudyReport): Blocks {
  if (failed.length === 0) return [];
  return [
    '## Failures',
    table(
      ['trial', 'code', 'why'],
      ['left', 'left', 'left'],
      failed.map(({ trial, code, message }) => [text(trial), code, text(message)]),
    ),
  ];
}

function usage(report: StudyReport, folder: string): Blocks {
  if (bestOf(report) === undefined) return [];
  return [
    '## Using it',
    [
      '- `ranking.csv`, `ranking.json`: every trial and baseline, per fold.',
      ...(report.halving === undefined ? [] : ['- `rungs.csv`: who was scored after how many epochs, and who went on.']),
      `- \`best/\`: the model (preprocessor, weights, configuration), its features of every row, train then test${report.data.labelled < report.data.rows ? ', and predictions for the rows without a target' : ''}.`,
      '- `trials/<id>/`: configuration, history and checkpoint of each trial.',
    ].join('\n'),
    'Features and predictions for new rows, a file with the same columns:',
    sh(
      `npx noisefold features --model ${shell(`${folder}/best`)} --data FILE --out features.parquet --predictions predictions.csv`,
    ),
    ...(report.protocol === 'inductive'
      ? [
          'Cross-validated ridge on `best/features.npy` gives another score than the ranking: all but one of the networks behind these features have seen each labelled row.',
        ]
      : [
          `Ridge on the features of this study again, ${report.folds.kind === 'grouped' ? 'though with shuffled folds, not grouped ones' : 'which gives its score'}:`,
          sh(ridgeCommand(report, folder)),
        ]),
  ];
}

const sh = (command: string): string => ['```sh', command, '```'].join('\n');

/** What differs from the command's defaults is said. */
function ridgeCommand({ target, data, folds, seed, ranking: ranked }: StudyReport, folder: string): string {
  const alphas = ranked[0]?.score.alphas ?? defaults.ridge.alphas;
  return [
    `npx noisefold ridge --features ${shell(`${folder}/best/features.npy`)}`,
    `--data ${data.files.map(shell).join(' ')}`,
    `--target ${shell(target.column)}`,
    ...(data.missing.length === 0 ? [] : [`--missing ${data.missing.map(shell).join(' ')}`]),
    ...(data.delimiter === undefined ? [] : [`--delimiter ${shell(data.delimiter)}`]),
    ...(target.task === 'binary' ? ['--task binary'] : []),
    ...(target.transform === 'log' ? ['--log'] : []),
    ...(folds.count === defaults.ridge.folds.count ? [] : [`--folds ${folds.count}`]),
    ...(folds.kind === 'plain' ? ['--fold-kind plain'] : []),
    ...(seed === defaults.seed ? [] : [`--seed ${seed}`]),
    ...(alphas.join() === defaults.ridge.alphas.join() ? [] : [`--alphas ${alphas.join()}`]),
  ].join(' ');
}

function table(head: readonly string[], aligns: readonly ('left' | 'right')[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(aligns.map((align) => (align === 'right' ? '---:' : '---'))), ...rows.map(line)].join('\n');
}

/** Text from data or messages, so that nothing in it is taken for Markdown, HTML or the end of a cell. */
const text = (raw: string): string =>
  raw
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[\\`*[\]|]|(?<!\w)_|_(?!\w)/g, '\\$&')
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;');

const shell = (word: string): string => (/^[\w./:=@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
