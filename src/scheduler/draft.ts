/** One step's working copy of a state, with the effects so far. It copies on the first write, so an event without consequences returns the state it was given. */
import type { Promotion } from './rungs.ts';
import { promotions } from './rungs.ts';
import type { TaskTable } from './task-table.ts';
import { illegal, isLegalStudy, isLegalTrial, isLegalWorker, moved } from './transitions.ts';
import { trialStatus } from './trials.ts';
import type { TaskResult } from '../train/types.ts';
import type {
  Effect,
  Policy,
  State,
  Step,
  StudyState,
  StudyStatus,
  TaskRef,
  TaskState,
  TaskStatus,
  WorkerHealth,
  WorkerState,
  WorkerStatus,
  WorkerTable,
} from './types.ts';

/** What a task that nobody holds does not have. */
export const unleased = { worker: undefined, leaseUntil: undefined, progress: undefined, progressedAt: undefined } as const;

export type TaskChange = Partial<Omit<TaskState, 'task' | 'status'>>;

export class Draft {
  phase: State['phase'];
  readonly policy: Policy;
  readonly nowMs: number;
  private readonly before: State;
  private studiesNow: ReadonlyMap<string, StudyState>;
  private workersNow: WorkerTable;
  private healthNow: ReadonlyMap<string, WorkerHealth>;
  /** Committed before anything of `messages` is sent. */
  private readonly rows: Effect[] = [];
  private readonly messages: Effect[] = [];

  constructor(state: State, nowMs: number) {
    this.before = state;
    this.nowMs = nowMs;
    this.phase = state.phase;
    this.policy = state.policy;
    this.studiesNow = state.studies;
    this.workersNow = state.workers;
    this.healthNow = state.health;
  }

  get studies(): ReadonlyMap<string, StudyState> {
    return this.studiesNow;
  }

  get workers(): WorkerTable {
    return this.workersNow;
  }

  emit(effect: Exclude<Effect, { type: 'add' | 'persist' | 'persistStudy' | 'worker' }>): void {
    this.messages.push(effect);
  }

  task({ study, task }: TaskRef): TaskState | undefined {
    return this.studiesNow.get(study)?.tasks.get(task);
  }

  /** A change that the rows do not have: leases' deadlines and progress. */
  update(study: string, task: TaskState): void {
    this.withTable(study, (table) => table.with(task));
  }

  /** A change that is committed before anything is sent. */
  persist(study: string, task: TaskState, from: TaskStatus, cause: string, result?: TaskResult): void {
    this.update(study, task);
    this.rows.push({ type: 'persist', study, task, from, cause, ...(result !== undefined && { result }) });
  }

  /** @param result the whole of it, for a task that is done now. Throws INTERNAL when the table of transitions has no such move, of the task or of its trial. */
  move(study: string, task: TaskState, to: TaskStatus, change: TaskChange, cause: string, result?: TaskResult): void {
    const trial = (): ReturnType<typeof trialStatus> | undefined => {
      const tasks = this.studiesNow.get(study)?.tasks.ofTrial(task.task.trial) ?? [];
      return tasks.length === 0 ? undefined : trialStatus(tasks);
    };
    const was = trial();
    this.persist(study, moved(task, to, change), task.status, cause, result);
    const is = trial();
    if (was !== undefined && is !== undefined && was !== is && !isLegalTrial(was, is))
      throw illegal(`trial ${task.task.trial}`, was, is);
  }

  addStudy(study: StudyState): void {
    this.studiesNow = new Map(this.studiesNow).set(study.name, study);
  }

  /** Trials go on: the study has more tasks from now on. */
  promote(study: string, { tasks, cause }: Promotion): void {
    this.withTable(study, (table) => table.append(tasks));
    for (const task of tasks) this.rows.push({ type: 'add', study, task, cause });
  }

  withTable(study: string, change: (table: TaskTable) => TaskTable): void {
    const state = this.studiesNow.get(study);
    if (state !== undefined) this.setStudy({ ...state, tasks: change(state.tasks) });
  }

  moveStudy(name: string, to: StudyStatus, cause: string): void {
    const study = this.studiesNow.get(name);
    if (study === undefined || study.status === to) return;
    if (!isLegalStudy(study.status, to)) throw illegal(`study ${name}`, study.status, to);
    this.setStudy({ ...study, status: to });
    this.rows.push({ type: 'persistStudy', study: name, status: to, from: study.status, cause });
  }

  private setStudy(study: StudyState): void {
    if (this.studiesNow === this.before.studies) this.studiesNow = new Map(this.studiesNow);
    (this.studiesNow as Map<string, StudyState>).set(study.name, study);
  }

  /** Notes that a worker was heard; asks a stranger to introduce itself. */
  heard(id: string): WorkerState | undefined {
    const worker = this.workersNow.get(id);
    if (worker === undefined) {
      this.emit({ type: 'introduce', worker: id });
      return undefined;
    }
    const heard = { ...worker, lastSeen: this.nowMs };
    this.writeWorker(heard);
    return heard;
  }

  addWorker(id: string, name: string, status: WorkerStatus, cause: string): void {
    // Taken out first, so that one who says hello again is last in the line.
    this.removeWorker(id);
    const worker: WorkerState = { id, name, status, lastSeen: this.nowMs, task: undefined };
    this.writeWorker(worker);
    this.messages.push({ type: 'worker', worker, from: undefined, cause });
  }

  moveWorker(id: string, to: WorkerStatus, task: TaskRef | undefined, cause: string): void {
    const worker = this.workersNow.get(id);
    if (worker === undefined) return;
    if (worker.status === to && worker.task === task) return;
    if (worker.status !== to && !isLegalWorker(worker.status, to)) throw illegal(`worker ${worker.name}`, worker.status, to);
    const now: WorkerState = { ...worker, status: to, task };
    this.writeWorker(now);
    if (worker.status !== to) this.messages.push({ type: 'worker', worker: now, from: worker.status, cause });
  }

  removeWorker(id: string): void {
    this.workersNow = this.workersNow.without(id);
  }

  private writeWorker(worker: WorkerState): void {
    this.workersNow = this.workersNow.with(worker);
  }

  healthOf(name: string): WorkerHealth {
    return this.healthNow.get(name) ?? { failed: [], quarantines: 0, probeAt: undefined };
  }

  /** Undefined: well. */
  setHealth(name: string, health: WorkerHealth | undefined): void {
    if (health === undefined && !this.healthNow.has(name)) return;
    const copy = new Map(this.healthNow);
    if (health === undefined) copy.delete(name);
    else copy.set(name, health);
    this.healthNow = copy;
  }

  /**
   * Takes the task from its worker, wherever it goes now. The worker stays busy, with nothing, until it is free: one that was told to kill what it runs would hand
   * back at once whatever it is sent before that is dead.
   */
  takeFrom(study: string, task: TaskState): void {
    const worker = task.worker === undefined ? undefined : this.workersNow.get(task.worker);
    if (worker?.task?.study === study && worker.task.task === task.task.id)
      this.moveWorker(worker.id, worker.status, undefined, 'task taken back');
  }

  /** The worker runs nothing and may be given something. */
  free(id: string): void {
    const worker = this.workersNow.get(id);
    if (worker?.status === 'busy' && worker.task === undefined) this.moveWorker(id, 'idle', undefined, 'runs nothing');
  }

  /** What follows from the studies' tasks: who goes on to the next rung where one is decided, and the status, when nothing is left to do or nothing runs any more. */
  settle(): void {
    for (const { name, status } of this.studiesNow.values()) {
      for (const promotion of due(this.studiesNow.get(name))) this.promote(name, promotion);
      const study = this.studiesNow.get(name);
      const to = study === undefined ? status : settled(study);
      if (to === status) continue;
      this.moveStudy(name, to, to === 'finished' ? 'every task is final' : 'nothing runs any more');
      if (to === 'finished') this.emit({ type: 'finished', study: name });
    }
    if (this.phase === 'stopping' && !holdsAnything(this.studiesNow)) {
      this.phase = 'stopped';
      this.emit({ type: 'stopped' });
    }
    if (this.leaves())
      for (const { id } of this.workersNow.values()) this.drain(id, this.phase === 'running' ? 'nothing left to do' : 'stopping');
  }

  /** Whether workers are to go. */
  leaves(): boolean {
    if (this.phase !== 'running') return true;
    if (this.policy.whenDone === 'wait' || this.studiesNow.size === 0) return false;
    for (const { status } of this.studiesNow.values()) if (status !== 'finished' && status !== 'cancelled') return false;
    return true;
  }

  private drain(id: string, cause: string): void {
    const worker = this.workersNow.get(id);
    if (worker === undefined || worker.status === 'draining') return;
    this.moveWorker(id, 'draining', worker.task, cause);
    this.emit({ type: 'drain', worker: id });
  }

  result(): Step {
    const unchanged =
      this.studiesNow === this.before.studies &&
      this.workersNow === this.before.workers &&
      this.healthNow === this.before.health &&
      this.phase === this.before.phase;
    const state: State = unchanged
      ? this.before
      : { phase: this.phase, policy: this.policy, studies: this.studiesNow, workers: this.workersNow, health: this.healthNow };
    return { state, effects: [...this.rows, ...this.messages] };
  }
}

export const holds = ({ tasks }: StudyState): number => tasks.count('leased') + tasks.count('running');

function holdsAnything(studies: ReadonlyMap<string, StudyState>): boolean {
  for (const study of studies.values()) if (holds(study) > 0) return true;
  return false;
}

const isOpen = ({ tasks }: StudyState): boolean =>
  tasks.count('pending') > 0 || tasks.count('leased') > 0 || tasks.count('running') > 0;

/** Who is to go on now: only where nothing is open, in a study that is not over. */
const due = (study: StudyState | undefined): readonly Promotion[] =>
  study === undefined || study.status === 'finished' || study.status === 'cancelled' || isOpen(study) ? [] : promotions(study);

/** The status that the study's tasks ask for. */
export function settled(study: StudyState): StudyStatus {
  switch (study.status) {
    case 'running':
    case 'paused':
      return isOpen(study) || due(study).length > 0 ? study.status : 'finished';
    case 'pausing':
      if (!isOpen(study) && due(study).length === 0) return 'finished';
      return holds(study) > 0 ? 'pausing' : 'paused';
    case 'finished':
      // Given more tasks, by rows whose event a crash cut off.
      return isOpen(study) ? 'running' : 'finished';
    case 'cancelled':
      return study.status;
    default:
      return study.status satisfies never;
  }
}
