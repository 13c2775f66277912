/** What people ask of studies. */
import type { Draft } from './draft.ts';
import { drop } from './tasks.ts';
import { emptyTable, newTaskState } from './task-table.ts';
import { isFinal } from './transitions.ts';
import { trialStatus } from './trials.ts';
import type { Event, TaskState } from './types.ts';

type Of<T extends Event['type']> = Extract<Event, { type: T }>;

/** A new study, or more tasks for one that is there. What is added to a study that was cancelled, or to a trial that failed, is dropped. */
export function submit(draft: Draft, { study: name, tasks, rungs }: Of<'submit'>): void {
  if (!draft.studies.has(name))
    draft.addStudy({ name, status: 'running', tasks: emptyTable(), ...(rungs !== undefined && { rungs }) });
  const known = draft.studies.get(name);
  if (known === undefined) return;
  const added = tasks.filter(({ task }) => known.tasks.get(task.id) === undefined);
  if (added.length === 0) return;
  draft.withTable(name, (table) => table.append(added));
  if (known.status === 'cancelled') for (const task of added) dropAdded(draft, name, task, 'its study is cancelled');
  else {
    for (const task of added)
      if (trialStatus(known.tasks.ofTrial(task.task.trial)) === 'failed') dropAdded(draft, name, task, 'its trial failed');
    if (known.status === 'finished') draft.moveStudy(name, 'running', 'more tasks');
  }
}

const dropAdded = (draft: Draft, study: string, task: TaskState, cause: string): void => {
  if (!isFinal(task.status)) drop(draft, study, task, cause);
};

/** What failed for a reason that may be gone, with the folds that were dropped because of it, gets new attempts. */
export function retry(draft: Draft, { study: name }: Of<'retry'>): void {
  const study = draft.studies.get(name);
  if (study === undefined || study.status === 'cancelled') return;
  const failed = [...study.tasks.values()].filter(({ status }) => status === 'failed');
  const trials = new Set(failed.map(({ task }) => task.trial));
  let revived = false;
  for (const trial of trials) {
    const tasks = study.tasks.ofTrial(trial);
    if (!tasks.every(({ status, error }) => status !== 'failed' || error?.retryable === true)) continue;
    revived = true;
    // The failed ones last: until then the trial is failed.
    for (const status of ['dropped', 'failed'] as const)
      for (const task of tasks)
        if (task.status === status)
          draft.move(name, task, 'pending', { failures: 0, failedOn: [], losses: 0, notBefore: 0 }, 'tried again');
  }
  if (revived && study.status === 'finished') draft.moveStudy(name, 'running', 'tried again');
}

/** A task as it was before anybody did it. Its attempt goes on counting: late messages of the old ones stay late. */
export const redone = ({ task, attempt }: TaskState): TaskState => ({ ...newTaskState(task), attempt });

/** Results that have no checkpoint any more. Not those of trials that will not be done. */
export function redo(draft: Draft, { study: name, tasks }: Of<'redo'>): void {
  const study = draft.studies.get(name);
  if (study === undefined || study.status === 'cancelled') return;
  let redoes = false;
  for (const { task: id, hash } of tasks) {
    const task = draft.task({ study: name, task: id });
    if (task?.status !== 'done' || task.checkpoint?.hash !== hash) continue;
    if (!['running', 'done'].includes(trialStatus(study.tasks.ofTrial(task.task.trial)))) continue;
    draft.move(name, task, 'pending', redone(task), 'its checkpoint was lost or corrupt');
    redoes = true;
  }
  if (redoes && study.status === 'finished') draft.moveStudy(name, 'running', 'checkpoints were lost or corrupt');
}

/** Nothing more is handed out, and holders are asked to checkpoint and come back; `settle` says when it is paused. */
export function pause(draft: Draft, { study: name }: Of<'pause'>): void {
  const study = draft.studies.get(name);
  if (study?.status !== 'running') return;
  const held = study.tasks.held();
  draft.moveStudy(name, held.length === 0 ? 'paused' : 'pausing', 'paused');
  for (const { worker, task, attempt } of held)
    if (worker !== undefined) draft.emit({ type: 'yield', worker, study: name, task: task.id, attempt });
}

export function resume(draft: Draft, { study: name }: Of<'resume'>): void {
  const status = draft.studies.get(name)?.status;
  if (status === 'pausing' || status === 'paused') draft.moveStudy(name, 'running', 'resumed');
}

/** For good: what runs is killed, what waits is dropped. */
export function cancel(draft: Draft, { study: name }: Of<'cancel'>): void {
  const study = draft.studies.get(name);
  if (study === undefined || study.status === 'cancelled' || study.status === 'finished') return;
  for (const task of study.tasks.values()) if (!isFinal(task.status)) drop(draft, name, task, 'its study was cancelled');
  draft.moveStudy(name, 'cancelled', 'cancelled');
}
