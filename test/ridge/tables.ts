/** The tables of bench/ridge.py, element by element, so that scikit-learn's golden numbers can be stored without their data. */

/** splitmix32 of seed + 1 .. seed + count, as numbers in [0, 1). */
export function uniform(count: number, seed: number): Float64Array {
  return Float64Array.from({ length: count }, (_, i) => {
    let z = (Math.imul(i + 1, 0x9e3779b9) + seed) >>> 0;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad) >>> 0;
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97) >>> 0;
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  });
}

export interface TestTable {
  readonly rows: number;
  readonly width: number;
  readonly features: Float32Array;
  readonly target: Float64Array;
}

/** @param name plain, shifted (large means, mixed scales), onehot (singular without a penalty), wide, binary */
export function testTable(name: string, rows: number, width: number, seed: number): TestTable {
  const u = uniform(rows * width, seed);
  const noise = uniform(rows, seed + 1);
  const features = new Float32Array(rows * width);
  const scales = [0.01, 0.1, 1, 10, 100];
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < width; j++) {
      const at = i * width + j;
      const x = u[at]! - 0.5;
      if (name === 'shifted') features[at] = (x + (j % 4) * 250) * scales[j % 5]!;
      else if (name === 'onehot' && j < 5) features[at] = Math.floor(u[i * width]! * 5) === j ? 1 : 0;
      else if (name === 'onehot' && j === 5) features[at] = 1;
      else if (name === 'onehot' && j === 6) features[at] = u[at + 1]! - 0.5;
      else features[at] = x;
    }
  const away = (i: number, j: number): number => features[i * width + j]! - features[j]!;
  const scale = Array.from({ length: width }, (_, j) => {
    let largest = 1e-12;
    for (let i = 0; i < rows; i++) largest = Math.max(largest, Math.abs(away(i, j)));
    return largest;
  });
  let target = noise.map((value, i) => value - 0.5 + scale.reduce((sum, s, j) => sum + (away(i, j) / s) * Math.cos(j), 0));
  if (name === 'binary') {
    const sorted = target.slice().sort();
    const median = (sorted[rows / 2 - 1]! + sorted[rows / 2]!) / 2;
    target = target.map((value) => (value > median ? 1 : 0));
  }
  return { rows, width, features, target };
}

/** Cuts a table into batches of the sizes given, over and over. */
export function* batchesOf(
  table: TestTable,
  sizes: readonly number[],
): Generator<{ start: number; rows: number; features: Float32Array }> {
  for (let start = 0, turn = 0; start < table.rows; turn++) {
    const rows = Math.min(sizes[turn % sizes.length]!, table.rows - start);
    yield { start, rows, features: table.features.slice(start * table.width, (start + rows) * table.width) };
    start += rows;
  }
}
