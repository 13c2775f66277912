/** The study that bench/data.ts prepares and trains: the competition's columns and noise. */
import { join } from 'node:path';
import { parseSweep } from '../src/config/parse.ts';
import type { SweepConfig } from '../src/config/types.ts';

const reference = { kind: 'transformer', tokens: 8, tokenSize: 128, heads: 8, feedForward: 512, layers: 3 } as const;
const small = { ...reference, tokenSize: 32, feedForward: 128 } as const;

/** A study of one trial. JSON is YAML, too. */
export function parse(folder: string, size: 'reference' | 'small' = 'reference'): SweepConfig {
  const text = {
    study: 'bench',
    seed: 1,
    data: { train: join(folder, 'train.csv'), id: 'id', target: { column: 'target', task: 'regression' } },
    noise: { flavour: 'group', swapProbability: { categorical: 0.6, numerical: 0.25 } },
    model: size === 'reference' ? reference : small,
    training: { epochs: 1, batchSize: 384, learningRate: 0.0003, learningRateDecay: 0.998 },
    search: { sampler: 'sobol', trials: 1 },
  };
  return parseSweep(JSON.stringify(text, undefined, 2), 'bench.yaml');
}
