import type {
  CheckpointsConfig,
  MlpSpace,
  NoiseSpace,
  RidgeConfig,
  SearchConfig,
  StudyFeaturesConfig,
  TrainingSpace,
  TransformerSpace,
  WorkersConfig,
} from './types.ts';

/** What a key that is left out means. Sized so that a table of 50,000 rows trains in about a minute on two cores. */
export const defaults = {
  seed: 1,
  protocol: 'transductive',
  output: 'runs',
  target: { task: 'regression', transform: 'none' },
  data: { drop: [], kinds: {}, missing: [], rareBelow: 1 },
  noise: { flavour: 'group', swapProbability: { numerical: 0.25, categorical: 0.5, levels: {}, columns: {} } },
  transformer: { kind: 'transformer', tokens: 8, tokenSize: 32, heads: 4, feedForward: 128, layers: 3 },
  mlp: { kind: 'mlp', units: 256, layers: 3 },
  training: {
    epochs: 10,
    batchSize: 384,
    learningRate: 1e-3,
    // The reference has 0.998 over 2,001 epochs; a run of ten epochs has to cool down faster.
    learningRateDecay: 0.95,
    loss: { emphasis: 0.75, maskWeight: 2 },
    checkpointEveryEpochs: 1,
    averageLast: 1,
  },
  features: { layers: 'all', inputs: false, folds: 'concatenate' },
  ridge: {
    // Closer together where most tables have their best: a ridge path is flat around it.
    alphas: [0.001, 0.01, 0.1, 0.5, 2, 10, 50, 200, 1_000, 5_000, 20_000, 100_000],
    folds: { count: 5, kind: 'shuffled' },
    learningCurve: { labels: [200, 1_000, 4_000], draws: 5 },
  },
  // Of halving: what its section means where it is there.
  search: { sampler: 'sobol', trials: 12, halving: { factor: 3, rungs: 2, mode: 'deterministic' } },
  workers: { count: 'auto', threads: 'auto', engine: 'auto', device: 'auto' },
  checkpoints: { keep: 'all' },
} as const satisfies {
  noise: NoiseSpace;
  transformer: TransformerSpace;
  mlp: MlpSpace;
  training: TrainingSpace;
  features: StudyFeaturesConfig;
  ridge: RidgeConfig;
  search: SearchConfig;
  workers: WorkersConfig;
  checkpoints: CheckpointsConfig;
  [key: string]: unknown;
};
