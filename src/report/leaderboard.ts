/** The ranking as a table for a terminal. */
import Table from 'cli-table3';
import { differencePlusMinus, duration, percent, plusMinus } from '../base/units.ts';
import type { ParameterValues } from '../config/types.ts';
import type { Difference, RankedTrial } from '../rank/types.ts';
import { metricNames, type Paint, relative, shortNames, unpainted } from './model.ts';
import { verdict } from './verdict.ts';

export interface LeaderboardOptions {
  readonly ranking: readonly RankedTrial[];
  /** Wall seconds by trial id. */
  readonly seconds: ReadonlyMap<string, number>;
  /** Characters a line; columns that matter less are left out until the table fits. No limit when left out. */
  readonly width?: number | undefined;
  /** Trained trials to show; the baselines are always shown. */
  readonly top?: number | undefined;
  readonly paint?: Paint | undefined;
}

interface TableColumn {
  readonly head: string;
  readonly align: 'left' | 'right';
  /** The least needed columns go first when the table is too wide; the needed ones stay. */
  readonly need: number;
  readonly cell: (trial: RankedTrial) => string;
}

const needed = Infinity;
/** With more searched parameters than this, they share a column. */
const parameterColumns = 4;

/** The table, and below it what it means. Ends with a newline; empty where nothing was scored. */
export function leaderboard({ ranking, seconds, width = Infinity, top = 20, paint = unpainted }: LeaderboardOptions): string {
  const [first] = ranking;
  if (first === undefined) return '';
  let columns = columnsOf(ranking, metricNames[first.metric], seconds);
  const shown = shownOf(ranking, top);
  while (widthOf(render(columns, shown, unpainted)) > width) {
    const least = Math.min(...columns.map(({ need }) => need));
    if (least === needed) break;
    columns = columns.filter(({ need }) => need !== least);
  }
  const rest = ranking.length - shown.length;
  return [
    render(columns, shown, paint),
    ...(rest > 0 ? [paint.dim(`and ${rest} more in ranking.csv`)] : []),
    '',
    ...verdict(ranking).flatMap((sentence) => wrap(sentence, width)),
    '',
  ].join('\n');
}

/** The first so many trained trials, and every baseline. */
export function shownOf(ranking: readonly RankedTrial[], top: number): readonly RankedTrial[] {
  let trained = 0;
  return ranking.filter(({ kind }) => kind !== 'trained' || ++trained <= top);
}

/** `−10.4 %`: the change of the metric against a baseline. */
export const change = (trial: RankedTrial, difference: Difference | undefined): string =>
  difference === undefined ? '' : percent(relative(trial.mean, difference), 'signed');

export const toLeader = ({ toLeader: difference }: RankedTrial): string =>
  difference === undefined ? '' : differencePlusMinus(difference.mean, difference.standardError);

/** A searched value, or a penalty, in at most four digits. */
export const parameterValue = (value: number | string | undefined): string =>
  typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toPrecision(4))) : String(value ?? '');

/** `numerical p 0.12, learningRate 0.0003` */
export const parameterText = (values: ParameterValues, names: ReadonlyMap<string, string>): string =>
  Object.entries(values)
    .map(([path, value]) => `${names.get(path) ?? path} ${parameterValue(value)}`)
    .join(', ');

function columnsOf(
  ranking: readonly RankedTrial[],
  metric: string,
  seconds: ReadonlyMap<string, number>,
): readonly TableColumn[] {
  const names = shortNames(ranking.map(({ parameters }) => parameters));
  const parameters: TableColumn[] =
    names.size > parameterColumns
      ? [{ head: 'parameters', align: 'left', need: 1, cell: (trial) => parameterText(trial.parameters, names) }]
      : [...names].map(([path, head]) => ({
          head,
          align: 'right',
          need: 5,
          cell: (trial) => parameterValue(trial.parameters[path]),
        }));
  return [
    {
      head: '',
      align: 'right',
      need: needed,
      cell: ({ rank, tie }) => `${rank}${tie ? ' =' : '  '}`,
    },
    { head: 'trial', align: 'left', need: needed, cell: ({ id }) => id },
    ...parameters,
    { head: metric, align: 'left', need: needed, cell: ({ mean, standardError }) => plusMinus(mean, standardError) },
    { head: 'to the best', align: 'left', need: 2, cell: toLeader },
    { head: 'to untrained', align: 'right', need: 6, cell: (trial) => change(trial, trial.toUntrained) },
    { head: 'to raw', align: 'right', need: 4, cell: (trial) => change(trial, trial.toRaw) },
    { head: 'alpha', align: 'right', need: 0, cell: ({ alpha }) => parameterValue(alpha) },
    { head: 'time', align: 'right', need: 3, cell: ({ id }) => (seconds.has(id) ? duration(seconds.get(id) ?? NaN) : '') },
  ];
}

const none = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
};
const borderless = { ...none, left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' };

function render(columns: readonly TableColumn[], trials: readonly RankedTrial[], paint: Paint): string {
  const table = new Table({
    chars: borderless,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: columns.map(({ align }) => align),
    head: columns.map(({ head }) => paint.bold(head)),
  });
  const best = trials.find(({ kind }) => kind === 'trained');
  for (const trial of trials) {
    const colour = trial === best ? paint.green : trial.kind === 'trained' ? (text: string) => text : paint.dim;
    table.push(
      columns.map(({ cell }) => {
        const text = oneLine(cell(trial));
        return text === '' ? '' : colour(text);
      }),
    );
  }
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

const widthOf = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));

/** Column names come from data: no line breaks, no escape codes. */
const oneLine = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

function wrap(sentence: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of sentence.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
