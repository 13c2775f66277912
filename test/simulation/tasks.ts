/**
 * Simulated training: a state that every step mixes anew, so that a checkpoint says which way its task came, and the end is right only if no step was left out,
 * done twice or taken from another task. What it should be is a pure function.
 */
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { asNoisefoldError } from '../../src/base/errors.ts';
import { sha256 } from '../../src/base/hash.ts';
import { canonicalJson } from '../../src/base/json.ts';
import type { Task } from '../../src/plan/types.ts';
import type { TaskProgress, TaskResult, TaskSpec } from '../../src/train/types.ts';
import type { Launched, Launcher, TaskReports } from '../../src/worker/worker.ts';
import type { Process, Random, World } from './world.ts';

/** Of a whole training. */
export const toStep = 8;
const checkpointEvery = 2;

interface TrainingState {
  readonly seed: number;
  readonly trial: string;
  readonly fold: number | string;
  readonly step: number;
  readonly state: number;
}

const initial = ({ trial, fold }: Task, seed: number): TrainingState => ({ seed, trial, fold, step: 0, state: seed });

function trained({ seed, trial, fold, step, state }: TrainingState): TrainingState {
  let mixed = state;
  for (const character of `${trial} ${fold} ${step}`) mixed = Math.imul(mixed ^ character.charCodeAt(0), 0x01000193) >>> 0;
  return { seed, trial, fold, step: step + 1, state: mixed };
}

const bytesOf = (state: TrainingState): Uint8Array =>
  new TextEncoder().encode(canonicalJson({ ...state, weights: 'w'.repeat(64) }));

/** At this step, if it gets there. */
const divergesAt = 3;
export const diverges = ({ trial, toStep: end }: Task): boolean => trial.endsWith('-diverges') && end > divergesAt;

function resultOf(end: TrainingState): TaskResult {
  const metrics = [{ rmse: end.state / 2 ** 32, mae: 1, r2: 0 }];
  return {
    score: { alphas: [1], folds: [{ fold: 0, rows: 1, metrics }], best: 0, features: 1 },
    checkpoint: sha256(bytesOf(end)),
    history: [{ epoch: 0, step: end.step, loss: end.state, learningRate: 1, corruption: 0.5 }],
    corruption: [],
    seconds: 1,
    parameters: 1,
    engine: 'simulated',
  };
}

/** What an undisturbed run makes of a task. */
export function expectedOf(
  task: Task,
  seed: number,
): (Omit<TaskResult, 'seconds'> & { readonly seconds: undefined }) | 'diverges' {
  if (diverges(task)) return 'diverges';
  let state = initial(task, seed);
  while (state.step < task.toStep) state = trained(state);
  return { ...resultOf(state), seconds: undefined };
}

/** What may go wrong with the tasks of one worker; set while faults are on. */
export interface TaskFaults {
  crash: number;
  hang: number;
  /** Every task and canary fails. */
  sick: boolean;
  slowness: number;
}

export interface LauncherOptions {
  readonly world: World;
  readonly random: Random;
  /** The worker: its children die with it, and tell it nothing while it is frozen. */
  readonly process: Process;
  readonly faults: TaskFaults;
  /** The folder that a worker gives to a task, as a store of the child's. */
  readonly folder: (path: string, process: Process) => ArtifactStore;
}

export function simulatedLauncher({ world, random, process, faults, folder }: LauncherOptions): Launcher {
  function child(name: string): { process: Process; tell: (what: () => void) => void } {
    const own = world.spawn(`${process.name}'s ${name}`, process);
    return { process: own, tell: (what) => void world.after(random.whole(0, 2), process, what) };
  }

  /** Kills take a moment; then the end is news, whatever it was. */
  function killed(own: Process, tell: (what: () => void) => void, end: () => void): void {
    world.after(random.whole(1, 40), process, () => {
      own.alive = false;
      tell(end);
    });
  }

  return {
    run(spec, path, reports) {
      const { process: own, tell } = child(spec.task.id);
      const signal = { interrupted: false };
      let over = false;
      const end: TaskReports['onEnd'] = (how) => {
        if (over) return;
        over = true;
        tell(() => reports.onEnd(how));
      };
      void train(spec, folder(path, own), own, signal, reports, tell).then(end, (thrown: unknown) => {
        const { code, message } = asNoisefoldError(thrown);
        end({ failure: { code, message, retryable: true } });
      });
      const launched: Launched = {
        interrupt: () => void (signal.interrupted = true),
        kill: () => killed(own, tell, () => end({ failure: { code: 'TASK_CRASHED', message: 'killed', retryable: true } })),
      };
      return launched;
    },
    probe(onEnd) {
      const { process: own, tell } = child('canary');
      let over = false;
      const end = (reason: string | undefined): void => {
        if (over) return;
        over = true;
        tell(() => onEnd(reason));
      };
      void world.sleep(random.whole(100, 1_500), own).then(() => end(faults.sick ? 'sick' : undefined));
      return { interrupt: () => {}, kill: () => killed(own, tell, () => end('killed')) };
    },
  };

  async function train(
    spec: TaskSpec,
    artifacts: ArtifactStore,
    own: Process,
    signal: { readonly interrupted: boolean },
    reports: TaskReports,
    tell: (what: () => void) => void,
  ): Promise<Parameters<TaskReports['onEnd']>[0]> {
    await artifacts.get(spec.data);
    const { task } = spec;
    let state = await resumed(spec, artifacts);
    if (state.trial !== task.trial || state.fold !== task.fold || state.seed !== spec.seed)
      return {
        failure: { code: 'CHECKPOINT_MISMATCH', message: `${task.id} resumes ${state.trial}/${state.fold}`, retryable: false },
      };
    const save = async (): Promise<void> => {
      const hash = await artifacts.put(bytesOf(state));
      const { step } = state;
      tell(() => reports.onCheckpoint(hash, step));
    };
    const { toStep: end } = task;
    const report = (phase: TaskProgress['phase']): void => {
      const progress = { phase, step: state.step, toStep: end, epoch: 0, epochs: 1, loss: 1, rowsPerSecond: 1, secondsLeft: 1 };
      tell(() => reports.onProgress(progress));
    };
    const crash = { failure: { code: 'TASK_CRASHED', message: 'simulated crash', retryable: true } };
    while (state.step < end) {
      await world.sleep(random.whole(300, 900) * faults.slowness, own);
      if (signal.interrupted) {
        await save();
        return 'stopped';
      }
      if (faults.sick || random.chance(faults.crash)) return crash;
      if (random.chance(faults.hang)) {
        world.say(own.name, 'hangs');
        await new Promise(() => {});
      }
      if (diverges(task) && state.step === divergesAt)
        return { failure: { code: 'TRAIN_DIVERGED', message: 'NaN', retryable: false } };
      state = trained(state);
      report('training');
      if (state.step % checkpointEvery === 0 && state.step < end) await save();
    }
    await save();
    report('scoring');
    await world.sleep(random.whole(100, 400) * faults.slowness, own);
    if (signal.interrupted) return 'stopped';
    return { result: resultOf(state) };
  }

  async function resumed({ task, seed, resumeFrom }: TaskSpec, artifacts: ArtifactStore): Promise<TrainingState> {
    if (resumeFrom === undefined) return initial(task, seed);
    try {
      return JSON.parse(new TextDecoder().decode(await artifacts.get(resumeFrom))) as TrainingState;
    } catch (thrown) {
      const { code } = asNoisefoldError(thrown);
      if (code !== 'ARTIFACT_NOT_FOUND' && code !== 'ARTIFACT_CORRUPT') throw thrown;
      return initial(task, seed);
    }
  }
}
