/**
 * Results whose final checkpoint is not in the artifact store any more, or not whole: their tasks are to be done again. Training is bit-exact, so the new
 * checkpoint has the old hash. For a time when nobody works on the study.
 */
import type { ArtifactStore } from '../artifacts/store.ts';
import type { Log } from '../base/ports.ts';
import { newTaskState, taskTable } from '../scheduler/task-table.ts';
import type { StudyStatus, TaskState } from '../scheduler/types.ts';
import type { Store, TaskChange } from '../store/store.ts';
import { releasedCheckpoints } from './retention.ts';
import { openStudyOf } from './studies.ts';

export interface RepairOptions {
  readonly store: Store;
  readonly artifacts: ArtifactStore;
  /** Reads every blob to its end; otherwise only those that are not there are found. */
  readonly thorough: boolean;
  readonly nowMs: number;
  readonly log: Log;
}

/** Resolves to the ids of the tasks that were put back. Throws STORE_FAILED, DISK_FULL. */
export async function repairStudy({ store, artifacts, thorough, nowMs, log }: RepairOptions): Promise<readonly string[]> {
  const study = openStudyOf(store);
  if (study === undefined || study.row.status === 'cancelled') return [];
  const { row, plan, metric, config } = study;
  const tasks = taskTable(store.tasks());
  const released = releasedCheckpoints({ tasks }, plan, metric, config.checkpoints.keep);
  const there = new Set(await artifacts.list());
  const isWhole = async (hash: string): Promise<boolean> =>
    there.has(hash) && (!thorough || (await artifacts.verify(hash)) === 'good');
  const broken: TaskState[] = [];
  for (const task of tasks.values()) {
    const hash = task.checkpoint?.hash;
    if (task.status === 'done' && hash !== undefined && !released.has(hash) && !(await isWhole(hash))) broken.push(task);
  }
  if (broken.length === 0) return [];
  const cause = 'its checkpoint was lost or corrupt';
  const changes = broken.map(({ task, attempt }): TaskChange => {
    // The attempt goes on counting: late messages of the old ones stay late.
    const again: TaskState = { ...newTaskState(task), attempt };
    return {
      task: again,
      transition: { atMs: nowMs, task: task.id, attempt, from: 'done', to: 'pending', worker: undefined, cause },
    };
  });
  const from: StudyStatus = row.status;
  const reopened = from === 'finished' ? { study: { status: 'running', from, cause, atMs: nowMs } as const } : {};
  store.commit({ tasks: changes, ...reopened });
  for (const { task, checkpoint } of broken)
    log.log('warn', 'a result is made again: its checkpoint was lost or corrupt', {
      study: row.name,
      task: task.id,
      hash: checkpoint?.hash,
    });
  return broken.map(({ task }) => task.id);
}
