/**
 * Who gets what next. Of the studies that have a task ready, the one that holds fewest goes first, the one submitted first among equals; within a study, plan
 * order. Workers take turns in the order in which they joined.
 *
 * No decision here reads which worker reported first: what a task is, and what it resumes from, is settled by the plan, its rungs and its own row. So more workers change
 * when things happen and nothing that comes out, but in a study whose rungs are eager: there a worker that finds nothing to do has the best trial so far go on.
 */
import { holds, type Draft } from './draft.ts';
import { earlyPromotion } from './rungs.ts';
import type { StudyState, TaskState, WorkerState } from './types.ts';

/** @param mayPromote whether something has happened that may let a trial of an eager study go on */
export function assign(draft: Draft, mayPromote: boolean): void {
  if (draft.phase !== 'running') return;
  for (let first = draft.workers.firstIdle(); first !== undefined; first = draft.workers.firstIdle()) {
    const study = nextStudy(draft);
    const task = study?.tasks.firstReady(draft.nowMs);
    if (study === undefined || task === undefined) {
      if (mayPromote && promoteEarly(draft)) continue;
      return;
    }
    const worker = task.failedOn.includes(first.name) ? (another(draft, task) ?? first) : first;
    const attempt = task.attempt + 1;
    const leaseUntil = draft.nowMs + draft.policy.leaseMs;
    draft.move(study.name, task, 'leased', { attempt, worker: worker.id, leaseUntil }, 'leased');
    draft.moveWorker(worker.id, 'busy', { study: study.name, task: task.task.id }, 'leased');
    draft.emit({ type: 'assign', worker: worker.id, study: study.name, task: task.task.id, attempt });
  }
}

/** Gives the first study that can do with an idle worker a task for it. */
function promoteEarly(draft: Draft): boolean {
  for (const study of draft.studies.values()) {
    const promotion = study.status === 'running' ? earlyPromotion(study) : undefined;
    if (promotion === undefined) continue;
    draft.promote(study.name, promotion);
    return true;
  }
  return false;
}

/** An idle worker on which the task has not failed yet: there it shows whose fault it is. */
function another({ workers }: Draft, { failedOn }: TaskState): WorkerState | undefined {
  for (const worker of workers.values()) if (worker.status === 'idle' && !failedOn.includes(worker.name)) return worker;
  return undefined;
}

function nextStudy(draft: Draft): StudyState | undefined {
  let next: StudyState | undefined;
  for (const study of draft.studies.values()) {
    if (study.status !== 'running' || (next !== undefined && holds(study) >= holds(next))) continue;
    if (study.tasks.firstReady(draft.nowMs) !== undefined) next = study;
  }
  return next;
}
