/** The studies that are open: their stores, plans, and what a worker is told of a task. */
import { asNoisefoldError, NoisefoldError } from '../base/errors.ts';
import type { Log } from '../base/ports.ts';
import { defaults } from '../config/defaults.ts';
import type { SweepConfig } from '../config/types.ts';
import { rungsOf, type Rungs } from '../plan/rungs.ts';
import type { Plan, Task } from '../plan/types.ts';
import type { StoredStudy } from '../scheduler/step.ts';
import type { TaskState } from '../scheduler/types.ts';
import type { Store, StudyRow } from '../store/store.ts';
import type { TaskSpec } from '../train/types.ts';
import type { StudyStores } from './types.ts';

export interface OpenStudy {
  readonly store: Store;
  readonly row: StudyRow;
  readonly config: SweepConfig;
  /** Its tasks are those of the time when it was opened: rungs add more. */
  readonly plan: Plan;
  readonly rungs: Rungs | undefined;
  readonly metric: 'rmse' | 'auc';
  /** The whole of what a worker needs for a task, but for the checkpoint to go on from. Throws INTERNAL for a task of a trial that is not in the plan. */
  readonly specOf: (task: Task) => Omit<TaskSpec, 'resumeFrom'>;
}

/** What a store holds; undefined where it is empty. */
export function openStudyOf(store: Store): OpenStudy | undefined {
  const row = store.study();
  if (row === undefined) return undefined;
  // Keys that came later have their defaults.
  const config = { checkpoints: defaults.checkpoints, ...(JSON.parse(row.config) as Omit<SweepConfig, 'checkpoints'>) };
  const plan = store.plan();
  const metric = config.data.target.task === 'binary' ? 'auc' : 'rmse';
  return { store, row, config, plan, rungs: rungsOf(config), metric, specOf: specsOf(row, config, plan) };
}

export function specsOf(
  row: Pick<StudyRow, 'name' | 'data'>,
  { seed, ridge, workers }: Pick<SweepConfig, 'seed' | 'ridge' | 'workers'>,
  plan: Plan,
): OpenStudy['specOf'] {
  const engine = workers.engine === 'auto' ? {} : { engine: workers.engine };
  const trials = new Map(plan.trials.map((trial) => [trial.id, trial]));
  return (task) => {
    const trial = trials.get(task.trial);
    const data = row.data[task.fold === 'all' ? 0 : task.fold + 1];
    if (trial === undefined || data === undefined)
      throw new NoisefoldError('INTERNAL', `task ${task.id} is of no trial in the plan of ${row.name}, or has no data`);
    return { task, kind: trial.kind, config: trial.config, seed, ridge, data, ...engine };
  };
}

export interface Studies {
  readonly open: ReadonlyMap<string, OpenStudy>;
  /** Those whose store failed, with the reason. */
  readonly broken: ReadonlyMap<string, NoisefoldError>;
  /** Opens the store of a study that is not open. Throws as StudyStores.open. */
  openStore(name: string): Store;
  /** Notes what a store holds now. */
  put(study: OpenStudy): void;
  /** The study stops; others go on. */
  breakDown(name: string, error: NoisefoldError): void;
  /** What all rows say, in order of submission. */
  stored(): StoredStudy[];
  close(): void;
}

/** More tasks than a finished study had are written before its status says so. */
function storedStudy({ row: { name, status }, rungs }: OpenStudy, tasks: readonly TaskState[]): StoredStudy {
  const isExtended = status === 'finished' && tasks.some((task) => task.status === 'pending');
  return { name, status: isExtended ? 'running' : status, tasks, rungs };
}

/** Opens all studies that are there. One that cannot be opened is broken. */
export function openStudies(stores: StudyStores, log: Log): Studies {
  const open = new Map<string, OpenStudy>();
  const broken = new Map<string, NoisefoldError>();

  function breakDown(name: string, error: NoisefoldError): void {
    broken.set(name, error);
    log.log('error', 'the study stopped: its database failed', { study: name, code: error.code, error: error.message });
    try {
      open.get(name)?.store.close();
    } catch {
      // It has failed already.
    }
    open.delete(name);
  }

  const found: OpenStudy[] = [];
  for (const name of stores.list()) {
    try {
      const store = stores.open(name);
      const study = openStudyOf(store);
      // An empty one is a submission that a crash cut off before anything was written.
      if (study === undefined) store.close();
      else found.push(study);
    } catch (thrown) {
      breakDown(name, asNoisefoldError(thrown));
    }
  }
  found.sort((a, b) => a.row.createdMs - b.row.createdMs);
  for (const study of found) open.set(study.row.name, study);

  return {
    open,
    broken,
    openStore: (name) => stores.open(name),
    put: (study) => void open.set(study.row.name, study),
    breakDown,
    stored() {
      const all: StoredStudy[] = [];
      for (const [name, study] of [...open])
        try {
          all.push(storedStudy(study, study.store.tasks()));
        } catch (thrown) {
          breakDown(name, asNoisefoldError(thrown));
        }
      return all;
    },
    close() {
      for (const { store } of open.values()) store.close();
      open.clear();
    },
  };
}
