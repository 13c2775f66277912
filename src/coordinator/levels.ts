/** The state in numbers, as metrics show it. */
import { studyStatuses, taskStatuses, workerStatuses, type State, type StudyState } from '../scheduler/types.ts';
import type { Levels } from './metrics.ts';

export function levelsOf(state: State, broken: number, rest: Pick<Levels, 'queues' | 'full'>): Levels {
  const studies = [...state.studies.values()];
  const workers = [...state.workers.values()];
  const counted = <S extends string>(
    statuses: readonly S[],
    all: readonly { readonly status: S }[],
  ): { status: S; count: number }[] =>
    statuses.map((status) => ({ status, count: all.filter((one) => one.status === status).length }));
  return {
    tasks: studies.flatMap(({ name, tasks }) =>
      taskStatuses.map((status) => ({ study: name, status, count: tasks.count(status) })),
    ),
    studies: [...counted(studyStatuses, studies), { status: 'broken', count: broken }],
    workers: counted(workerStatuses, workers),
    wantedWorkers: studies.reduce((sum, study) => sum + wantedBy(study), 0),
    ...rest,
  };
}

/** Of a study that is not running nothing more is handed out, but what is held goes on. */
const wantedBy = ({ status, tasks }: StudyState): number =>
  tasks.count('leased') + tasks.count('running') + (status === 'running' ? tasks.count('pending') : 0);
