/**
 * The scheduler: step(state, event) -> {state, effects}, with time only in the events.
 *
 * Delivery is at least once. A lease belongs to (task, attempt); heartbeats that name that pair renew it, ticks end it. Messages of another
 * attempt change nothing, so a worker that comes back from the dead cannot overwrite its successor. Results repeat until acknowledged, and
 * acknowledging twice does no harm. Effects list `persist` before anything that is sent, and the coordinator commits before it sends.
 */
import type { Task } from '../plan/types.ts';
import { isFinal, isHeld, moved } from './transitions.ts';
import type { Effect, Event, Policy, State, Step, TaskFailure, TaskState, TaskStatus, WorkerState } from './types.ts';

const unleased = { worker: undefined, leaseUntil: undefined, progress: undefined } as const;

export function newTaskState(task: Task): TaskState {
  return {
    task,
    status: 'pending',
    attempt: 0,
    failures: 0,
    losses: 0,
    worker: undefined,
    leaseUntil: undefined,
    notBefore: 0,
    checkpoint: undefined,
    progress: undefined,
    result: undefined,
    error: undefined,
  };
}

/**
 * The state after a start or restart. Tasks that were leased keep their attempt for `graceMs`, so that a worker that lived through the
 * coordinator's restart can go on; with 0 the workers are known to be gone with the coordinator, and their tasks wait for others: nobody's loss.
 */
export function recover(tasks: readonly TaskState[], policy: Policy, nowMs: number, graceMs: number): State {
  const recovered = (task: TaskState): TaskState => {
    if (!isHeld(task.status)) return task;
    return graceMs > 0 ? { ...task, leaseUntil: nowMs + graceMs } : moved(task, 'pending', unleased);
  };
  const entries = tasks.map((task) => [task.task.id, recovered(task)] as const);
  const phase = tasks.every((task) => isFinal(task.status)) ? 'finished' : 'running';
  return { phase, policy, tasks: new Map(entries), workers: new Map() };
}

/** Applies one event. Unknown tasks and workers are answered, never an error: they come from outside. */
export function step(state: State, event: Event): Step {
  const draft = new Draft(state, event.nowMs);
  apply(draft, event);
  draft.assign();
  draft.settle();
  return draft.result();
}

function apply(draft: Draft, event: Event): void {
  switch (event.type) {
    case 'hello': {
      draft.release(event.worker, 'worker said hello again');
      draft.setWorker({
        id: event.worker,
        name: event.name,
        lastSeen: event.nowMs,
        task: undefined,
        failures: 0,
        draining: draft.phase !== 'running',
      });
      if (draft.phase !== 'running') draft.emit({ type: 'drain', worker: event.worker });
      return;
    }
    case 'heartbeat': {
      const worker = draft.seen(event.worker);
      if (worker === undefined) return;
      if (event.running === undefined) return;
      const { task: id, attempt, progress } = event.running;
      const task = draft.current(id, attempt);
      if (task === undefined) {
        draft.emit({ type: 'cancel', worker: event.worker, task: id, attempt });
        return;
      }
      // A worker that came back from a coordinator's restart may have been given something else between its hello and this heartbeat.
      draft.release(event.worker, 'worker runs another task', id);
      const renewed = { worker: event.worker, leaseUntil: event.nowMs + draft.policy.leaseMs, progress };
      draft.setWorker({ ...worker, task: id });
      if (task.status === 'leased') draft.move(task, 'running', renewed, 'first heartbeat');
      else draft.update({ ...task, ...renewed });
      return;
    }
    case 'checkpointed': {
      draft.seen(event.worker);
      const task = draft.current(event.task, event.attempt);
      if (task === undefined) return;
      if (task.checkpoint !== undefined && task.checkpoint.hash !== event.hash)
        draft.emit({ type: 'discard', hash: task.checkpoint.hash });
      const checkpoint = { hash: event.hash, step: event.step };
      draft.persist(
        { ...task, checkpoint, losses: 0, leaseUntil: event.nowMs + draft.policy.leaseMs },
        task.status,
        `checkpoint at step ${event.step}`,
      );
      return;
    }
    case 'done': {
      draft.seen(event.worker);
      const task = draft.latest(event.task, event.attempt);
      if (task !== undefined) {
        const kept = event.result.checkpoint;
        if (task.checkpoint !== undefined && task.checkpoint.hash !== kept)
          draft.emit({ type: 'discard', hash: task.checkpoint.hash });
        const checkpoint = kept === undefined ? undefined : { hash: kept, step: task.task.toStep };
        draft.move(task, 'done', { ...unleased, checkpoint, result: event.result, error: undefined }, 'done');
        draft.freeWorker(event.worker, event.task, 0);
      }
      draft.emit({ type: 'acknowledge', worker: event.worker, task: event.task, attempt: event.attempt });
      return;
    }
    case 'failed': {
      draft.seen(event.worker);
      const task = draft.latest(event.task, event.attempt);
      if (task !== undefined) {
        draft.fail(task, event.failure);
        draft.freeWorker(event.worker, event.task, event.failure.retryable ? 1 : 0);
      }
      draft.emit({ type: 'acknowledge', worker: event.worker, task: event.task, attempt: event.attempt });
      return;
    }
    case 'returned': {
      draft.seen(event.worker);
      const task = draft.current(event.task, event.attempt);
      if (task !== undefined) {
        draft.move(task, 'pending', unleased, 'handed back');
        draft.freeWorker(event.worker, event.task, 0);
      }
      draft.emit({ type: 'acknowledge', worker: event.worker, task: event.task, attempt: event.attempt });
      return;
    }
    case 'goodbye':
      draft.release(event.worker, 'worker left');
      draft.removeWorker(event.worker);
      return;
    case 'lost':
      draft.lose(event.worker, 'worker process ended');
      draft.removeWorker(event.worker);
      return;
    case 'retry':
      draft.retry();
      return;
    case 'stop':
      draft.stop();
      return;
    case 'tick':
      draft.expire();
      return;
    default:
      event satisfies never;
  }
}

/** One step's working copy. Copies on the first write, so that an event without consequences returns the state it was given. */
class Draft {
  phase: State['phase'];
  readonly policy: Policy;
  private tasks: ReadonlyMap<string, TaskState>;
  private workers: ReadonlyMap<string, WorkerState>;
  private readonly before: State;
  private readonly nowMs: number;
  private readonly effects: Effect[] = [];

  constructor(state: State, nowMs: number) {
    this.before = state;
    this.nowMs = nowMs;
    this.phase = state.phase;
    this.policy = state.policy;
    this.tasks = state.tasks;
    this.workers = state.workers;
  }

  emit(effect: Effect): void {
    this.effects.push(effect);
  }

  update(task: TaskState): void {
    if (this.tasks === this.before.tasks) this.tasks = new Map(this.tasks);
    (this.tasks as Map<string, TaskState>).set(task.task.id, task);
  }

  persist(task: TaskState, from: TaskStatus, cause: string): void {
    this.update(task);
    this.emit({ type: 'persist', task, from, cause });
  }

  move(task: TaskState, to: TaskStatus, change: Partial<Omit<TaskState, 'task' | 'status'>>, cause: string): void {
    this.persist(moved(task, to, change), task.status, cause);
  }

  setWorker(worker: WorkerState): void {
    if (this.workers === this.before.workers) this.workers = new Map(this.workers);
    (this.workers as Map<string, WorkerState>).set(worker.id, worker);
  }

  removeWorker(id: string): void {
    if (!this.workers.has(id)) return;
    if (this.workers === this.before.workers) this.workers = new Map(this.workers);
    (this.workers as Map<string, WorkerState>).delete(id);
  }

  /** Notes that a worker was heard; asks a stranger to introduce itself. */
  seen(id: string): WorkerState | undefined {
    const worker = this.workers.get(id);
    if (worker === undefined) {
      this.emit({ type: 'introduce', worker: id });
      return undefined;
    }
    const heard = { ...worker, lastSeen: this.nowMs };
    this.setWorker(heard);
    return heard;
  }

  /** The task, if this attempt holds it now. */
  current(id: string, attempt: number): TaskState | undefined {
    const task = this.tasks.get(id);
    return task !== undefined && task.attempt === attempt && isHeld(task.status) ? task : undefined;
  }

  /** The task, if this attempt is the last one given out and the task is not finished. */
  latest(id: string, attempt: number): TaskState | undefined {
    const task = this.tasks.get(id);
    return task !== undefined && task.attempt === attempt && attempt > 0 && !isFinal(task.status) ? task : undefined;
  }

  freeWorker(id: string, task: string, failures: 0 | 1): void {
    const worker = this.workers.get(id);
    if (worker === undefined) return;
    const counted = failures === 0 ? 0 : worker.failures + 1;
    const sick = counted >= this.policy.workerFailures && !worker.draining;
    this.setWorker({
      ...worker,
      task: worker.task === task ? undefined : worker.task,
      failures: counted,
      draining: worker.draining || sick,
    });
    if (sick) this.emit({ type: 'drain', worker: id });
  }

  fail(task: TaskState, failure: TaskFailure): void {
    const failures = task.failures + 1;
    const change = { ...unleased, failures, error: failure };
    if (!failure.retryable || failures >= this.policy.maxFailures) this.move(task, 'failed', change, failure.code);
    else {
      const notBefore = this.nowMs + this.policy.backoffMs * 2 ** (failures - 1);
      const retried = { ...change, notBefore };
      if (task.status === 'pending') this.persist({ ...task, ...retried }, 'pending', failure.code);
      else this.move(task, 'pending', retried, failure.code);
    }
  }

  /** Hands back what a worker holds (but for one task), without blame. */
  release(id: string, cause: string, except?: string): void {
    for (const task of this.tasks.values())
      if (task.worker === id && isHeld(task.status) && task.task.id !== except) this.move(task, 'pending', unleased, cause);
  }

  /** Takes back what a worker holds: it is gone. */
  lose(id: string, cause: string): void {
    for (const task of this.tasks.values()) if (task.worker === id && isHeld(task.status)) this.expireTask(task, cause);
  }

  private expireTask(task: TaskState, cause: string): void {
    const losses = task.losses + 1;
    if (losses < this.policy.maxLosses) {
      this.move(task, 'pending', { ...unleased, losses }, cause);
      return;
    }
    const message = `${losses} workers were lost while running it, without a checkpoint between`;
    this.move(task, 'failed', { ...unleased, losses, error: { code: 'WORKER_LOST', message, retryable: true } }, cause);
  }

  expire(): void {
    for (const task of this.tasks.values())
      if (isHeld(task.status) && (task.leaseUntil ?? 0) <= this.nowMs) this.expireTask(task, 'lease ended');
    for (const worker of this.workers.values()) {
      if (worker.lastSeen + this.policy.leaseMs <= this.nowMs) this.removeWorker(worker.id);
      // A worker whose lease ended is still there, but does not hold the task any more.
      else if (worker.task !== undefined && this.tasks.get(worker.task)?.worker !== worker.id)
        this.setWorker({ ...worker, task: undefined });
    }
  }

  retry(): void {
    const again = [...this.tasks.values()].filter(({ status, error }) => status === 'failed' && error?.retryable === true);
    for (const task of again) this.move(task, 'pending', { failures: 0, losses: 0, notBefore: 0 }, 'tried again');
    if (again.length > 0 && this.phase === 'finished') this.phase = 'running';
  }

  stop(): void {
    if (this.phase !== 'running') return;
    this.phase = 'stopping';
    this.drainAll();
  }

  private drainAll(): void {
    for (const worker of this.workers.values()) {
      if (worker.draining) continue;
      this.setWorker({ ...worker, draining: true });
      this.emit({ type: 'drain', worker: worker.id });
    }
  }

  /** Gives pending tasks, in plan order, to free workers. */
  assign(): void {
    if (this.phase !== 'running') return;
    const free = [...this.workers.values()].filter((worker) => worker.task === undefined && !worker.draining);
    if (free.length === 0) return;
    for (const task of this.tasks.values()) {
      if (task.status !== 'pending' || task.notBefore > this.nowMs) continue;
      const worker = free.shift();
      if (worker === undefined) return;
      const attempt = task.attempt + 1;
      this.move(task, 'leased', { attempt, worker: worker.id, leaseUntil: this.nowMs + this.policy.leaseMs }, 'leased');
      this.setWorker({ ...worker, task: task.task.id });
      this.emit({ type: 'assign', worker: worker.id, task: task.task.id, attempt });
    }
  }

  /** Looks no further than the first that is otherwise: this runs after every event. */
  private all(is: (status: TaskStatus) => boolean): boolean {
    for (const { status } of this.tasks.values()) if (!is(status)) return false;
    return true;
  }

  /** Ends the study when nothing is left to do, or the stop when nothing is left running. */
  settle(): void {
    if (this.phase === 'running' && this.all(isFinal)) {
      this.phase = 'finished';
      this.emit({ type: 'finished' });
      this.drainAll();
    } else if (this.phase === 'stopping' && this.all((status) => !isHeld(status))) {
      this.phase = 'stopped';
      this.emit({ type: 'stopped' });
    }
  }

  result(): Step {
    const unchanged =
      this.tasks === this.before.tasks && this.workers === this.before.workers && this.phase === this.before.phase;
    const state = unchanged ? this.before : { phase: this.phase, policy: this.policy, tasks: this.tasks, workers: this.workers };
    return { state, effects: [...this.effects.filter(isPersist), ...this.effects.filter((effect) => !isPersist(effect))] };
  }
}

const isPersist = (effect: Effect): boolean => effect.type === 'persist';
