/** What a sweep keeps on disk when nothing runs any more: everything that its rows point at, less the final checkpoints that `checkpoints.keep` lets go. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { releasedCheckpoints } from '../coordinator/retention.ts';
import type { SweepConfig } from '../config/types.ts';
import { scoredTasks } from '../scheduler/scores.ts';
import type { StudyState } from '../scheduler/types.ts';
import type { OpenStudy, StudyPaths } from './study-folder.ts';

/**
 * Deletes the other blobs (such as a checkpoint whose worker was killed before it could say that it was there), and the copies of released checkpoints in
 * `trials/`. Only while no task runs.
 */
export async function retain(
  paths: StudyPaths,
  { store, artifacts, plan }: OpenStudy,
  { checkpoints }: SweepConfig,
  state: StudyState,
): Promise<void> {
  const row = store.study();
  if (row === undefined) return;
  const tasks = [...state.tasks.values()];
  const released = releasedCheckpoints(state, plan, checkpoints.keep);
  const kept = new Set([...row.data, row.dataHash, row.table]);
  for (const { checkpoint } of tasks)
    if (checkpoint !== undefined && state.tasks.pointingAt(checkpoint.hash) > (released.get(checkpoint.hash) ?? 0))
      kept.add(checkpoint.hash);
  for (const hash of await artifacts.list()) if (!kept.has(hash)) await artifacts.delete(hash);
  for (const { task, checkpoint } of plan.trials.flatMap(({ id }) => scoredTasks(state.tasks.ofTrial(id)))) {
    if (checkpoint === undefined || kept.has(checkpoint.hash)) continue;
    const folder = join(paths.trial(task.trial), task.fold === 'all' ? '' : `fold-${task.fold}`);
    for (const name of ['manifest.json', 'model.safetensors']) await rm(join(folder, name), { force: true });
  }
}
