/** Cross-validation folds over the labelled rows. */
import { NoisefoldError } from '../base/errors.ts';
import { permutation, sequence, stream } from '../base/rng.ts';
import type { FoldsConfig } from '../config/types.ts';

/**
 * The fold in which each row is held out, 0 .. count-1; -1 for rows without a label (target NaN). Fold sizes differ by one row at most
 * (grouped: as even as whole groups allow).
 *
 * plain: consecutive rows, as scikit-learn's KFold without shuffling. shuffled: the same on rows in an order drawn from `seed`. grouped: all
 * labelled rows with equal `groups` share a fold; the largest group first goes to the emptiest fold, as in scikit-learn's GroupKFold; null
 * is a group as well.
 *
 * @param countKey what says the number of folds, for messages
 *
 * Throws DATA_FOLDS if there are fewer labelled rows, or groups, than folds.
 */
export function assignFolds(
  target: Float64Array,
  config: Pick<FoldsConfig, 'count' | 'kind'>,
  groups: readonly (string | null)[] | undefined,
  seed: number,
  countKey = 'ridge.folds.count',
): Int32Array {
  const labelled: number[] = [];
  target.forEach((value, row) => {
    if (!Number.isNaN(value)) labelled.push(row);
  });
  const { count, kind } = config;
  if (count < 2 || labelled.length < count)
    throw new NoisefoldError('DATA_FOLDS', `${labelled.length} labelled rows cannot be split into ${count} folds`, {
      where: countKey,
      hint: 'There must be at least two folds, and a labelled row for each.',
    });
  const folds = new Int32Array(target.length).fill(-1);
  switch (kind) {
    case 'plain':
      consecutive(folds, labelled, count);
      return folds;
    case 'shuffled': {
      const order = permutation(labelled.length, sequence(stream(seed, 'folds')));
      consecutive(
        folds,
        Array.from(order, (i) => labelled[i] ?? 0),
        count,
      );
      return folds;
    }
    case 'grouped':
      if (groups === undefined)
        throw new NoisefoldError('DATA_FOLDS', 'grouped folds need a column of groups', { where: 'ridge.folds.column' });
      wholeGroups(folds, labelled, groups, count);
      return folds;
    default:
      return kind satisfies never;
  }
}

/**
 * The rows that an autoencoder may see when a fold is held out: the labelled rows of the other folds, ascending.
 * @param folds [rows], as of assignFolds
 */
export const trainingRows = (folds: Int32Array, heldOut: number): Uint32Array =>
  Uint32Array.from(folds.keys()).filter((row) => folds[row]! >= 0 && folds[row] !== heldOut);

function consecutive(folds: Int32Array, rows: readonly number[], count: number): void {
  const size = Math.floor(rows.length / count);
  const larger = rows.length % count;
  let next = 0;
  for (let fold = 0; fold < count; fold++)
    for (let end = next + size + (fold < larger ? 1 : 0); next < end; next++) folds[rows[next] ?? 0] = fold;
}

function wholeGroups(folds: Int32Array, rows: readonly number[], groups: readonly (string | null)[], count: number): void {
  const members = new Map<string | null, number[]>();
  for (const row of rows) {
    const group = groups[row] ?? null;
    const known = members.get(group);
    if (known === undefined) members.set(group, [row]);
    else known.push(row);
  }
  if (members.size < count)
    throw new NoisefoldError('DATA_FOLDS', `${members.size} groups cannot be split into ${count} folds`, {
      where: 'ridge.folds.count',
    });
  const loads = new Array<number>(count).fill(0);
  // Array.prototype.sort is stable, so that equal sizes stay in the order of their first rows.
  for (const group of [...members.values()].sort((a, b) => b.length - a.length)) {
    const fold = loads.indexOf(Math.min(...loads));
    loads[fold] = (loads[fold] ?? 0) + group.length;
    for (const row of group) folds[row] = fold;
  }
}
