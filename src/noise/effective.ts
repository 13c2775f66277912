/** What the noise really does to each source column of a table, beside its nominal swap probability. */
import type { PreparedData } from '../dataset/types.ts';
import type { EffectiveCorruption } from '../train/types.ts';
import type { Noise } from './noise.ts';

/**
 * Measures the share of rows in which a source column changed (for a one-hot group: in which the level changed).
 * @param batches row indices of the batches of epoch 0, in order; all of one size
 * @param maxRows stops after the first batch that reaches so many rows
 */
export function effectiveCorruption(
  noise: Noise,
  data: Pick<PreparedData, 'inputs' | 'layout'>,
  batches: Iterable<Uint32Array>,
  maxRows = Infinity,
): EffectiveCorruption[] {
  const { inputs, layout } = data;
  const changed = layout.sources.map(() => 0);
  let rows = 0;
  let batch = 0;
  for (const batchRows of batches) {
    const size = batchRows.length * inputs.cols;
    const mask = new Float32Array(size);
    noise.corrupt({
      epoch: 0,
      batch,
      rows: batchRows,
      inputs,
      noisy: new Float32Array(size),
      clean: new Float32Array(size),
      mask,
    });
    for (let start = 0; start < size; start += inputs.cols)
      layout.sources.forEach(({ encoded }, s) => {
        if (encoded.some((column) => mask[start + column] === 1)) changed[s] = (changed[s] ?? 0) + 1;
      });
    rows += batchRows.length;
    batch++;
    if (rows >= maxRows) break;
  }
  return layout.sources.map(({ name }, s) => ({
    column: name,
    nominal: noise.probabilities[s] ?? 0,
    effective: rows === 0 ? 0 : (changed[s] ?? 0) / rows,
  }));
}
