/** One turn, as a function: what the scheduler makes of a list of events, and the rows that have to be durable before anything of it is sent. */
import { step } from '../scheduler/step.ts';
import type { Effect, Event, State } from '../scheduler/types.ts';
import { workerTable } from '../scheduler/worker-table.ts';
import type { Changes, StudyChange, TaskChange } from '../store/store.ts';

export interface Stepped {
  readonly state: State;
  readonly effects: readonly Effect[];
}

export interface StudyChanges extends Changes {
  readonly tasks: TaskChange[];
  study?: StudyChange;
}

/** By study, in order. */
export type TurnChanges = Map<string, StudyChanges>;

/** Steps one event and adds what it changes to `changes`. Throws INTERNAL where the scheduler has a defect; then nothing was added. */
export function stepInto(changes: TurnChanges, state: State, event: Event): Stepped {
  const next = step(state, event);
  for (const effect of next.effects) {
    if (effect.type === 'add') {
      const { task, study, cause } = effect;
      const { id } = task.task;
      const transition = {
        atMs: event.nowMs,
        task: id,
        attempt: 0,
        from: task.status,
        to: task.status,
        worker: undefined,
        cause,
      };
      changesOf(changes, study).tasks.push({ task, transition, isNew: true });
    } else if (effect.type === 'persist')
      changesOf(changes, effect.study).tasks.push(taskChange(effect, state, next.state, event.nowMs));
    else if (effect.type === 'persistStudy') {
      const { status, from, cause } = effect;
      const of = changesOf(changes, effect.study);
      // The row has the last status only; a study that moves twice in a turn keeps where it came from.
      of.study = { status, from: of.study?.from ?? from, cause, atMs: event.nowMs };
    }
  }
  return next;
}

function changesOf(changes: TurnChanges, study: string): StudyChanges {
  const known = changes.get(study) ?? { tasks: [] };
  changes.set(study, known);
  return known;
}

function taskChange(
  { study, task, from, cause, result }: Extract<Effect, { type: 'persist' }>,
  before: State,
  after: State,
  atMs: number,
): TaskChange {
  // A story is told by names: peer ids mean nothing after the connection. Who handed it back, or lost it, held it before.
  const { id } = task.task;
  const was = before.studies.get(study)?.tasks.get(id);
  const holder = task.worker ?? (was?.attempt === task.attempt ? was.worker : undefined);
  const worker = holder === undefined ? undefined : (after.workers.get(holder)?.name ?? before.workers.get(holder)?.name);
  const transition = { atMs, task: id, attempt: task.attempt, from, to: task.status, worker, cause };
  return result === undefined ? { task, transition } : { task, transition, result };
}

/** The state when a study's store has failed: it is not there any more, and those who ran its tasks are told to stop when they are heard next. */
export function withoutStudy(state: State, name: string): State {
  const studies = new Map(state.studies);
  studies.delete(name);
  const workers = workerTable(
    [...state.workers.values()].map((worker) => (worker.task?.study === name ? { ...worker, task: undefined } : worker)),
  );
  return { ...state, studies, workers };
}
