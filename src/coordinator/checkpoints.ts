/**
 * Which checkpoint an attempt goes on from, and which are not needed any more.
 *
 * Beside the one that a task's row names, the one before it is kept while the task runs: a blob is read and verified before a worker is sent to it, and
 * one that a disk has spoilt is put aside for its predecessor, or for the beginning. Training is bit-exact, so the end is the same, only later.
 */
import type { Collector } from '../artifacts/collector.ts';
import type { Log } from '../base/ports.ts';
import { isHeld } from '../scheduler/transitions.ts';
import type { Effect, State, TaskRef, TaskState } from '../scheduler/types.ts';

export interface Checkpoints {
  /** To be told of every change of a row, and of the state before it. */
  note(effect: Extract<Effect, { type: 'persist' }>, before: State): void;
  /** A checkpoint that no row may need. Deleted soon, unless it is referred to. */
  supersede(hash: string): void;
  /** The newest of the task's checkpoints that is whole; undefined: from the beginning. */
  newest(ref: TaskRef, task: TaskState): Promise<string | undefined>;
  /** Whether it is kept as a predecessor. */
  isKept(hash: string): boolean;
  /** Checkpoints waiting to be deleted. */
  length(): number;
}

export interface CheckpointsOptions {
  readonly collector: Collector;
  /** Whether any row points at the blob, or it is kept for another reason. */
  readonly isReferred: (hash: string) => boolean;
  readonly log: Log;
}

/** Beyond these, superseded checkpoints are left to the garbage collector. */
const longestQueue = 10_000;

export function createCheckpoints({ collector, isReferred, log }: CheckpointsOptions): Checkpoints {
  /** By task, of those that run. */
  const predecessors = new Map<string, string>();
  const kept = new Map<string, number>();
  const queue = new Set<string>();
  let deleting = false;

  function setPredecessor(key: string, hash: string | undefined): void {
    const before = predecessors.get(key);
    if (before === hash) return;
    if (hash === undefined) predecessors.delete(key);
    else {
      predecessors.set(key, hash);
      kept.set(hash, (kept.get(hash) ?? 0) + 1);
    }
    if (before === undefined) return;
    const left = (kept.get(before) ?? 1) - 1;
    if (left > 0) kept.set(before, left);
    else kept.delete(before);
    supersede(before);
  }

  function supersede(hash: string): void {
    if (queue.size >= longestQueue) return;
    queue.add(hash);
    if (!deleting) void deleteQueued();
  }

  async function deleteQueued(): Promise<void> {
    deleting = true;
    for (const hash of queue) {
      queue.delete(hash);
      try {
        await collector.discard(hash, isReferred);
      } catch (thrown) {
        log.log('warn', 'a superseded checkpoint could not be deleted', { hash, error: String(thrown) });
      }
    }
    deleting = false;
  }

  return {
    note({ study, task }, before) {
      const key = `${study}/${task.task.id}`;
      if (!isHeld(task.status) && task.status !== 'pending') {
        setPredecessor(key, undefined);
        return;
      }
      const was = before.studies.get(study)?.tasks.get(task.task.id)?.checkpoint?.hash;
      if (was !== undefined && was !== task.checkpoint?.hash) setPredecessor(key, was);
    },
    supersede,
    async newest(ref, { checkpoint }) {
      const candidates = [checkpoint?.hash, predecessors.get(`${ref.study}/${ref.task}`)];
      for (const hash of candidates) {
        if (hash === undefined) continue;
        const release = collector.hold(hash);
        const found = await collector.artifacts.verify(hash).catch((thrown: unknown) => String(thrown));
        release();
        if (found === 'good') return hash;
        log.log('warn', 'a checkpoint cannot be used; the task goes on from an earlier one or from the beginning', {
          ...ref,
          hash,
          found,
        });
      }
      return undefined;
    },
    isKept: (hash) => kept.has(hash),
    length: () => queue.size,
  };
}
