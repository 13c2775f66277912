/** Finds inputs that give the target away: in real tables usually another unit, a copy or a code of it. */
import type { Column, Table } from './types.ts';

/** The share of the target's variance beyond which an input is its twin: |correlation| > 0.999. */
const twinR2 = 0.999 ** 2;

/** The squared correlation of x and y over the rows where neither is NaN; 0 if one of them is constant there or fewer than 3 rows remain. */
export function squaredCorrelation(x: Float64Array, y: Float64Array): number {
  let [n, meanX, meanY, xx, yy, xy] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < y.length; i++) {
    const [a = NaN, b = NaN] = [x[i], y[i]];
    if (Number.isNaN(a) || Number.isNaN(b)) continue;
    n++;
    const [dx, dy] = [a - meanX, b - meanY];
    meanX += dx / n;
    meanY += dy / n;
    xx += dx * (a - meanX);
    yy += dy * (b - meanY);
    xy += dx * (b - meanY);
  }
  return n < 3 || xx <= 0 || yy <= 0 ? 0 : (xy / Math.sqrt(xx) / Math.sqrt(yy)) ** 2;
}

/** The share of y's variance between the levels (eta squared), missing being one; 0 if levels have fewer than 10 rows on average. */
export function levelsR2(levels: ArrayLike<string | number | null>, y: Float64Array): number {
  const groups = new Map<string | number | null, { n: number; mean: number; squares: number }>();
  const total = { n: 0, mean: 0, squares: 0 };
  for (let i = 0; i < y.length; i++) {
    const value = y[i] ?? NaN;
    if (Number.isNaN(value)) continue;
    const level = levels[i] ?? null;
    let group = groups.get(level);
    if (group === undefined) groups.set(level, (group = { n: 0, mean: 0, squares: 0 }));
    for (const moments of [group, total]) {
      const difference = value - moments.mean;
      moments.mean += difference / ++moments.n;
      moments.squares += difference * (value - moments.mean);
    }
  }
  if (groups.size < 2 || total.squares <= 0 || total.n < 10 * groups.size) return 0;
  let within = 0;
  for (const { squares } of groups.values()) within += squares;
  return 1 - within / total.squares;
}

/**
 * A warning for every input of the training table that alone gives the target away.
 * @param targets the target's values: as used, and as in the data where those differ
 */
export function twinWarnings(
  table: Table,
  inputs: readonly { readonly name: string; readonly kind: 'categorical' | 'numerical' }[],
  numbers: (column: Column) => Float64Array,
  targets: readonly Float64Array[],
): string[] {
  return inputs.flatMap(({ name, kind }) => {
    const column = table.columns.find((candidate) => candidate.name === name);
    if (column === undefined) return [];
    const values = kind === 'numerical' ? numbers(column) : undefined;
    const r2 = Math.max(
      ...targets.map((y) => (values === undefined ? levelsR2(column.values, y) : squaredCorrelation(values, y))),
    );
    if (r2 <= twinR2) return [];
    const what =
      values === undefined ? 'determines the target' : `has a correlation of ${Math.sqrt(r2).toFixed(5)} with the target`;
    return [`"${name}" ${what}: is it the target in another form? If so, add it to data.drop.`];
  });
}
