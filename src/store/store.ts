/**
 * The port for a study's durable state. One process writes; readers may look on. All writes of one commit are one transaction.
 */
import type { Plan } from '../plan/types.ts';
import type { StudyStatus, TaskState, TaskStatus } from '../scheduler/types.ts';
import type { TaskResult } from '../train/types.ts';

export interface StudyRow {
  readonly name: string;
  /** Canonical JSON of the sweep's configuration, and the hashes by which a resume is recognised. */
  readonly config: string;
  readonly configHash: string;
  readonly dataHash: string;
  /** Hashes of the prepared data sets that its tasks work on: those of all rows, and with the inductive protocol those of each fold after it. */
  readonly data: readonly string[];
  /** Hash of the blob with the prepared table: all that is needed, without the user's files, to finish the study (ids, preprocessor, target). */
  readonly table: string;
  readonly status: StudyStatus;
  readonly createdMs: number;
  readonly version: string;
}

/** One line of a task's story. */
export interface Transition {
  readonly atMs: number;
  readonly task: string;
  readonly attempt: number;
  readonly from: TaskStatus;
  readonly to: TaskStatus;
  readonly worker: string | undefined;
  readonly cause: string;
}

export interface TaskChange {
  readonly task: TaskState;
  readonly transition: Transition;
  /** The study does not have the task yet: it is the last one from now on. */
  readonly isNew?: boolean | undefined;
  /** The whole of the task's result, where it has come with this change. */
  readonly result?: TaskResult | undefined;
}

export interface StudyChange {
  readonly status: StudyStatus;
  readonly from: StudyStatus;
  readonly cause: string;
  readonly atMs: number;
}

/** All that one turn of the coordinator changes in a study, in order. */
export interface Changes {
  readonly tasks: readonly TaskChange[];
  readonly study?: StudyChange | undefined;
}

export interface Store {
  study(): StudyRow | undefined;
  /** Writes the study with its trials and tasks, all at once. Throws STORE_FAILED if there is one already. */
  create(study: StudyRow, plan: Plan): void;
  /**
   * Gives the study a new configuration and appends those trials and tasks of the plan that it lacks, all at once. What it has stays, even where the
   * plan lacks it. Throws STORE_FAILED if a trial or task of the plan is there with other contents.
   */
  extend(study: StudyRow, plan: Plan): void;
  plan(): Plan;
  /** Task states in plan order, those that were added by changes after them, in that order. Progress, leases' deadlines and workers are not kept over a restart: tasks that were leased come back as `leased`. */
  tasks(): readonly TaskState[];
  /** The whole of a task's result; undefined where its state has none. */
  result(task: string): TaskResult | undefined;
  /** Applies all changes, in order, or none. Durable when it returns. Throws DISK_FULL, STORE_FAILED. */
  commit(changes: Changes): void;
  /** The story of one task or of all, in the order of the commits; the latest `last` of it where given. */
  transitions(task?: string, last?: number): readonly Transition[];
  /** The study's own story. */
  studyTransitions(): readonly StudyChange[];
  /** A consistent copy of everything, while this process goes on writing: the bytes of an SQLite file (of a store in memory: its own format). Throws DISK_FULL. */
  snapshot(): Uint8Array;
  /** Gives the lock back. Closing twice is a no-op. */
  close(): void;
}
