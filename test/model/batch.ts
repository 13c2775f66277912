import { sequence, stream } from '../../src/base/rng.ts';
import type { Batch } from '../../src/engine/engine.ts';
import type { NetworkSpec } from '../../src/model/types.ts';

/** Rows with binary and numerical columns, about half of whose cells come from the next row. */
export function batchOf({ binary, numerical }: NetworkSpec, batchSize: number, seed: number): Batch {
  const width = binary + numerical;
  const draw = sequence(stream(seed, 'batch'));
  const clean = Float32Array.from({ length: batchSize * width }, (_, i) =>
    i % width < binary ? Number(draw() < 0.3) : 4 * draw() - 2,
  );
  const noisy = clean.map((value, i) => (draw() < 0.5 ? (clean[(i + width) % clean.length] ?? 0) : value));
  return { clean, noisy, mask: clean.map((value, i) => Number(value !== noisy[i])) };
}
