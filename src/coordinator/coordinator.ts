/**
 * The process that owns a study's state: message -> event -> step -> one store transaction -> send.
 *
 * Everything runs to its end within one turn of the event loop, so there is no queue and no lock. If the commit fails nothing has been sent and
 * the state is the one before; the coordinator then ends with that error, and a restart recovers from the rows.
 */
import type { ArtifactStore } from '../artifacts/store.ts';
import { asNoisefoldError, type NoisefoldError } from '../base/errors.ts';
import type { Clock, Log } from '../base/ports.ts';
import { recover, step } from '../scheduler/step.ts';
import type { Effect, Event, Policy, State } from '../scheduler/types.ts';
import type { Store, TaskChange } from '../store/store.ts';
import type { TaskSpec } from '../train/types.ts';
import { protocolVersion, type WorkerMessage } from '../wire/messages.ts';
import type { CoordinatorTransport } from '../wire/transport.ts';

export interface CoordinatorOptions {
  readonly study: string;
  readonly store: Store;
  readonly transport: CoordinatorTransport;
  readonly artifacts: ArtifactStore;
  /** Where workers find the artifacts: a folder that they share. */
  readonly artifactsAt: string;
  /** The whole of what a worker needs for a task. */
  readonly specOf: (task: string) => Omit<TaskSpec, 'resumeFrom'>;
  readonly policy: Policy;
  readonly heartbeatMs: number;
  /** How long leases of an earlier run stay valid; 0 when its workers are known to be gone. */
  readonly graceMs: number;
  /** Whether tasks that failed for a reason that may be gone (a crash, a full disk) get new attempts. */
  readonly retryFailed: boolean;
  readonly clock: Clock;
  readonly log: Log;
  /** Called after every event that changed something. */
  readonly onChange?: (state: State, effects: readonly Effect[]) => void;
}

export interface Coordinator {
  state(): State;
  /** Lets time pass: ends leases, forgets silent workers, retries. To be called a few times a lease. */
  tick(): void;
  /** Says that the process of the worker with this name is gone. */
  lost(name: string): void;
  /** Hands out nothing more and asks every worker to checkpoint and hand back what it runs. */
  stop(): void;
  /** Resolves when the study is finished or stopped; rejects when the store fails. */
  readonly ended: Promise<'finished' | 'stopped'>;
}

export function startCoordinator(options: CoordinatorOptions): Coordinator {
  const { store, transport, clock, log } = options;
  let state = recover(store.tasks(), options.policy, clock.now(), options.graceMs);
  let finish: (how: 'finished' | 'stopped') => void = () => {};
  let fail: (reason: NoisefoldError) => void = () => {};
  const ended = new Promise<'finished' | 'stopped'>((resolve, reject) => {
    finish = resolve;
    fail = reject;
  });
  // A rejection is for whoever awaits `ended`; it must not count as unhandled before that.
  ended.catch(() => {});
  let broken: NoisefoldError | undefined;

  function handle(event: Event): void {
    if (broken !== undefined) return;
    const next = step(state, event);
    try {
      const changes = next.effects.flatMap((effect) =>
        effect.type === 'persist' ? [changeOf(effect, next.state, event.nowMs)] : [],
      );
      if (changes.length > 0) store.commit(changes);
    } catch (thrown) {
      broken = asNoisefoldError(thrown);
      log.log('error', 'the study database could not be written', { code: broken.code, message: broken.message });
      fail(broken);
      return;
    }
    const changed = next.state !== state;
    state = next.state;
    for (const effect of next.effects) carryOut(effect);
    if (changed) options.onChange?.(state, next.effects);
  }

  function carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'persist':
        log.log('info', effect.cause, {
          task: effect.task.task.id,
          attempt: effect.task.attempt,
          from: effect.from,
          to: effect.task.status,
        });
        return;
      case 'assign': {
        const resumeFrom = state.tasks.get(effect.task)?.checkpoint?.hash;
        transport.send(effect.worker, {
          type: 'assign',
          attempt: effect.attempt,
          spec: { ...options.specOf(effect.task), resumeFrom },
        });
        return;
      }
      case 'acknowledge':
      case 'cancel':
        transport.send(effect.worker, { type: effect.type, task: effect.task, attempt: effect.attempt });
        return;
      case 'drain':
      case 'introduce':
        transport.send(effect.worker, { type: effect.type });
        return;
      case 'discard':
        discard(effect.hash);
        return;
      case 'finished':
      case 'stopped':
        finish(effect.type);
        return;
      default:
        effect satisfies never;
    }
  }

  /** Deletes a checkpoint, unless another task has the same bytes: equal configurations give equal checkpoints. */
  function discard(hash: string): void {
    for (const task of state.tasks.values()) if (task.checkpoint?.hash === hash || task.result?.checkpoint === hash) return;
    options.artifacts.delete(hash).catch((thrown: unknown) => {
      log.log('warn', 'a superseded checkpoint could not be deleted', { hash, message: asNoisefoldError(thrown).message });
    });
  }

  function onMessage(worker: string, message: WorkerMessage): void {
    const nowMs = clock.now();
    if (message.type === 'hello') {
      const { name, protocol, version, pid, engine, device, threads } = message;
      if (protocol !== protocolVersion) {
        log.log('warn', 'refused a worker of another protocol version', { name, protocol });
        const reason = `this coordinator speaks protocol ${protocolVersion}, the worker (noisefold ${version}) speaks ${protocol}`;
        transport.send(worker, { type: 'refuse', code: 'WIRE_VERSION', reason });
        return;
      }
      log.log('info', 'a worker joined', { name, version, pid, engine, device, threads });
      transport.send(worker, {
        type: 'welcome',
        study: options.study,
        heartbeatMs: options.heartbeatMs,
        leaseMs: options.policy.leaseMs,
        artifacts: options.artifactsAt,
      });
      handle({ type: 'hello', worker, name, nowMs });
      return;
    }
    handle({ ...message, worker, nowMs });
  }

  if (options.retryFailed) handle({ type: 'retry', nowMs: clock.now() });
  if (state.phase === 'finished') finish('finished');
  transport.listen(onMessage, (peer, reason) => log.log('warn', 'dropped a malformed message', { peer, reason }));

  return {
    state: () => state,
    tick: () => handle({ type: 'tick', nowMs: clock.now() }),
    lost(name) {
      for (const worker of state.workers.values())
        if (worker.name === name) handle({ type: 'lost', worker: worker.id, nowMs: clock.now() });
    },
    stop: () => handle({ type: 'stop', nowMs: clock.now() }),
    ended,
  };
}

function changeOf({ task, from, cause }: Extract<Effect, { type: 'persist' }>, { workers }: State, atMs: number): TaskChange {
  // A story is told by names: peer ids mean nothing after the connection.
  const worker = task.worker === undefined ? undefined : workers.get(task.worker)?.name;
  return { task, transition: { atMs, task: task.task.id, attempt: task.attempt, from, to: task.status, worker, cause } };
}
