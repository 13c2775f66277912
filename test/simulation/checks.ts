/** What must hold after every event, and at the end. Each check throws with what is wrong. */
import type { FromCoordinator } from '../../src/wire/messages.ts';
import { illegalMoves, violations } from '../../src/scheduler/invariants.ts';
import { isHeld } from '../../src/scheduler/transitions.ts';
import type { Effect, State, TaskState } from '../../src/scheduler/types.ts';
import type { TaskResult } from '../../src/train/types.ts';
import type { Disk } from './disk.ts';
import { expectedOutcome, outcomeOf, type SimulatedStudy } from './studies.ts';

export class Violation extends Error {}

export interface Checks {
  /** A message that a coordinator sends now. */
  onSend(message: FromCoordinator): void;
  onCommit(study: string): void;
  onStart(state: State): void;
  onTurn(state: State, effects: readonly Effect[]): void;
  afterEvent(): void;
  atTheEnd(studies: readonly SimulatedStudy[]): void;
}

/** @param found called with what is wrong, at once: code under test may catch what is thrown */
export function createChecks(disk: () => Disk, found: (what: string) => void): Checks {
  const results = new Map<string, TaskResult>();
  const attempts = new Map<string, number>();
  let state: State | undefined;
  let dirty = false;

  const rowOf = (study: string, task: string): TaskState | undefined =>
    disk()
      .rows.get(study)
      ?.tasks()
      .find((row) => row.task.id === task);

  /** Whatever a worker or client is told must be in the rows already. */
  function onSend(message: FromCoordinator): void {
    if (message.type === 'assign') {
      const { task } = message.spec;
      const row = rowOf(message.study, task.id);
      if (
        row === undefined ||
        row.attempt < message.attempt ||
        (row.attempt === message.attempt && row.status === 'pending' && row.worker !== undefined)
      )
        found(`assigned ${task.id} #${message.attempt}, while its row is ${row?.status ?? 'missing'} #${row?.attempt ?? 0}`);
      const from = message.spec.resumeFrom;
      if (from !== undefined && !disk().blobs.has(from)) found(`${task.id} is to resume from a blob that is not there`);
    }
    if (message.type === 'acknowledge') {
      const row = rowOf(message.study, message.task);
      if (row !== undefined && row.attempt === message.attempt && isHeld(row.status))
        found(`acknowledged the end of ${message.task} #${message.attempt}, while its row is ${row.status}`);
    }
    if (message.type === 'stored' && message.complete && !disk().blobs.has(message.hash))
      found(`told that ${message.hash} is stored`);
  }

  function rows(study: string): void {
    for (const row of disk().rows.get(study)?.tasks() ?? []) {
      const key = `${study}/${row.task.id}`;
      const known = results.get(key);
      if (known !== undefined && JSON.stringify(row.result) !== JSON.stringify(known))
        found(`the result of ${key} is lost or changed`);
      if (row.result !== undefined) results.set(key, row.result);
      const before = attempts.get(key) ?? 0;
      if (row.attempt < before) found(`${key} went from attempt ${before} to ${row.attempt}`);
      attempts.set(key, row.attempt);
    }
  }

  return {
    onSend,
    onCommit(study) {
      dirty = true;
      rows(study);
    },
    onStart(next) {
      state = next;
      dirty = true;
    },
    onTurn(next, effects) {
      if (state !== undefined) for (const broken of illegalMoves(state, { state: next, effects })) found(broken);
      state = next;
      dirty = true;
    },
    afterEvent() {
      if (state !== undefined && dirty) for (const broken of violations(state)) found(broken);
      dirty = false;
      const { rows: stores, blobs } = disk();
      for (const [study, store] of stores)
        for (const { task, status, checkpoint, result } of store.tasks()) {
          if (status === 'done' && result?.checkpoint !== undefined && !blobs.has(result.checkpoint))
            found(`${study}/${task.id} is done, and its model is not there`);
          if (isHeld(status) && checkpoint !== undefined && !blobs.has(checkpoint.hash) && !disk().damaged.has(checkpoint.hash))
            found(`${study}/${task.id} has a checkpoint that is not there`);
        }
    },
    atTheEnd(studies) {
      for (const study of studies) {
        const store = disk().rows.get(study.name);
        if (store === undefined) {
          found(`${study.name} was never written`);
          continue;
        }
        const outcome = outcomeOf(store);
        if (outcome !== expectedOutcome(study)) found(`${study.name} ended otherwise than an undisturbed run: ${outcome}`);
      }
    },
  };
}
