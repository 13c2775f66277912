/** What is true of every state, and of every two in a row. Tests check it after every step; the returned sentences name what is broken. */
import { holds } from './draft.ts';
import { isFinal, isHeld, isLegalStudy, isLegalTask, isLegalTrial, isLegalWorker } from './transitions.ts';
import { trialStatus } from './trials.ts';
import {
  taskStatuses,
  type State,
  type Step,
  type StudyState,
  type TaskState,
  type TaskStatus,
  type WorkerState,
} from './types.ts';

/** Proportional to the number of tasks: for tests. */
export function violations(state: State): string[] {
  const broken: string[] = [];
  for (const study of state.studies.values()) {
    for (const task of study.tasks.values())
      broken.push(...ofTask(state, study, task).map((what) => `${study.name}/${task.task.id}: ${what}`));
    broken.push(...ofTable(study), ...ofStudy(study).map((what) => `study ${study.name}: ${what}`));
  }
  for (const worker of state.workers.values())
    broken.push(...ofWorker(state, worker).map((what) => `worker ${worker.id}: ${what}`));
  if (state.phase === 'stopped' && [...state.studies.values()].some((study) => holds(study) > 0))
    broken.push('stopped with held tasks');
  return broken;
}

function ofTask(state: State, study: StudyState, task: TaskState): string[] {
  const { status, worker, result, error } = task;
  const broken: string[] = [];
  if (isHeld(status) !== (task.leaseUntil !== undefined)) broken.push(`${status} with lease ${String(task.leaseUntil)}`);
  if (isHeld(status) && task.attempt < 1) broken.push(`${status} without an attempt`);
  if (!isHeld(status) && worker !== undefined) broken.push(`${status} with worker ${worker}`);
  if ((status === 'done') !== (result !== undefined))
    broken.push(`${status}, result ${result === undefined ? 'missing' : 'present'}`);
  if (status === 'failed' && error === undefined) broken.push('failed without an error');
  const holder = worker === undefined ? undefined : state.workers.get(worker);
  // After a restart it is not known who holds what, until they say so.
  if (worker !== undefined && (holder?.task?.study !== study.name || holder.task.task !== task.task.id))
    broken.push(`held by ${worker}, who is noted for ${holder?.task?.task ?? 'nothing'}`);
  return broken;
}

function ofWorker(state: State, { id, status, task: ref }: WorkerState): string[] {
  const broken: string[] = [];
  if (ref !== undefined) {
    if (status !== 'busy' && status !== 'draining') broken.push(`${status} with a task`);
    if (state.studies.get(ref.study)?.tasks.get(ref.task)?.worker !== id)
      broken.push(`noted for ${ref.task}, which it does not hold`);
  }
  const leaves = state.phase !== 'running';
  if (leaves && status !== 'draining') broken.push(`${status} while stopping`);
  return broken;
}

function ofStudy(study: StudyState): string[] {
  const tasks = [...study.tasks.values()];
  const broken: string[] = [];
  const final = tasks.every(({ status }) => isFinal(status));
  const held = tasks.some(({ status }) => isHeld(status));
  if ((study.status === 'finished' || study.status === 'cancelled') !== final)
    broken.push(`${study.status}, ${final ? 'nothing' : 'something'} is left`);
  if (study.status === 'paused' && held) broken.push('paused with held tasks');
  if (study.status === 'pausing' && !held) broken.push('pausing with nothing held');
  for (const trial of new Set(tasks.map(({ task }) => task.trial))) {
    const folds = study.tasks.ofTrial(trial);
    if (trialStatus(folds) === 'failed' && !folds.every(({ status }) => isFinal(status)))
      broken.push(`trial ${trial} failed, and its folds go on`);
  }
  return broken;
}

/** The table's indexes against a recount. */
function ofTable({ name, tasks }: StudyState): string[] {
  const all = [...tasks.values()];
  const broken: string[] = [];
  const recount = (status: TaskStatus): number => all.filter((task) => task.status === status).length;
  for (const status of taskStatuses)
    if (tasks.count(status) !== recount(status))
      broken.push(`study ${name}: counts ${tasks.count(status)} ${status}, has ${recount(status)}`);
  const held = all.filter(({ status }) => isHeld(status));
  if (held.length !== tasks.held().length || !tasks.held().every((task, i) => task === held[i]))
    broken.push(`study ${name}: held() is not what is held`);
  for (const task of all) {
    if (tasks.get(task.task.id) !== task) broken.push(`study ${name}: ${task.task.id} is not where its id says`);
    const hash = task.checkpoint?.hash;
    if (hash !== undefined && tasks.pointingAt(hash) !== all.filter(({ checkpoint }) => checkpoint?.hash === hash).length)
      broken.push(`study ${name}: miscounts checkpoint ${hash}`);
  }
  return broken;
}

/** Moves of one step that no table has. A trial's are seen from state to state, since it has no effects of its own. */
export function illegalMoves(before: State, { state: after, effects }: Step): string[] {
  const broken: string[] = [];
  const check = <S extends string>(what: string, from: S | undefined, to: S, isLegal: (from: S, to: S) => boolean): void => {
    if (from !== undefined && from !== to && !isLegal(from, to)) broken.push(`${what}: ${from} -> ${to}`);
  };
  for (const effect of effects) {
    if (effect.type === 'persistStudy') check(`study ${effect.study}`, effect.from, effect.status, isLegalStudy);
    // A worker that says hello again begins again: it comes from nowhere.
    if (effect.type === 'worker') check(`worker ${effect.worker.id}`, effect.from, effect.worker.status, isLegalWorker);
    if (effect.type !== 'persist') continue;
    const { id, trial } = effect.task.task;
    check(`task ${id}`, effect.from, effect.task.status, isLegalTask);
    const tasks = before.studies.get(effect.study)?.tasks;
    const was = tasks?.get(id);
    if (tasks === undefined || was === undefined) continue;
    if (effect.task.attempt < was.attempt) broken.push(`task ${id}: attempt ${was.attempt} -> ${effect.task.attempt}`);
    const now = after.studies.get(effect.study)?.tasks.ofTrial(trial) ?? [];
    if (now.length > 0) check(`trial ${trial}`, trialStatus(tasks.ofTrial(trial)), trialStatus(now), isLegalTrial);
  }
  return broken;
}
