/** What a user may ask for (SweepConfig) and what one trial runs (TrialConfig). The zod schema in schema/sweep.ts is held to these types. */

export const noiseFlavours = ['group', 'reference'] as const;
export type NoiseFlavour = (typeof noiseFlavours)[number];

export const samplerNames = ['grid', 'random', 'sobol'] as const;
export type SamplerName = (typeof samplerNames)[number];

export const engineNames = ['auto', 'onnx', 'tensorflow', 'tensorflow-eager', 'wasm', 'cpu'] as const;
export type EngineName = (typeof engineNames)[number];

/** Where the onnx engine computes. */
export const deviceNames = ['auto', 'cpu', 'webgpu', 'cuda'] as const;
export type DeviceName = (typeof deviceNames)[number];

/** What one autoencoder is trained on; see docs/protocols.md. */
export const protocolNames = ['transductive', 'inductive'] as const;
export type Protocol = (typeof protocolNames)[number];

/** What becomes of the features of several autoencoders, one a fold. */
export const foldFeatures = ['concatenate', 'average'] as const;
export type FoldFeatures = (typeof foldFeatures)[number];

export const foldKinds = ['plain', 'shuffled', 'grouped'] as const;
export type FoldKind = (typeof foldKinds)[number];

/** A value to be searched for. `integer` draws whole numbers, both ends included; the others are half-open. */
export type Distribution =
  | { readonly choice: readonly (number | string)[] }
  | { readonly uniform: readonly [low: number, high: number] }
  | { readonly logUniform: readonly [low: number, high: number] }
  | { readonly integer: readonly [low: number, high: number] };

/** A fixed value, or a distribution to draw it from. */
export type Searchable<T extends number | string> = T | Distribution;

export interface TargetConfig {
  readonly column: string;
  readonly task: 'regression' | 'binary';
  /** `log`: the ridge predicts log(target); errors are in that unit. Predictions are transformed back. */
  readonly transform: 'none' | 'log';
}

export interface DataConfig {
  /** Resolved against the configuration file's folder. CSV, CSV.gz or Parquet. */
  readonly train: string;
  /** Rows without the target: they take part in training the autoencoder, and get predictions. */
  readonly test?: string | undefined;
  readonly target: TargetConfig;
  /** A column that identifies a row; never an input. */
  readonly id?: string | undefined;
  readonly drop: readonly string[];
  /** Overrides of what was inferred from the values. */
  readonly kinds: Readonly<Record<string, 'categorical' | 'numerical'>>;
  /** Field texts that stand for a missing value. The empty field always does. */
  readonly missing: readonly string[];
  /** CSV delimiter; inferred from the header when left out. */
  readonly delimiter?: string | undefined;
  /** Categorical levels with fewer rows than this share one level, "(rare)". */
  readonly rareBelow: number;
}

/**
 * The swap probability of each source column, from the most special to the most general: `columns` by name, then `levels` for
 * categorical columns by their number of levels ("2", "3-8", "9+"), then the kind.
 */
export interface SwapProbabilitySpace {
  readonly numerical: Searchable<number>;
  readonly categorical: Searchable<number>;
  readonly levels: Readonly<Record<string, Searchable<number>>>;
  readonly columns: Readonly<Record<string, Searchable<number>>>;
}

export interface NoiseSpace {
  readonly flavour: NoiseFlavour;
  readonly swapProbability: SwapProbabilitySpace;
}

export interface TransformerSpace {
  readonly kind: 'transformer';
  readonly tokens: Searchable<number>;
  readonly tokenSize: Searchable<number>;
  readonly heads: Searchable<number>;
  readonly feedForward: Searchable<number>;
  readonly layers: Searchable<number>;
}

export interface MlpSpace {
  readonly kind: 'mlp';
  readonly units: Searchable<number>;
  readonly layers: Searchable<number>;
}

export type ModelSpace = TransformerSpace | MlpSpace;

export interface LossConfig {
  /** Weight of the corrupted cells; the clean ones get 1 - emphasis. In [0, 1]. The reference has 0.75. */
  readonly emphasis: number;
  /** Weight of the mask head's loss. The reference has 2. */
  readonly maskWeight: number;
}

export interface TrainingSpace {
  readonly epochs: Searchable<number>;
  readonly batchSize: Searchable<number>;
  readonly learningRate: Searchable<number>;
  /** The learning rate is multiplied by this after each epoch. */
  readonly learningRateDecay: Searchable<number>;
  readonly loss: LossConfig;
  /** A checkpoint is written after every so many epochs, and on a stop. */
  readonly checkpointEveryEpochs: number;
  /** Features come from the mean of the weights at the ends of the last so many epochs; 1: from the last ones. */
  readonly averageLast: number;
}

export interface FeaturesConfig {
  /** Which hidden layers are features: all of them (as the reference), the last, or these by index from 0. */
  readonly layers: 'all' | 'last' | readonly number[];
  /** Whether the encoded inputs join the features. */
  readonly inputs: boolean;
}

/** Of a study: `folds` says how the best trial's autoencoders are put together where there is one a fold (the inductive protocol). */
export interface StudyFeaturesConfig extends FeaturesConfig {
  readonly folds: FoldFeatures;
}

export interface FoldsConfig {
  readonly count: number;
  readonly kind: FoldKind;
  /** The column whose values may not be split across folds; with kind `grouped` only. */
  readonly column?: string | undefined;
}

export interface LearningCurveConfig {
  /** Numbers of labels to fit ridge on; sizes that the data do not have are left out. */
  readonly labels: readonly number[];
  /** Random draws a size. */
  readonly draws: number;
}

export interface RidgeConfig {
  /** Penalties to try, ascending, each > 0. The penalty multiplies |w|^2 where the loss is the sum of squares (as in scikit-learn). */
  readonly alphas: readonly number[];
  readonly folds: FoldsConfig;
  readonly learningCurve: LearningCurveConfig;
}

/**
 * Successive halving: all trials are trained for a few epochs and scored; the best one in `factor` goes on to `factor` times as many, until the last have had all.
 * deterministic: a rung is decided when all of its trials are scored. eager: a worker that would wait trains the best of those that are scored on, and the rung is decided
 * again, for what was missed, when all are.
 */
export const halvingModes = ['deterministic', 'eager'] as const;

export interface HalvingConfig {
  /** > 1: one trial in so many goes on. */
  readonly factor: number;
  /** How many; the last one is the whole training. */
  readonly rungs: number;
  readonly mode: (typeof halvingModes)[number];
}

export interface SearchConfig {
  readonly sampler: SamplerName;
  readonly trials: number;
  /** Absent: every trial gets all epochs. */
  readonly halving?: HalvingConfig | undefined;
}

export interface WorkersConfig {
  /** Local worker processes; `auto`: one a core, at most the number of trials. */
  readonly count: number | 'auto';
  /** Engine threads a worker; `auto`: so that workers x threads = cores. */
  readonly threads: number | 'auto';
  readonly engine: EngineName;
  readonly device: DeviceName;
}

export interface CheckpointsConfig {
  /** Final checkpoints of trained trials: of all, or of the best so many. */
  readonly keep: 'all' | { readonly best: number };
}

export interface SweepConfig {
  /** Names the study and its folder: letters, digits, `-`, `_` and `.`. */
  readonly study: string;
  readonly seed: number;
  readonly protocol: Protocol;
  readonly data: DataConfig;
  readonly noise: NoiseSpace;
  readonly model: ModelSpace;
  readonly training: TrainingSpace;
  readonly features: StudyFeaturesConfig;
  readonly ridge: RidgeConfig;
  readonly search: SearchConfig;
  readonly workers: WorkersConfig;
  readonly checkpoints: CheckpointsConfig;
  /** The folder that holds the study's folder; relative to where the command is run. */
  readonly output: string;
}

/** One value for every searched parameter, by its path: `noise.numerical`, `noise.levels.3-8`, `noise.columns.carat`, `training.learningRate`. */
export type ParameterValues = Readonly<Record<string, number | string>>;

export interface NoiseConfig {
  readonly flavour: NoiseFlavour;
  /** One probability in [0, 1] for every source column of the layout, by name. */
  readonly swapProbability: Readonly<Record<string, number>>;
}

export type ModelConfig =
  | {
      readonly kind: 'transformer';
      readonly tokens: number;
      readonly tokenSize: number;
      readonly heads: number;
      readonly feedForward: number;
      readonly layers: number;
    }
  | { readonly kind: 'mlp'; readonly units: number; readonly layers: number };

export interface TrainingConfig {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly learningRateDecay: number;
  readonly loss: LossConfig;
  readonly checkpointEveryEpochs: number;
  /** Absent: 1. */
  readonly averageLast?: number | undefined;
}

/** Everything that decides a trial's numbers, next to the data and the study's seed. */
export interface TrialConfig {
  readonly noise: NoiseConfig;
  readonly model: ModelConfig;
  readonly training: TrainingConfig;
  readonly features: FeaturesConfig;
}
