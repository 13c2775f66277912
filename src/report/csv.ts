/** Tables for other programs: RFC 4180 with \n, numbers in the shortest form that reads back to the same double, nothing where there is no value. */
import type { TaskFold } from '../plan/types.ts';
import type { HistoryRow } from '../train/types.ts';
import type { EffectiveCorruption } from '../train/types.ts';
import type { LearningCurve } from './model.ts';

export interface TimingRow {
  readonly trial: string;
  readonly fold: TaskFold;
  /** Of successive halving, from 1. */
  readonly rung?: number | undefined;
  /** Leases that it took. */
  readonly attempts: number;
  readonly worker: string | undefined;
  /** Wall seconds of the attempt that finished, training and scoring. */
  readonly seconds: number;
  readonly engine: string;
}

type Field = string | number | undefined;

export const timingsCsv = (rows: readonly TimingRow[]): string =>
  csv(
    ['trial', 'fold', ...rungOf(rows, 'rung'), 'attempts', 'worker', 'seconds', 'engine'],
    rows.map(({ trial, fold, rung, attempts, worker, seconds, engine }) => [
      ...[trial, fold, ...rungOf(rows, rung)],
      ...[attempts, worker, seconds, engine],
    ]),
  );

const rungOf = <T>(rows: readonly TimingRow[], cell: T): readonly T[] =>
  rows.some(({ rung }) => rung !== undefined) ? [cell] : [];

/** Of successive halving: a row a trial and rung, the best first in each. */
export interface RungRow {
  /** From 1. */
  readonly rung: number;
  readonly epochs: number;
  readonly trial: string;
  /** Of the study's metric at the best alpha; undefined where the trial was not scored there. */
  readonly mean: number | undefined;
  /** Whether it went on to the next rung; undefined at the last one, and before that is decided. */
  readonly promoted: boolean | undefined;
}

export const rungsCsv = (rows: readonly RungRow[]): string =>
  csv(
    ['rung', 'epochs', 'trial', 'mean', 'promoted'],
    rows.map(({ rung, epochs, trial, mean, promoted }) => [
      rung,
      epochs,
      trial,
      mean,
      promoted === undefined ? undefined : String(promoted),
    ]),
  );

/** One row an epoch; epochs are counted from 1, as on the terminal, and `step` is the number of steps done at its end. */
export const historyCsv = (history: readonly HistoryRow[]): string =>
  csv(
    ['epoch', 'step', 'loss', 'learningRate', 'corruption'],
    history.map(({ epoch, step, loss, learningRate, corruption }) => [epoch + 1, step, loss, learningRate, corruption]),
  );

export const learningCurveCsv = (curves: readonly LearningCurve[]): string =>
  csv(
    ['features', 'labels', 'draws', 'mean', 'standardError'],
    curves.flatMap(({ name, points }) => points.map((at) => [name, at.labels, at.draws, at.mean, at.standardError])),
  );

export const corruptionCsv = (columns: readonly EffectiveCorruption[]): string =>
  csv(
    ['column', 'nominal', 'effective'],
    columns.map(({ column, nominal, effective }) => [column, nominal, effective]),
  );

/** The fold in which each labelled row was held out, from 0; rows without a target are left out. `ids` and `folds` are of all rows. */
export const foldsCsv = (idName: string, ids: readonly string[], folds: Int32Array): string =>
  csv(
    [idName, 'fold'],
    ids.flatMap((id, row) => ((folds[row] ?? -1) < 0 ? [] : [[id, folds[row]]])),
  );

function csv(head: readonly string[], rows: readonly (readonly Field[])[]): string {
  return [head, ...rows].map((row) => row.map(field).join(',') + '\n').join('');
}

function field(value: Field): string {
  if (value === undefined || Number.isNaN(value)) return '';
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
