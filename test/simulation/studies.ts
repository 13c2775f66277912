/** The studies of a simulation, and what their outcome has to be. */
import { sha256 } from '../../src/base/hash.ts';
import { canonicalJson } from '../../src/base/json.ts';
import { configHash, parseSweep } from '../../src/config/parse.ts';
import type { SweepConfig, TrialConfig } from '../../src/config/types.ts';
import type { Plan, Task } from '../../src/plan/types.ts';
import { trialStatus } from '../../src/scheduler/trials.ts';
import type { Store } from '../../src/store/store.ts';
import type { ClientRequest } from '../../src/wire/messages.ts';
import { diverges, expectedOf, toStep } from './tasks.ts';

const trialConfig: TrialConfig = {
  noise: { flavour: 'group', swapProbability: { a: 0.5 } },
  model: { kind: 'mlp', units: 4, layers: 1 },
  training: {
    epochs: 1,
    batchSize: 2,
    learningRate: 0.1,
    learningRateDecay: 1,
    loss: { emphasis: 0.5, maskWeight: 1 },
    checkpointEveryEpochs: 1,
  },
  features: { layers: 'all', inputs: false },
};

/** Studies differ in their seeds, so that nothing of one can pass for another's. */
const seedOf = (study: string): number => study.charCodeAt(0);

const sweepOf = (study: string, trials: number): SweepConfig =>
  parseSweep(
    `study: ${study}
seed: ${seedOf(study)}
data: { train: a.csv, target: y }
noise: { swapProbability: { categorical: 0.5, numerical: { uniform: [0.1, 0.5] } } }
search: { trials: ${trials} }
`,
    'simulated.yaml',
  );

export interface SimulatedStudy {
  readonly name: string;
  readonly plan: Plan;
  /** Its blobs, to be put before it is submitted. */
  readonly blobs: readonly Uint8Array[];
  readonly submission: Extract<ClientRequest, { type: 'submit' }>;
}

/** @param folds 0: one task a trial on all rows; else a task a fold */
export function simulatedStudy(name: string, trials: readonly string[], folds: number): SimulatedStudy {
  const config = sweepOf(name, trials.length);
  const tasks = trials.flatMap((trial): Task[] => {
    const own: readonly Task['fold'][] = folds === 0 ? ['all'] : Array.from({ length: folds }, (_, fold) => fold);
    return own.map((fold) => ({ id: `${trial}/${fold}/0-${toStep}`, trial, fold, rung: 0, fromStep: 0, toStep }));
  });
  const plan: Plan = { trials: trials.map((id) => ({ id, kind: 'trained', parameters: {}, config: trialConfig })), tasks };
  const blobOf = (what: string): Uint8Array => new TextEncoder().encode(`${name} ${what} `.repeat(40));
  const data = Array.from({ length: folds + 1 }, (_, i) => blobOf(`data ${i}`));
  const table = blobOf('table');
  return {
    name,
    plan,
    blobs: [...data, table],
    submission: {
      type: 'submit',
      config: canonicalJson(config),
      configHash: configHash(config),
      dataHash: sha256(name),
      table: sha256(table),
      data: data.map(sha256),
      plan: canonicalJson(plan),
      version: '0',
    },
  };
}

/** What a study's rows say in the end, without what the machines decide: for each trial whether it is done, and with which results. */
export function outcomeOf(store: Store): string {
  const tasks = store.tasks();
  const trials = [...new Set(tasks.map(({ task }) => task.trial))];
  return canonicalJson(
    trials.map((trial) => {
      const own = tasks.filter(({ task }) => task.trial === trial);
      const status = trialStatus(own);
      const results = own.map(({ task }) => {
        const result = store.result(task.id);
        return { task: task.id, result: result && { ...result, seconds: undefined } };
      });
      return { trial, status, results: status === 'done' ? results : [] };
    }),
  );
}

export function expectedOutcome({ name, plan }: SimulatedStudy): string {
  return canonicalJson(
    plan.trials.map(({ id: trial }) => {
      const own = plan.tasks.filter((task) => task.trial === trial);
      const failed = own.some(diverges);
      return {
        trial,
        status: failed ? 'failed' : 'done',
        results: failed ? [] : own.map((task) => ({ task: task.id, result: expectedOf(task, seedOf(name)) })),
      };
    }),
  );
}
