/**
 * Results whose final checkpoint is not in the artifact store any more, or not whole: their tasks are to be done again. Training is bit-exact, so the new
 * checkpoint has the old hash. A sweep looks before it goes on (repairStudy, on the rows); a service looks while it serves (createHealer, by events).
 */
import type { ArtifactStore } from '../artifacts/store.ts';
import type { Log } from '../base/ports.ts';
import { redone } from '../scheduler/studies.ts';
import { taskTable } from '../scheduler/task-table.ts';
import { isFinal } from '../scheduler/transitions.ts';
import type { Event, State, StudyStatus, TaskState, TaskTable } from '../scheduler/types.ts';
import type { Store, TaskChange } from '../store/store.ts';
import { releasedCheckpoints } from './retention.ts';
import { openStudyOf, type OpenStudy, type Studies } from './studies.ts';

const cause = 'its checkpoint was lost or corrupt';

/** Of the done tasks, those whose checkpoint is missing; where it is to be thorough, or damaged: every blob is read to its end. */
async function withoutCheckpoint(table: TaskTable, artifacts: ArtifactStore, thorough: boolean): Promise<readonly TaskState[]> {
  const there = new Set(await artifacts.list());
  const lost: TaskState[] = [];
  for (const task of table.values()) {
    const hash = task.checkpoint?.hash;
    if (task.status !== 'done' || hash === undefined || (there.has(hash) && !thorough)) continue;
    // A list may be older than the blob.
    if ((await artifacts.verify(hash)) !== 'good') lost.push(task);
  }
  return lost;
}

/** Whether the trial is on its way to a later rung: from a checkpoint of its own, or from the beginning. What is still wanted of this one shows when it is there. */
const goesOn = (tasks: TaskTable, { task }: TaskState): boolean =>
  tasks
    .ofTrial(task.trial)
    .some(({ task: { rung, fold }, status }) => fold === task.fold && rung > task.rung && !isFinal(status));

/** Those that the study's policy has not let go, and that no later rung replaces. */
function wanted(
  lost: readonly TaskState[],
  tasks: TaskTable,
  status: StudyStatus,
  { plan, rungs, config }: OpenStudy,
): readonly TaskState[] {
  if (lost.length === 0) return [];
  const released = releasedCheckpoints({ tasks, rungs, status }, plan, config.checkpoints.keep);
  return lost.filter((task) => task.checkpoint !== undefined && !released.has(task.checkpoint.hash) && !goesOn(tasks, task));
}

function say(log: Log, study: string, lost: readonly TaskState[]): void {
  for (const { task, checkpoint } of lost)
    log.log('warn', `a result is made again: ${cause}`, { study, task: task.id, hash: checkpoint?.hash });
}

export interface RepairOptions {
  readonly store: Store;
  readonly artifacts: ArtifactStore;
  /** Reads every blob to its end; otherwise only those that are not there are found. */
  readonly thorough: boolean;
  readonly nowMs: number;
  readonly log: Log;
}

/** For a time when nobody works on the study. Resolves to the ids of the tasks that were put back. Throws STORE_FAILED, DISK_FULL. */
export async function repairStudy({ store, artifacts, thorough, nowMs, log }: RepairOptions): Promise<readonly string[]> {
  const study = openStudyOf(store);
  if (study === undefined || study.row.status === 'cancelled') return [];
  const tasks = taskTable(store.tasks());
  const lost = wanted(await withoutCheckpoint(tasks, artifacts, thorough), tasks, study.row.status, study);
  if (lost.length === 0) return [];
  const changes = lost.map((state): TaskChange => {
    const { task, attempt } = state;
    return {
      task: redone(state),
      transition: { atMs: nowMs, task: task.id, attempt, from: 'done', to: 'pending', worker: undefined, cause },
    };
  });
  const from: StudyStatus = study.row.status;
  const reopened = from === 'finished' ? { study: { status: 'running', from, cause, atMs: nowMs } as const } : {};
  store.commit({ tasks: changes, ...reopened });
  say(log, study.row.name, lost);
  return lost.map(({ task }) => task.id);
}

export interface HealerOptions {
  readonly state: () => State;
  readonly studies: Studies;
  readonly artifacts: ArtifactStore;
  /** Hands the scheduler its event, which it takes for tasks that are done with the same checkpoint still. */
  readonly redo: (event: Omit<Extract<Event, { type: 'redo' }>, 'nowMs'>) => void;
  readonly log: Log;
}

/** Looks through the named study, or all of them. Throws what the artifact store throws. */
export type Healer = (thorough: boolean, only?: string) => Promise<void>;

export function createHealer({ state, studies, artifacts, redo, log }: HealerOptions): Healer {
  return async (thorough, only) => {
    for (const [name, study] of [...studies.open]) {
      const before = state().studies.get(name);
      if (before === undefined || before.status === 'cancelled' || (only !== undefined && only !== name)) continue;
      const missing = await withoutCheckpoint(before.tasks, artifacts, thorough);
      // What was let go meanwhile is not lost, and who was let go stays so.
      const now = state().studies.get(name);
      const lost = now === undefined ? [] : wanted(missing, now.tasks, now.status, study);
      if (lost.length === 0) continue;
      say(log, name, lost);
      redo({
        type: 'redo',
        study: name,
        tasks: lost.flatMap(({ task, checkpoint }) =>
          checkpoint === undefined ? [] : [{ task: task.id, hash: checkpoint.hash }],
        ),
      });
    }
  };
}
