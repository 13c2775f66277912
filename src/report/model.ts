/** What a finished study has to say: the one input of every rendering. */
import type { FoldsConfig, ParameterValues, TargetConfig } from '../config/types.ts';
import type { Difference, RankedTrial } from '../rank/types.ts';
import type { LearningCurvePoint } from '../ridge/types.ts';
import type { EffectiveCorruption } from '../train/types.ts';

export type Metric = RankedTrial['metric'];

export interface TrialFailure {
  readonly trial: string;
  readonly code: string;
  readonly message: string;
}

/** Errors over the number of labels, of one feature set. */
export interface LearningCurve {
  /** `raw`, `untrained-1`, `trial-0003`. */
  readonly name: string;
  readonly points: readonly LearningCurvePoint[];
}

export interface DataSummary {
  /** The train file, then the test file if there is one: as a command names them. */
  readonly files: readonly string[];
  /** How CSV files are read, where the study says so. */
  readonly missing: readonly string[];
  readonly delimiter: string | undefined;
  /** Of the train and the test file together. */
  readonly rows: number;
  /** Rows with a target. */
  readonly labelled: number;
  /** Source columns that became inputs. */
  readonly columns: number;
  /** Encoded inputs. */
  readonly inputs: number;
}

/** One of the training budgets of successive halving. */
export interface RungSize {
  readonly epochs: number;
  /** Trials that got there. */
  readonly trials: number;
}

export interface StudyReport {
  readonly study: string;
  readonly protocol: 'transductive' | 'inductive';
  readonly metric: Metric;
  readonly target: TargetConfig;
  readonly seed: number;
  readonly folds: FoldsConfig;
  /** What ran the network: one name, or several where workers differed. */
  readonly engines: readonly string[];
  /** The version that wrote it. */
  readonly noisefold: string;
  /** Best first, baselines among them. */
  readonly ranking: readonly RankedTrial[];
  /** Where trials were compared before they were trained to the end. */
  readonly halving?: { readonly mode: 'deterministic' | 'eager'; readonly rungs: readonly RungSize[] } | undefined;
  readonly failures: readonly TrialFailure[];
  /** Wall seconds by trial id. */
  readonly seconds: Readonly<Record<string, number>>;
  /** Of the best trained trial. */
  readonly corruption: readonly EffectiveCorruption[];
  readonly learningCurve: readonly LearningCurve[];
  readonly data: DataSummary;
  readonly warnings: readonly string[];
}

/** What a renderer may do to a piece of text; picocolors' functions fit. */
export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly green: (text: string) => string;
  readonly cyan: (text: string) => string;
  readonly red: (text: string) => string;
}

const same = (text: string): string => text;
export const unpainted: Paint = { bold: same, dim: same, green: same, cyan: same, red: same };

export const metricNames = { rmse: 'RMSE', auc: 'AUC' } as const satisfies Record<Metric, string>;

/** Whether a difference (this minus the other) is a gain. */
export const isBetter = (metric: Metric, difference: number): boolean => (metric === 'rmse' ? difference < 0 : difference > 0);

/** A difference as a share of the other's mean; `mean` is this one's. The means are over the same folds, so the other's is mean - difference. */
export const relative = (mean: number, difference: Difference): number => difference.mean / (mean - difference.mean);

/**
 * Searched parameters by the names of a table's head: `noise.numerical` is `numerical p`, `noise.levels.3-8` is `3-8 levels p`,
 * `noise.columns.carat` is `carat p`, `training.learningRate` is `learningRate`. Names that would clash stay whole.
 */
export function shortNames(rows: readonly ParameterValues[]): ReadonlyMap<string, string> {
  const paths = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const shorts = paths.map(shortName);
  return new Map(
    paths.map((path, i) => [path, shorts.filter((other) => other === shorts[i]).length > 1 ? path : shortName(path)]),
  );
}

function shortName(path: string): string {
  const [, section, name] = /^(noise\.levels|noise\.columns|noise|model|training)\.(.*)$/s.exec(path) ?? [];
  if (section === undefined || name === undefined) return path;
  if (section === 'noise.levels') return `${name} levels p`;
  return section.startsWith('noise') ? `${name} p` : name;
}

const briefWords: Readonly<Record<string, string>> = {
  numerical: 'num',
  categorical: 'cat',
  levels: 'lv',
  learningRate: 'rate',
  learningRateDecay: 'decay',
  batchSize: 'batch',
  feedForward: 'ff',
  tokenSize: 'size',
};
const briefLength = 10;

/** As shortNames, for narrow tables: `num p`, `3-8 lv p`, `rate`; long column names are cut. Names that would clash stay as they are there. */
export function briefNames(paths: readonly string[]): ReadonlyMap<string, string> {
  const long = shortNames([Object.fromEntries(paths.map((path) => [path, 0]))]);
  const brief = (path: string): string => {
    const name = long.get(path) ?? path;
    const words = path.startsWith('noise.columns.')
      ? name
      : name
          .split(' ')
          .map((word) => briefWords[word] ?? word)
          .join(' ');
    const end = words.endsWith(' p') ? ' p' : '';
    return words.length > briefLength ? `${words.slice(0, briefLength - 1 - end.length)}…${end}` : words;
  };
  const briefs = paths.map(brief);
  return new Map(
    paths.map((path) => [
      path,
      briefs.filter((other) => other === brief(path)).length > 1 ? (long.get(path) ?? path) : brief(path),
    ]),
  );
}
