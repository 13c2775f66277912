/** The Store in memory, for tests: as strict as the SQLite one, and as forgetful. */
import { deserialize, serialize } from 'node:v8';
import { NoisefoldError } from '../base/errors.ts';
import { additions } from '../plan/additions.ts';
import type { Plan } from '../plan/types.ts';
import { newTaskState } from '../scheduler/task-table.ts';
import type { TaskState } from '../scheduler/types.ts';
import type { TaskResult } from '../train/types.ts';
import type { Store, StudyChange, StudyRow, Transition } from './store.ts';

interface Contents {
  study: StudyRow | undefined;
  plan: Plan;
  readonly states: Map<string, TaskState>;
  readonly results: Map<string, TaskResult>;
  readonly transitions: Transition[];
  readonly studyTransitions: StudyChange[];
}

const forgetful = (task: TaskState): TaskState =>
  structuredClone({ ...task, worker: undefined, leaseUntil: undefined, progress: undefined, progressedAt: undefined });

/** @param snapshot what another one's snapshot() gave */
export function memoryStore(snapshot?: Uint8Array): Store {
  const contents: Contents =
    snapshot === undefined
      ? {
          ...{ study: undefined, plan: { trials: [], tasks: [] }, states: new Map(), results: new Map() },
          ...{ transitions: [], studyTransitions: [] },
        }
      : (deserialize(snapshot) as Contents);
  const { states, results, transitions, studyTransitions } = contents;

  return {
    study: () => contents.study,
    create(row, plan) {
      if (contents.study) throw new NoisefoldError('STORE_FAILED', 'the store holds a study already');
      contents.study = row;
      contents.plan = structuredClone(plan);
      for (const task of contents.plan.tasks) states.set(task.id, newTaskState(task));
    },
    extend(row, wider) {
      const { plan } = contents;
      const added = additions(plan, wider);
      contents.study = row;
      contents.plan = {
        trials: [...plan.trials, ...structuredClone(added.trials)],
        tasks: [...plan.tasks, ...structuredClone(added.tasks)],
      };
      for (const task of added.tasks) states.set(task.id, newTaskState(task));
    },
    plan: () => contents.plan,
    tasks: () => [...states.values()],
    result: (task) => (states.get(task)?.result === undefined ? undefined : results.get(task)),
    commit({ tasks, study }) {
      const there = new Set(states.keys());
      for (const { task, transition, isNew = false } of tasks) {
        const { id } = task.task;
        if (isNew && there.has(id)) throw new NoisefoldError('STORE_FAILED', `there is a task ${id} already`);
        if (isNew) there.add(id);
        for (const named of [id, transition.task])
          if (!there.has(named)) throw new NoisefoldError('STORE_FAILED', `there is no task ${named}`);
      }
      if (study !== undefined && contents.study === undefined) throw new NoisefoldError('STORE_FAILED', 'there is no study');
      for (const { task, transition, result, isNew = false } of tasks) {
        if (isNew) contents.plan = { ...contents.plan, tasks: [...contents.plan.tasks, structuredClone(task.task)] };
        states.set(task.task.id, forgetful(task));
        if (result !== undefined) results.set(task.task.id, structuredClone(result));
        transitions.push({ ...transition });
      }
      if (study === undefined || contents.study === undefined) return;
      contents.study = { ...contents.study, status: study.status };
      studyTransitions.push({ ...study });
    },
    transitions: (task, last) =>
      transitions.filter((transition) => task === undefined || transition.task === task).slice(last === undefined ? 0 : -last),
    studyTransitions: () => [...studyTransitions],
    snapshot: () => serialize(contents),
    close() {},
  };
}
