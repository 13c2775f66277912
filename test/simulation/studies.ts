/** The studies of a simulation, and what their outcome has to be. */
import { sha256 } from '../../src/base/hash.ts';
import { canonicalJson } from '../../src/base/json.ts';
import { configHash, parseSweep } from '../../src/config/parse.ts';
import type { HalvingConfig, SweepConfig, TrialConfig } from '../../src/config/types.ts';
import { nextRung, rungsOf, rungSize, taskId, type Rungs } from '../../src/plan/rungs.ts';
import type { Plan, Task } from '../../src/plan/types.ts';
import { trialStatus } from '../../src/scheduler/trials.ts';
import type { TaskState } from '../../src/scheduler/types.ts';
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

const sweepOf = (study: string, trials: number, mode: HalvingConfig['mode'] | undefined): SweepConfig =>
  parseSweep(
    `study: ${study}
seed: ${seedOf(study)}
data: { train: a.csv, target: y }
noise: { swapProbability: { categorical: 0.5, numerical: { uniform: [0.1, 0.5] } } }
training: { epochs: ${toStep} }
search: { trials: ${trials}${mode === undefined ? '' : `, halving: { factor: 2, rungs: 3, mode: ${mode} }`} }
`,
    'simulated.yaml',
  );

export interface SimulatedStudy {
  readonly name: string;
  readonly plan: Plan;
  /** Of successive halving: an epoch has one step. */
  readonly rungs: Rungs | undefined;
  /** Its blobs, to be put before it is submitted. */
  readonly blobs: readonly Uint8Array[];
  readonly submission: Extract<ClientRequest, { type: 'submit' }>;
}

/** @param folds 0: one task a trial on all rows; else a task a fold */
export function simulatedStudy(
  name: string,
  trials: readonly string[],
  folds: number,
  mode?: HalvingConfig['mode'],
): SimulatedStudy {
  const config = sweepOf(name, trials.length, mode);
  const rungs = rungsOf(config);
  const end = rungs?.epochs[0] ?? toStep;
  const tasks = trials.flatMap((trial): Task[] => {
    const own: readonly Task['fold'][] = folds === 0 ? ['all'] : Array.from({ length: folds }, (_, fold) => fold);
    return own.map((fold) => ({ id: taskId(trial, fold, 0, end), trial, fold, rung: 0, fromStep: 0, toStep: end }));
  });
  const plan: Plan = { trials: trials.map((id) => ({ id, kind: 'trained', parameters: {}, config: trialConfig })), tasks };
  const blobOf = (what: string): Uint8Array => new TextEncoder().encode(`${name} ${what} `.repeat(40));
  const data = Array.from({ length: folds + 1 }, (_, i) => blobOf(`data ${i}`));
  const table = blobOf('table');
  return {
    name,
    plan,
    rungs,
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

/** Whether nobody needs its model any more: the trial does not go on from it, and its score is better elsewhere. */
export const isLeftBehind = (tasks: readonly TaskState[], { task, result }: TaskState): boolean => {
  const reached = tasks.filter((other) => other.task.trial === task.trial && other.status === 'done');
  const errors = reached.flatMap((other) => other.result?.rmse[0] ?? []);
  const goesOn = task.toStep < toStep && !reached.some((other) => other.task.rung > task.rung);
  return !goesOn && (result?.rmse[0] ?? 0) > Math.min(...errors);
};

/**
 * What is wrong with the end of a study with rungs. Its results are those of an undisturbed run, and at every rung the best have gone on. Who went on is what an undisturbed run
 * says, too, unless a trial had failed at the time, or the mode is eager: then others may have gone on besides.
 */
export function rungsProblem({ name, plan, rungs }: SimulatedStudy, store: Store): string | undefined {
  if (rungs === undefined) return undefined;
  const tasks = store.tasks();
  for (const { task, status } of tasks) {
    const { seconds: _, ...result } = store.result(task.id) ?? { seconds: 0 };
    const expected = expectedOf(task, seedOf(name));
    const isRight =
      expected === 'diverges'
        ? status === 'failed'
        : canonicalJson(result) === canonicalJson({ ...expected, seconds: undefined });
    if (!isRight) return `${name}/${task.id} ended otherwise than in an undisturbed run: ${status}`;
  }
  const there = new Set(tasks.map(({ task }) => task.id));
  const expected = expectedIds(plan.tasks, plan.trials.length, rungs, seedOf(name));
  const missing = expected.filter((id) => !there.has(id));
  if (missing.length > 0 && rungs.mode === 'deterministic') return `${name}: ${missing.join(', ')} should have gone on`;
  const hasFailed = store.transitions().some(({ to, cause }) => to === 'failed' && !cause.startsWith('TRAIN_DIVERGED'));
  if (there.size > expected.length && rungs.mode === 'deterministic' && !hasFailed)
    return `${name}: more went on than should have: ${[...there].join(', ')}`;
  return undefined;
}

/** Written down anew, for a trial a task: who is at which rung of an undisturbed run. */
function expectedIds(entrants: readonly Task[], trials: number, rungs: Rungs, seed: number): string[] {
  const scored = entrants.flatMap((task) => {
    const result = expectedOf(task, seed);
    return result === 'diverges' ? [] : [{ task, error: result.score.folds[0]?.metrics[0]?.rmse ?? NaN }];
  });
  scored.sort((a, b) => a.error - b.error);
  const rung = (entrants[0]?.rung ?? 0) + 1;
  const next = scored.slice(0, rungSize(trials, rungs.factor, rung)).flatMap(({ task }) => nextRung(task, rungs) ?? []);
  return [...entrants.map(({ id }) => id), ...(next.length === 0 ? [] : expectedIds(next, trials, rungs, seed))];
}
