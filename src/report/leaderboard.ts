/** The ranking as a table for a terminal. */
import { differencePlusMinus, duration, percent, plusMinus, significant } from '../base/units.ts';
import type { ParameterValues } from '../config/types.ts';
import type { Difference, RankedTrial } from '../rank/types.ts';
import { briefNames, metricNames, type Paint, relative, shortNames, unpainted } from './model.ts';
import * as table from './table.ts';
import { verdict } from './verdict.ts';

export interface LeaderboardOptions {
  readonly ranking: readonly RankedTrial[];
  /** Wall seconds by trial id. */
  readonly seconds: ReadonlyMap<string, number>;
  /** Characters a line; columns that matter less are shortened or left out until the table fits; what was searched goes last. No limit when left out. */
  readonly width?: number | undefined;
  /** Trained trials to show; the baselines are always shown. */
  readonly top?: number | undefined;
  readonly paint?: Paint | undefined;
}

/** The table, and below it what it means. Ends with a newline; empty where nothing was scored. */
export function leaderboard({ ranking, seconds, width = Infinity, top = 20, paint = unpainted }: LeaderboardOptions): string {
  const [first] = ranking;
  if (first === undefined) return '';
  const shown = shownOf(ranking, top);
  const parameters = [...new Set(ranking.flatMap((trial) => Object.keys(trial.parameters)))];
  const all = columnsOf(ranking, metricNames[first.metric], seconds, paint);
  const columns = table.fitted(all, shown, width, sacrifices(parameters));
  const leftOut = parameters.filter((path) => !columns.some(({ name }) => name === path)).length;
  const rest = ranking.length - shown.length;
  return [
    table.renderTable(columns, shown, paint),
    ...(rest > 0 ? [paint.dim(`and ${rest} more in ranking.csv`)] : []),
    ...(leftOut > 0 ? [paint.dim(`${leftOut} more ${leftOut === 1 ? 'parameter' : 'parameters'} in ranking.csv`)] : []),
    '',
    ...verdict(ranking).flatMap((sentence) => table.wrap(sentence, width)),
    '',
  ].join('\n');
}

type Column = table.TableColumn<RankedTrial>;
type Sacrifice = table.Sacrifice<RankedTrial>;

/** What a narrow terminal costs, cheapest first. The searched parameters go last, from the right. */
function sacrifices(parameters: readonly string[]): readonly Sacrifice[] {
  const brief = briefNames(parameters);
  return [
    table.drop('alpha'),
    table.drop('time'),
    table.change(parameters, ({ name, head }) => ({ head: brief.get(name) ?? head })),
    table.change(['to the best'], () => ({
      cell: ({ toLeader: to }) => (to === undefined ? '' : significant(to.mean, 2, 'signed')),
    })),
    table.drop('to raw'),
    table.drop('to the best'),
    table.change(['to untrained'], () => ({ head: 'untrained' })),
    table.change(['score'], () => ({ cell: ({ mean }) => significant(mean) })),
    table.drop('to untrained'),
    ...parameters.toReversed().map((path): Sacrifice => table.drop(path)),
  ];
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
  paint: Paint,
): readonly Column[] {
  const best = ranking.find(({ kind }) => kind === 'trained');
  const brush = (text: string, trial: RankedTrial): string =>
    trial === best ? paint.green(text) : trial.kind === 'trained' ? text : paint.dim(text);
  const column = (name: string, align: Column['align'], cell: Column['cell'], head = name): Column => ({
    name,
    head,
    align,
    cell,
    paint: brush,
  });
  return [
    column('rank', 'right', ({ rank, tie }) => `${rank}${tie ? ' =' : '  '}`, ''),
    column('trial', 'left', ({ id }) => id),
    ...[...shortNames(ranking.map(({ parameters }) => parameters))].map(([path, head]) =>
      column(path, 'right', (trial) => parameterValue(trial.parameters[path]), head),
    ),
    ...(ranking.some(({ epochs }) => epochs !== undefined)
      ? [column('epochs', 'right', ({ epochs }) => String(epochs ?? ''))]
      : []),
    column('score', 'left', ({ mean, standardError }) => plusMinus(mean, standardError), metric),
    column('to the best', 'left', toLeader),
    column('to untrained', 'right', (trial) => change(trial, trial.toUntrained)),
    column('to raw', 'right', (trial) => change(trial, trial.toRaw)),
    column('alpha', 'right', ({ alpha }) => parameterValue(alpha)),
    column('time', 'right', ({ id }) => (seconds.has(id) ? duration(seconds.get(id) ?? NaN) : '')),
  ];
}
