/** Hand-made studies: a view's rows and a ranking, with as little as a test has to say. */
import { newTaskState } from '../../src/scheduler/step.ts';
import type { ParameterValues, TrialConfig } from '../../src/config/types.ts';
import type { Plan, TrialKind } from '../../src/plan/types.ts';
import type { Difference, RankedTrial } from '../../src/rank/types.ts';
import type { StudyReport } from '../../src/report/model.ts';
import type { StudyView, TrialRow, WorkerRow } from '../../src/report/view.ts';
import type { RidgeScore } from '../../src/ridge/types.ts';
import { summaryOf } from '../../src/scheduler/result-summary.ts';
import type { ResultSummary, TaskState, WorkerState } from '../../src/scheduler/types.ts';
import type { TaskProgress, TaskResult } from '../../src/train/types.ts';

export const config = (batchSize = 100): TrialConfig => ({
  noise: { flavour: 'group', swapProbability: {} },
  model: { kind: 'mlp', units: 4, layers: 2 },
  training: {
    epochs: 10,
    batchSize,
    learningRate: 1e-3,
    learningRateDecay: 1,
    loss: { emphasis: 0.75, maskWeight: 2 },
    checkpointEveryEpochs: 2,
  },
  features: { layers: 'all', inputs: false },
});

/** A score whose best alpha (the second of three) has these RMSE by fold; AUC is one minus it. */
export const score = (...rmse: number[]): RidgeScore => ({
  alphas: [1, 10, 100],
  folds: rmse.map((value, fold) => {
    const metrics = (x: number) => ({ rmse: x, mae: x, r2: 0, auc: 1 - x });
    return { fold, rows: 10, metrics: [metrics(value + 0.5), metrics(value), metrics(value + 1)] };
  }),
  best: 1,
  features: 8,
});

const result = (rmse: number[], seconds = 34): TaskResult => ({
  score: score(...rmse),
  checkpoint: 'hash',
  history: [],
  corruption: [],
  seconds,
  parameters: 1,
  engine: 'test',
});

/** What a state keeps of it. */
export const summary = (rmse: number[], seconds?: number): ResultSummary => summaryOf(result(rmse, seconds));

export const progress = (change: Partial<TaskProgress> = {}): TaskProgress => ({
  phase: 'training',
  step: 500,
  toStep: 1000,
  epoch: 5,
  epochs: 10,
  loss: 0.4118,
  rowsPerSecond: 5000,
  secondsLeft: 10,
  ...change,
});

export const kindOf = (id: string): TrialKind => (id === 'raw' ? 'raw' : id.startsWith('untrained') ? 'untrained' : 'trained');
const stepsOf = (id: string): number => (kindOf(id) === 'trained' ? 1000 : 0);

export const planOf = (...ids: string[]): Plan => ({
  trials: ids.map((id) => ({ id, kind: kindOf(id), parameters: {}, config: config() })),
  tasks: ids.map((id) => ({ id: `${id}/all`, trial: id, fold: 'all', rung: 0, fromStep: 0, toStep: stepsOf(id) })),
});

export const taskState = (id: string, change: Partial<TaskState> = {}): TaskState => ({
  ...newTaskState({ id: `${id}/all`, trial: id, fold: 'all', rung: 0, fromStep: 0, toStep: stepsOf(id) }),
  ...change,
});

export const workerState = (id: string, task?: string, change: Partial<WorkerState> = {}): WorkerState => ({
  id,
  name: `local-${id}`,
  status: task === undefined ? 'idle' : 'busy',
  lastSeen: 0,
  task: task === undefined ? undefined : { study: 's', task: `${task}/all` },
  ...change,
});

export const row = (id: string, change: Partial<TrialRow> = {}): TrialRow => ({
  id,
  kind: kindOf(id),
  status: 'pending',
  attempts: 0,
  failures: 0,
  worker: undefined,
  score: undefined,
  rung: undefined,
  seconds: undefined,
  error: undefined,
  ...change,
});

export const workerRow = (name: string, change: Partial<WorkerRow> = {}): WorkerRow => ({
  name,
  trial: undefined,
  phase: 'idle',
  epoch: undefined,
  epochs: undefined,
  share: 0,
  loss: undefined,
  rowsPerSecond: undefined,
  secondsLeft: undefined,
  ...change,
});

export const training = (name: string, trial: string, change: Partial<WorkerRow> = {}): WorkerRow =>
  workerRow(name, {
    trial,
    phase: 'training',
    epoch: 6,
    epochs: 10,
    share: 0.5,
    loss: 0.4118,
    rowsPerSecond: 48_000,
    secondsLeft: 21,
    ...change,
  });

/** The study of the design's example: 7 of 12 done. */
export const view = (change: Partial<StudyView> = {}): StudyView => ({
  study: 'diamonds',
  phase: 'running',
  metric: 'rmse',
  trials: { pending: 3, running: 2, done: 7, failed: 0, dropped: 0, total: 12 },
  baselines: { pending: 0, running: 0, done: 2, failed: 0, dropped: 0, total: 2 },
  rung: undefined,
  rows: [],
  workers: [training('local-1', 'trial-0004'), workerRow('local-2')],
  best: { trial: 'trial-0003', score: 0.1131 },
  raw: { trial: 'raw', score: 0.1781, change: -0.365 },
  untrained: { trial: 'untrained-1', score: 0.1262, change: -0.104 },
  elapsed: 100,
  left: { seconds: 65, atLeast: false },
  failures: [],
  ...change,
});

export const difference = (mean: number, p = 0.003): Difference => ({ mean, standardError: Math.abs(mean) / 4, p });

export function ranked(id: string, rank: number, mean: number, change: Partial<RankedTrial> = {}): RankedTrial {
  const trained = kindOf(id) === 'trained';
  const parameters: ParameterValues = trained ? { 'noise.numerical': 0.25, 'training.learningRate': 3e-4 } : {};
  return {
    id,
    kind: kindOf(id),
    parameters,
    score: score(mean, mean),
    checkpoint: undefined,
    untrained: trained ? 'untrained-1' : undefined,
    rank,
    metric: 'rmse',
    perFold: [mean, mean],
    mean,
    standardError: 0.00038,
    alpha: 10,
    toLeader: rank === 1 ? undefined : difference(mean - 0.1131),
    toRaw: id === 'raw' ? undefined : difference(mean - 0.1781, 1e-5),
    toUntrained: trained ? difference(mean - 0.1262) : undefined,
    tie: false,
    ...change,
  };
}

export const ranking: readonly RankedTrial[] = [
  ranked('trial-0003', 1, 0.1131),
  ranked('trial-0001', 2, 0.1133, { tie: true }),
  ranked('trial-0002', 3, 0.1201),
  ranked('untrained-1', 4, 0.1262),
  ranked('raw', 5, 0.1781),
];

export const report = (change: Partial<StudyReport> = {}): StudyReport => ({
  study: 'diamonds',
  protocol: 'transductive',
  metric: 'rmse',
  target: { column: 'price', task: 'regression', transform: 'log' },
  seed: 7,
  folds: { count: 2, kind: 'shuffled' },
  engines: ['onnx'],
  noisefold: '1.2.3',
  ranking,
  failures: [],
  seconds: { 'trial-0003': 34, raw: 2 },
  corruption: [{ column: 'cut', nominal: 0.6, effective: 0.4321 }],
  learningCurve: [
    { name: 'raw', points: [{ labels: 200, draws: 5, mean: 0.3, standardError: 0.01 }] },
    { name: 'trial-0003', points: [200, 1000].map((labels) => ({ labels, draws: 5, mean: 0.2, standardError: 0.01 })) },
  ],
  data: { files: ['train.csv'], missing: [], delimiter: undefined, rows: 53_940, labelled: 43_940, columns: 9, inputs: 26 },
  warnings: [],
  ...change,
});
