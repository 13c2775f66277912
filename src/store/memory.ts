/** The Store in memory, for tests: as strict as the SQLite one, and as forgetful. */
import { NoisefoldError } from '../base/errors.ts';
import { additions } from '../plan/additions.ts';
import type { Plan } from '../plan/types.ts';
import { newTaskState } from '../scheduler/step.ts';
import type { TaskState } from '../scheduler/types.ts';
import type { Store, StudyRow, Transition } from './store.ts';

export function memoryStore(): Store {
  let study: StudyRow | undefined;
  let plan: Plan = { trials: [], tasks: [] };
  const states = new Map<string, TaskState>();
  const transitions: Transition[] = [];

  return {
    study: () => study,
    create(row, tasks) {
      if (study) throw new NoisefoldError('STORE_FAILED', 'the store holds a study already');
      study = row;
      plan = structuredClone(tasks);
      for (const task of plan.tasks) states.set(task.id, newTaskState(task));
    },
    extend(row, wider) {
      const added = additions(plan, wider);
      study = row;
      plan = {
        trials: [...plan.trials, ...structuredClone(added.trials)],
        tasks: [...plan.tasks, ...structuredClone(added.tasks)],
      };
      for (const task of added.tasks) states.set(task.id, newTaskState(task));
    },
    plan: () => plan,
    tasks: () => [...states.values()],
    commit(changes) {
      for (const { task, transition } of changes)
        for (const id of [task.task.id, transition.task])
          if (!states.has(id)) throw new NoisefoldError('STORE_FAILED', `there is no task ${id}`);
      for (const { task, transition } of changes) {
        states.set(task.task.id, structuredClone({ ...task, worker: undefined, leaseUntil: undefined, progress: undefined }));
        transitions.push({ ...transition });
      }
    },
    transitions: (task) => transitions.filter((transition) => task === undefined || transition.task === task),
    close() {},
  };
}
