/** Ridge the slow and careful way: a QR factorisation of the centred columns with sqrt(alpha) I below them, so that no Gram squares the condition. */
import type { TestTable } from './tables.ts';

/** [features + 1]: the weights and the intercept. */
export function qrRidge({ rows, width, features, target }: TestTable, alpha: number): Float64Array {
  const tall = rows + width;
  const columns = Array.from({ length: width }, (_, j) => {
    const column = new Float64Array(tall);
    for (let i = 0; i < rows; i++) column[i] = features[i * width + j]!;
    centre(column, rows);
    column[rows + j] = Math.sqrt(alpha);
    return column;
  });
  const means = Array.from({ length: width }, (_, j) => {
    let sum = 0;
    for (let i = 0; i < rows; i++) sum += features[i * width + j]!;
    return sum / rows;
  });
  const y = new Float64Array(tall);
  y.set(target);
  const targetMean = centre(y, rows);

  // Householder; R stays on and above the diagonal of `columns`. Columns by falling norm, so that scales do not mix.
  const order = [...columns.keys()].sort((a, b) => norm(columns[b]!) - norm(columns[a]!));
  for (let k = 0; k < width; k++) {
    const v = columns[order[k]!]!.slice(k);
    const length = norm(v);
    const diagonal = v[0]! > 0 ? -length : length;
    v[0]! -= diagonal;
    const half = v.reduce((sum, x) => sum + x * x, 0) / 2;
    for (const column of [...order.slice(k).map((j) => columns[j]!), y]) {
      let dot = 0;
      for (let i = 0; i < v.length; i++) dot += v[i]! * column[k + i]!;
      dot /= half;
      for (let i = 0; i < v.length; i++) column[k + i]! -= dot * v[i]!;
    }
  }
  const weights = new Float64Array(width + 1);
  for (let k = width - 1; k >= 0; k--) {
    let sum = y[k]!;
    for (let l = k + 1; l < width; l++) sum -= columns[order[l]!]![k]! * weights[order[l]!]!;
    weights[order[k]!] = sum / columns[order[k]!]![k]!;
  }
  weights[width] = means.reduce((intercept, mean, j) => intercept - mean * weights[j]!, targetMean);
  return weights;
}

const norm = (x: Float64Array): number => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0));

function centre(column: Float64Array, rows: number): number {
  let sum = 0;
  for (let i = 0; i < rows; i++) sum += column[i]!;
  for (let i = 0; i < rows; i++) column[i]! -= sum / rows;
  return sum / rows;
}
