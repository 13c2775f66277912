/** What must hold after every event, and at the end. Each check throws with what is wrong. */
import type { FromCoordinator, Lease, ToCoordinator } from '../../src/wire/messages.ts';
import { illegalMoves, violations } from '../../src/scheduler/invariants.ts';
import { summaryOf } from '../../src/scheduler/result-summary.ts';
import { isHeld } from '../../src/scheduler/transitions.ts';
import type { Effect, State, StudyStatus, TaskState } from '../../src/scheduler/types.ts';
import type { TaskResult } from '../../src/train/types.ts';
import type { Disk } from './disk.ts';
import { policy } from './cluster.ts';
import { expectedOutcome, isLeftBehind, outcomeOf, rungsProblem, type SimulatedStudy } from './studies.ts';

export interface Checks {
  /** A message that a coordinator sends now. */
  readonly onSend: (to: string | undefined, message: FromCoordinator) => void;
  /** A message that a coordinator hears now. */
  readonly onHear: (from: string, message: ToCoordinator) => void;
  readonly onCommit: (study: string) => void;
  readonly onStart: (state: State) => void;
  readonly onTurn: (state: State, effects: readonly Effect[]) => void;
  readonly afterEvent: () => void;
  readonly atTheEnd: (studies: readonly SimulatedStudy[]) => void;
}

/** What a row keeps of a task. */
const durable = (task: TaskState | undefined): string | undefined =>
  task &&
  JSON.stringify([
    ...[task.status, task.attempt, task.failures, task.failedOn, task.losses],
    ...[task.notBefore, task.checkpoint, task.result, task.error],
  ]);

const leaseOf = ({ study, task, attempt }: Lease): string => `${study}/${task} #${attempt}`;

export interface ChecksOptions {
  readonly disk: () => Disk;
  readonly now: () => number;
  /** Called with what is wrong, at once: code under test may catch what is thrown. */
  readonly found: (what: string) => void;
}

/** Longer than a turn: by the next heartbeat that names an attempt that ended, its worker has been told to stop. */
const zombieMs = 500;

export function createChecks({ disk, now, found }: ChecksOptions): Checks {
  const results = new Map<string, TaskResult>();
  const attempts = new Map<string, number>();
  /** Attempts that a worker was heard to run after they ended, and that nobody has told to stop. */
  const zombies = new Map<string, { readonly from: string; readonly sinceMs: number }>();
  /** Lines of a study's story that are accounted for. */
  const told = new Map<string, number>();
  const leftBehind = new Set<string>();
  const blames = new Map<string, { losses: number; failures: number; readonly failedOn: Set<string> }>();
  let state: State | undefined;
  let dirty = false;

  /** Whether its bytes were ever lost; an upload that was under way may have brought them back before anybody looked again. */
  const losses = new Set<string>();
  const wasLost = (hash: string): boolean => {
    for (const one of disk().lost) losses.add(one);
    return losses.has(hash);
  };

  const rowOf = (study: string, task: string): TaskState | undefined =>
    disk()
      .rows.get(study)
      ?.tasks()
      .find((row) => row.task.id === task);

  /** Whatever a worker or client is told must be in the rows already. */
  function onSend(to: string | undefined, message: FromCoordinator): void {
    if (message.type === 'assign') {
      const { task } = message.spec;
      const row = rowOf(message.study, task.id);
      if (row === undefined || row.attempt < message.attempt)
        found(`assigned ${task.id} #${message.attempt}, while its row is ${row?.status ?? 'missing'} #${row?.attempt ?? 0}`);
      const from = message.spec.resumeFrom;
      if (from !== undefined && !disk().blobs.has(from)) found(`${task.id} is to resume from a blob that is not there`);
    }
    if (message.type === 'cancel') zombies.delete(leaseOf(message));
    // One that is not known has to introduce itself first.
    if (message.type === 'introduce') for (const [lease, { from }] of zombies) if (from === to) zombies.delete(lease);
    if (message.type === 'acknowledge') {
      const row = rowOf(message.study, message.task);
      if (row !== undefined && row.attempt === message.attempt && isHeld(row.status))
        found(`acknowledged the end of ${message.task} #${message.attempt}, while its row is ${row.status}`);
    }
    if (message.type === 'stored' && message.complete && !disk().blobs.has(message.hash))
      found(`told that ${message.hash} is stored`);
  }

  function onHear(from: string, message: ToCoordinator): void {
    if (message.type !== 'heartbeat') return;
    const { running } = message;
    const named = running === undefined ? undefined : leaseOf(running);
    for (const [lease, zombie] of zombies) if (zombie.from === from && lease !== named) zombies.delete(lease);
    if (running === undefined || named === undefined) return;
    const known = zombies.get(named);
    if (known !== undefined && now() - known.sinceMs >= zombieMs) found(`${named} ended, was heard of, and was not told to stop`);
    if (known === undefined && (rowOf(running.study, running.task)?.attempt ?? 0) > running.attempt)
      zombies.set(named, { from, sinceMs: now() });
  }

  function rows(study: string): void {
    for (const row of disk().rows.get(study)?.tasks() ?? []) {
      const key = `${study}/${row.task.id}`;
      const known = results.get(key);
      const result = disk().rows.get(study)?.result(row.task.id);
      const isRedone = result === undefined && known?.checkpoint !== undefined && wasLost(known.checkpoint);
      if (isRedone) results.delete(key);
      else if (known !== undefined && JSON.stringify(result) !== JSON.stringify(known))
        found(`the result of ${key} is lost or changed`);
      if (result !== undefined) results.set(key, result);
      if (JSON.stringify(row.result) !== JSON.stringify(result && summaryOf(result))) found(`${key} sums up another result`);
      if (result !== undefined && row.checkpoint?.hash !== result.checkpoint) found(`${key} has not its result’s checkpoint`);
      const before = attempts.get(key) ?? 0;
      if (row.attempt < before) found(`${key} went from attempt ${before} to ${row.attempt}`);
      attempts.set(key, row.attempt);
    }
  }

  /** What a turn changed is what the rows say now. */
  function written(effects: readonly Effect[]): void {
    const tasks = new Map<string, Extract<Effect, { type: 'add' | 'persist' }>>();
    const studies = new Map<string, StudyStatus>();
    for (const effect of effects) {
      if (effect.type === 'persist' || effect.type === 'add') tasks.set(`${effect.study}/${effect.task.task.id}`, effect);
      if (effect.type === 'persistStudy') studies.set(effect.study, effect.status);
    }
    for (const [key, { study, task }] of tasks)
      if (durable(rowOf(study, task.task.id)) !== durable(task)) found(`${key} is not what its row says`);
    for (const [study, status] of studies)
      if (disk().rows.get(study)?.study()?.status !== status) found(`${study} is ${status}, and its row is not`);
  }

  /** The rules about whose fault it is, kept account of by the stories alone. */
  function account(study: string): void {
    const story = disk().rows.get(study)?.transitions() ?? [];
    for (const { task, from, to, cause, worker } of story.slice(told.get(study) ?? 0)) {
      const key = `${study}/${task}`;
      const blame = blames.get(key) ?? { losses: 0, failures: 0, failedOn: new Set() };
      blames.set(key, blame);
      if (cause.startsWith('checkpoint')) blame.losses = 0;
      if (/^(lease ended|worker is silent|worker process ended)/.test(cause)) blame.losses++;
      if (/^(TASK_CRASHED|TASK_STALLED)/.test(cause)) {
        if (from === 'pending') found(`${key}: an attempt that had ended failed once more`);
        blame.failures++;
        if (worker !== undefined) blame.failedOn.add(worker);
      }
      if (cause === 'tried again' || cause === 'its checkpoint was lost or corrupt') blames.delete(key);
      else if (to === 'pending' && from !== 'pending') {
        if (blame.losses >= policy.maxLosses) found(`${key} was lost ${blame.losses} times, and goes on`);
        if (blame.failures >= policy.maxFailures) found(`${key} failed ${blame.failures} times, and goes on`);
        if (blame.failedOn.size >= policy.maxFailedOn)
          found(`${key} failed on ${[...blame.failedOn].join(' and ')}, and goes on`);
      }
    }
    told.set(study, story.length);
  }

  return {
    onSend,
    onHear,
    onCommit(study) {
      account(study);
      dirty = true;
      rows(study);
    },
    onStart(next) {
      zombies.clear();
      state = next;
      dirty = true;
    },
    onTurn(next, effects) {
      if (state !== undefined) for (const broken of illegalMoves(state, { state: next, effects })) found(broken);
      written(effects);
      state = next;
      dirty = true;
    },
    afterEvent() {
      if (state !== undefined && dirty) for (const broken of violations(state)) found(broken);
      dirty = false;
      const { rows: stores, blobs } = disk();
      for (const [study, store] of stores) {
        const all = store.tasks();
        for (const state of all) {
          const { task, status, checkpoint } = state;
          const isMissing = checkpoint !== undefined && !blobs.has(checkpoint.hash) && !wasLost(checkpoint.hash);
          if (isLeftBehind(all, state)) leftBehind.add(`${study}/${task.id}`);
          // Let go, and wanted again only when the later rung's is lost.
          if (status === 'done' && isMissing && !leftBehind.has(`${study}/${task.id}`))
            found(`${study}/${task.id} is done, and its model is not there`);
          // The first checkpoint of a later rung is the model of the one before, which may be lost as such.
          if (isHeld(status) && isMissing && !disk().damaged.has(checkpoint.hash))
            found(`${study}/${task.id} has a checkpoint that is not there`);
        }
      }
    },
    atTheEnd(studies) {
      for (const study of studies) {
        const store = disk().rows.get(study.name);
        if (store === undefined) {
          found(`${study.name} was never written`);
          continue;
        }
        if (store.study()?.status === 'cancelled') continue;
        const problem = rungsProblem(study, store);
        if (problem !== undefined) found(problem);
        if (study.rungs !== undefined) continue;
        const outcome = outcomeOf(store);
        if (outcome !== expectedOutcome(study)) found(`${study.name} ended otherwise than an undisturbed run: ${outcome}`);
      }
    },
  };
}
