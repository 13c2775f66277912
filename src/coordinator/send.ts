/** What follows from a turn once its rows are durable: messages, log lines, deletions. */
import type { Log } from '../base/ports.ts';
import { isHeld } from '../scheduler/transitions.ts';
import type { Effect, State, TaskRef, TaskState } from '../scheduler/types.ts';
import type { FromCoordinator } from '../wire/messages.ts';
import type { Checkpoints } from './checkpoints.ts';
import type { Metrics } from './metrics.ts';
import type { Studies } from './studies.ts';

export interface SenderOptions {
  readonly state: () => State;
  readonly studies: Studies;
  readonly checkpoints: Checkpoints;
  readonly send: (peer: string, message: FromCoordinator) => void;
  readonly metrics: Metrics | undefined;
  readonly log: Log;
}

export interface Sender {
  /** @param arrivedMs when the message came that led to this, by the metrics' clock */
  carryOut(effect: Effect, arrivedMs: number): void;
}

type Assign = Extract<Effect, { type: 'assign' }>;

export function createSender(options: SenderOptions): Sender {
  const { studies, checkpoints, send, metrics, log } = options;

  /** The task, if this attempt still is the one that holds it. */
  function current({ study, task, attempt, worker }: Assign): TaskState | undefined {
    const state = options.state().studies.get(study)?.tasks.get(task);
    return state?.attempt === attempt && state.worker === worker && isHeld(state.status) ? state : undefined;
  }

  function assign(effect: Assign, arrivedMs: number): void {
    const task = current(effect);
    if (task === undefined) return;
    if (task.checkpoint === undefined) sendTask(effect, undefined, arrivedMs);
    else void checkpoints.newest(effect, task).then((hash) => sendTask(effect, hash, arrivedMs));
  }

  function sendTask(effect: Assign, resumeFrom: string | undefined, arrivedMs: number): void {
    const { worker, study, attempt } = effect;
    const open = studies.open.get(study);
    const held = current(effect);
    if (open === undefined || held === undefined) return;
    const spec = open.specOf(held.task);
    send(worker, { type: 'assign', study, attempt, spec: resumeFrom === undefined ? spec : { ...spec, resumeFrom } });
    if (metrics !== undefined) metrics.dispatched((metrics.now() - arrivedMs) / 1e3);
  }

  const named = (ref: TaskRef & { readonly attempt: number; readonly worker: string | undefined }): Record<string, unknown> => {
    const { study, task, attempt, worker } = ref;
    const state = options.state();
    const trial = state.studies.get(study)?.tasks.get(task)?.task.trial;
    return {
      study,
      trial,
      task,
      attempt,
      worker: worker === undefined ? undefined : (state.workers.get(worker)?.name ?? worker),
    };
  };

  return {
    carryOut(effect, arrivedMs) {
      switch (effect.type) {
        case 'add': {
          const { study, task, cause } = effect;
          log.log('info', cause, { study, trial: task.task.trial, task: task.task.id, rung: task.task.rung });
          return;
        }
        case 'persist': {
          const { study, task, from, cause } = effect;
          const { attempt, worker, status } = task;
          log.log(status === 'failed' ? 'warn' : 'info', cause, {
            ...named({ study, task: task.task.id, attempt, worker }),
            ...{ from, to: status },
            ...(status === 'failed' ? { error: task.error?.message } : {}),
          });
          return;
        }
        case 'persistStudy': {
          const { study, from, status, cause } = effect;
          log.log('info', cause, { study, from, to: status });
          return;
        }
        case 'assign':
          assign(effect, arrivedMs);
          return;
        case 'acknowledge':
        case 'cancel':
        case 'yield': {
          const { type, worker, study, task, attempt } = effect;
          send(worker, { type, study, task, attempt });
          return;
        }
        case 'drain':
        case 'introduce':
        case 'probe':
          send(effect.worker, { type: effect.type });
          return;
        case 'discard':
          checkpoints.supersede(effect.hash);
          return;
        case 'fenced':
          metrics?.fenced(effect.message);
          log.log('info', 'a late message of an earlier attempt changed nothing', { ...named(effect), kind: effect.message });
          return;
        case 'worker': {
          const { name, status, task } = effect.worker;
          const { cause, from } = effect;
          log.log(status === 'quarantined' ? 'warn' : 'info', cause, { worker: name, from, to: status, ...task });
          return;
        }
        case 'finished':
          log.log('info', 'the study is finished', { study: effect.study });
          return;
        case 'stopped':
          log.log('info', 'nothing is held any more');
          return;
        default:
          effect satisfies never;
      }
    },
  };
}
