/** The ranking as files. Equal rankings give equal bytes: fixed column order, numbers in their shortest form that reads back the same. */
import { canonicalJson } from '../base/json.ts';
import type { Protocol } from '../config/types.ts';
import type { Metrics } from '../ridge/types.ts';
import { selectionNote } from './rank.ts';
import type { Difference, RankedTrial } from './types.ts';

type Cell = string | number | boolean | undefined;

/** One line a trial, best first, after a header; RFC 4180 with \n line ends. What a trial does not have is an empty field. */
export function rankingCsv(ranking: readonly RankedTrial[], protocol: Protocol): string {
  const parameters = [...new Set(ranking.flatMap((trial) => Object.keys(trial.parameters)))].sort();
  const folds = ranking[0]?.perFold.length ?? 0;
  const binary = ranking[0]?.metric === 'auc';
  const columns: readonly (readonly [name: string, cell: (trial: RankedTrial) => Cell])[] = [
    ['rank', (trial) => trial.rank],
    ['id', (trial) => trial.id],
    ['kind', (trial) => trial.kind],
    ...parameters.map((name) => [name, (trial: RankedTrial) => trial.parameters[name]] as const),
    ...(ranking.some(({ epochs }) => epochs !== undefined) ? [['epochs', (trial: RankedTrial) => trial.epochs] as const] : []),
    ['protocol', () => protocol],
    ['metric', (trial) => trial.metric],
    ['mean', (trial) => trial.mean],
    ['standard_error', (trial) => trial.standardError],
    ...Array.from({ length: folds }, (_, fold) => [`fold_${fold}`, (trial: RankedTrial) => trial.perFold[fold]] as const),
    ['mae', (trial) => meanAtBest(trial, 'mae')],
    ['r2', (trial) => meanAtBest(trial, 'r2')],
    ...(binary
      ? (['auc', 'accuracy'] as const).map((key) => [key, (trial: RankedTrial) => meanAtBest(trial, key)] as const)
      : []),
    ['alpha', (trial) => trial.alpha],
    ...difference('to_leader', (trial) => trial.toLeader),
    ...difference('to_raw', (trial) => trial.toRaw),
    ...difference('to_untrained', (trial) => trial.toUntrained),
    ['tie', (trial) => trial.tie],
    ['checkpoint', (trial) => trial.checkpoint],
  ];
  const lines = [columns.map(([name]) => quote(name)), ...ranking.map((trial) => columns.map(([, cell]) => quote(cell(trial))))];
  return lines.map((line) => `${line.join(',')}\n`).join('');
}

/** `{ note, protocol, trials }` with sorted keys: every field of every ranked trial, each alpha's errors included. */
export const rankingJson = (ranking: readonly RankedTrial[], protocol: Protocol): string =>
  `${canonicalJson({ note: selectionNote, protocol, trials: ranking }, 2)}\n`;

/** The mean over folds of an error at the trial's best alpha. */
export function meanAtBest(trial: RankedTrial, key: keyof Metrics): number | undefined {
  const values = trial.score.folds.map(({ metrics }) => metrics[trial.score.best]?.[key]);
  const present = values.filter((value) => value !== undefined);
  return present.length === 0 ? undefined : present.reduce((sum, value) => sum + value, 0) / present.length;
}

const difference = (name: string, of: (trial: RankedTrial) => Difference | undefined) =>
  [
    [name, (trial: RankedTrial) => of(trial)?.mean],
    [`${name}_se`, (trial: RankedTrial) => of(trial)?.standardError],
    [`${name}_p`, (trial: RankedTrial) => of(trial)?.p],
  ] as const;

function quote(cell: Cell): string {
  const text = cell === undefined ? '' : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
