/** A study's task states by id, in plan order: an immutable value with indexes. (Being written: see the scheduler's colleague.) */
import type { TaskState, TaskStatus } from './types.ts';

export interface TaskTable extends Iterable<readonly [id: string, task: TaskState]> {
  readonly size: number;
  get(id: string): TaskState | undefined;
  values(): IterableIterator<TaskState>;
  /** How many tasks have the status. Constant time. */
  count(status: TaskStatus): number;
  /** Those leased or running. Proportional to their number. */
  held(): readonly TaskState[];
}
