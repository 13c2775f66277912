/** A study of trials that do nothing: its plan, and tasks that report without working. */
import { canonicalJson } from '../src/base/json.ts';
import { parseSweep } from '../src/config/parse.ts';
import type { TrialConfig } from '../src/config/types.ts';
import type { Plan } from '../src/plan/types.ts';
import type { StudyRow } from '../src/store/store.ts';
import type { TaskProgress, TaskResult } from '../src/train/types.ts';

/** Reports of one trial: at each a progress, a heartbeat and a checkpoint. */
export const reports = 10;

const config: TrialConfig = {
  noise: { flavour: 'group', swapProbability: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`column${i}`, 0.5])) },
  model: { kind: 'mlp', units: 384, layers: 3 },
  training: {
    epochs: reports,
    batchSize: 384,
    learningRate: 1e-3,
    learningRateDecay: 0.9,
    loss: { emphasis: 0.75, maskWeight: 2 },
    checkpointEveryEpochs: 1,
  },
  features: { layers: 'all', inputs: false },
};

export function emptyPlan(trials: number): Plan {
  const names = Array.from({ length: trials }, (_, i) => `trial-${String(i + 1).padStart(4, '0')}`);
  return {
    trials: names.map((id) => ({ id, kind: 'trained', parameters: {}, config })),
    tasks: names.map((id) => ({ id: `${id}/all/0-${reports}`, trial: id, fold: 'all', rung: 0, fromStep: 0, toStep: reports })),
  };
}

function dataHash(index: number): string {
  return String(index).repeat(64);
}

const sweep = parseSweep('study: bench\ndata: { train: t.csv, target: { column: y } }', 'bench.yaml');

/** The study of an empty plan, as a store has it. */
export const benchRow: StudyRow = {
  ...{ name: 'bench', config: canonicalJson(sweep), configHash: 'c', dataHash: dataHash(0), table: 'f'.repeat(64) },
  ...{ data: Array.from({ length: 6 }, (_, i) => dataHash(i)), status: 'running', createdMs: 0, version: '0' },
};

/** Looks like the hash of a task's checkpoint at a step. */
export const hashOf = (task: string, step: number): string =>
  Buffer.from(`${task}#${step}`).toString('hex').padStart(64, '0').slice(-64);

export const progressAt = (step: number): TaskProgress => ({
  phase: 'training',
  step,
  toStep: reports,
  epoch: step,
  epochs: reports,
  loss: 1 / (1 + step),
  rowsPerSecond: 30_000,
  secondsLeft: reports - step,
});

/** As large as a real one: five folds, ten alphas, ten epochs. */
export const resultOf = (task: string): TaskResult => ({
  score: {
    alphas: Array.from({ length: 10 }, (_, i) => i + 1),
    folds: Array.from({ length: 5 }, (_, fold) => ({
      fold,
      rows: 10_000,
      metrics: Array.from({ length: 10 }, (_, i) => ({ rmse: 0.11 + i / 1e3, mae: 0.08 + i / 1e3, r2: 0.98 - i / 1e3 })),
    })),
    best: 3,
    features: 1152,
  },
  checkpoint: hashOf(task, reports),
  history: Array.from({ length: reports }, (_, i) => ({
    epoch: i,
    step: i + 1,
    loss: 1 / (2 + i),
    learningRate: 1e-3,
    corruption: 0.31,
  })),
  corruption: Array.from({ length: 9 }, (_, i) => ({ column: `column${i}`, nominal: 0.5, effective: 0.31 })),
  seconds: 0,
  parameters: 326_744,
  engine: 'none',
});
