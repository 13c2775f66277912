/**
 * Who gets what next. Of the studies that have a task ready, the one that holds fewest goes first, the one submitted first among equals; within a study, plan
 * order. Workers take turns in the order in which they joined.
 *
 * No decision reads which worker reported first: what a task is, and what it resumes from, is settled by the plan and its own row. So more workers change when
 * things happen and nothing that comes out. A rung that promotes trials belongs beside this file: a pure function from a study's tasks to the tasks to be added,
 * called once all tasks of the rung are final.
 */
import { holds, type Draft } from './draft.ts';
import type { StudyState, TaskState, WorkerState } from './types.ts';

export function assign(draft: Draft): void {
  if (draft.phase !== 'running') return;
  for (let first = draft.workers.firstIdle(); first !== undefined; first = draft.workers.firstIdle()) {
    const study = nextStudy(draft);
    const task = study?.tasks.firstReady(draft.nowMs);
    if (study === undefined || task === undefined) return;
    const worker = task.failedOn.includes(first.name) ? (another(draft, task) ?? first) : first;
    const attempt = task.attempt + 1;
    const leaseUntil = draft.nowMs + draft.policy.leaseMs;
    draft.move(study.name, task, 'leased', { attempt, worker: worker.id, leaseUntil }, 'leased');
    draft.moveWorker(worker.id, 'busy', { study: study.name, task: task.task.id }, 'leased');
    draft.emit({ type: 'assign', worker: worker.id, study: study.name, task: task.task.id, attempt });
  }
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
