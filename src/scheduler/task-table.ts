/**
 * A study's task states in plan order, as an immutable value: an update gives a new table that shares nearly all with the old one, which stays valid.
 *
 * A tree of three levels, 32 tasks a leaf and 32 leaves a group. A change copies one leaf, one group and the list of groups, and summarises them anew; so an event costs the
 * same with 100 tasks and with 100,000, and the first task that is ready is found by looking at summaries. What those cannot answer has an index of its own:
 * which tasks are held, and how many point at a checkpoint. A class, since one is made for every message and its methods are not.
 */
import type { Task } from '../plan/types.ts';
import { noHashes, type HashCounts } from './hash-counts.ts';
import { taskStatuses, type TaskState, type TaskStatus, type TaskTable } from './types.ts';

export type { TaskTable };

export function newTaskState(task: Task): TaskState {
  return {
    task,
    status: 'pending',
    attempt: 0,
    failures: 0,
    failedOn: [],
    losses: 0,
    worker: undefined,
    leaseUntil: undefined,
    notBefore: 0,
    checkpoint: undefined,
    progress: undefined,
    progressedAt: undefined,
    result: undefined,
    error: undefined,
  };
}

interface Leaf {
  readonly tasks: readonly TaskState[];
  /** The earliest `notBefore` of its pending tasks; infinity without any. */
  readonly readyAt: number;
}

interface Group {
  readonly leaves: readonly Leaf[];
  readonly readyAt: number;
}

/** What does not change between updates: where the tasks are. */
interface Places {
  readonly positions: ReadonlyMap<string, number>;
  readonly trials: ReadonlyMap<string, readonly number[]>;
}

interface Parts {
  readonly places: Places;
  readonly groups: readonly Group[];
  readonly counts: Readonly<Record<TaskStatus, number>>;
  /** Positions of held tasks, ascending. */
  readonly held: readonly number[];
  readonly hashes: HashCounts;
}

const bits = 5;
const width = 1 << bits;
const mask = width - 1;
const isHeld = (status: TaskStatus): boolean => status === 'leased' || status === 'running';

export const emptyTable = (): TaskTable => taskTable([]);

/** Proportional to the number of tasks. Throws RangeError when two have the same id. */
export function taskTable(tasks: readonly TaskState[]): TaskTable {
  const positions = new Map(tasks.map(({ task }, position) => [task.id, position]));
  if (positions.size !== tasks.length) throw new RangeError('two tasks of a study have the same id');
  const trials = new Map<string, number[]>();
  const counts = Object.fromEntries(taskStatuses.map((status) => [status, 0])) as Record<TaskStatus, number>;
  const held: number[] = [];
  tasks.forEach(({ task, status }, position) => {
    const ofTrial = trials.get(task.trial);
    if (ofTrial === undefined) trials.set(task.trial, [position]);
    else ofTrial.push(position);
    counts[status]++;
    if (isHeld(status)) held.push(position);
  });
  const groups = parted(parted(tasks).map(leafOf)).map(groupOf);
  const hashes = noHashes.adding(tasks.flatMap(({ checkpoint }) => (checkpoint === undefined ? [] : [checkpoint.hash])));
  return new Table({ places: { positions, trials }, groups, counts, held, hashes });
}

const parted = <T>(all: readonly T[]): (readonly T[])[] =>
  Array.from({ length: Math.ceil(all.length / width) }, (_, i) => all.slice(i * width, (i + 1) * width));

function leafOf(tasks: readonly TaskState[]): Leaf {
  let readyAt = Infinity;
  for (const { status, notBefore } of tasks) if (status === 'pending' && notBefore < readyAt) readyAt = notBefore;
  return { tasks, readyAt };
}

function groupOf(leaves: readonly Leaf[]): Group {
  let readyAt = Infinity;
  for (const leaf of leaves) if (leaf.readyAt < readyAt) readyAt = leaf.readyAt;
  return { leaves, readyAt };
}

class Table implements TaskTable {
  private readonly parts: Parts;

  constructor(parts: Parts) {
    this.parts = parts;
  }

  get size(): number {
    return this.parts.places.positions.size;
  }

  private at(position: number): TaskState {
    const leaf = this.parts.groups[position >> (2 * bits)]?.leaves[(position >> bits) & mask];
    const task = leaf?.tasks[position & mask];
    if (task === undefined) throw new RangeError(`no task at ${position}`);
    return task;
  }

  get(id: string): TaskState | undefined {
    const position = this.parts.places.positions.get(id);
    return position === undefined ? undefined : this.at(position);
  }

  *values(): IterableIterator<TaskState> {
    for (const { leaves } of this.parts.groups) for (const { tasks } of leaves) yield* tasks;
  }

  *[Symbol.iterator](): IterableIterator<readonly [id: string, task: TaskState]> {
    for (const task of this.values()) yield [task.task.id, task];
  }

  count(status: TaskStatus): number {
    return this.parts.counts[status];
  }

  held(): readonly TaskState[] {
    return this.parts.held.map((position) => this.at(position));
  }

  firstReady(nowMs: number): TaskState | undefined {
    const isReady = ({ readyAt }: Leaf | Group): boolean => readyAt <= nowMs;
    const leaf = this.parts.groups.find(isReady)?.leaves.find(isReady);
    return leaf?.tasks.find(({ status, notBefore }) => status === 'pending' && notBefore <= nowMs);
  }

  ofTrial(trial: string): readonly TaskState[] {
    return (this.parts.places.trials.get(trial) ?? []).map((position) => this.at(position));
  }

  pointingAt(hash: string): number {
    return this.parts.hashes.count(hash);
  }

  with(after: TaskState): TaskTable {
    const { places, groups, counts, held, hashes } = this.parts;
    const position = places.positions.get(after.task.id);
    if (position === undefined) throw new RangeError(`no task ${after.task.id}`);
    const before = this.at(position);
    const moved = before.status !== after.status;
    return new Table({
      places,
      groups: replaced(groups, position, after),
      counts: moved
        ? { ...counts, [before.status]: counts[before.status] - 1, [after.status]: counts[after.status] + 1 }
        : counts,
      held: isHeld(before.status) === isHeld(after.status) ? held : toggled(held, position),
      hashes: hashes.replacing(before.checkpoint?.hash, after.checkpoint?.hash),
    });
  }

  append(tasks: readonly TaskState[]): TaskTable {
    return tasks.length === 0 ? this : taskTable([...this.values(), ...tasks]);
  }
}

function replaced(groups: readonly Group[], position: number, task: TaskState): readonly Group[] {
  const [inGroups, inGroup] = [position >> (2 * bits), (position >> bits) & mask];
  const leaves = (groups[inGroups]?.leaves ?? []).slice();
  const tasks = (leaves[inGroup]?.tasks ?? []).slice();
  tasks[position & mask] = task;
  leaves[inGroup] = leafOf(tasks);
  const copy = groups.slice();
  copy[inGroups] = groupOf(leaves);
  return copy;
}

/** The ascending list with the position added, or taken out if it is there. */
function toggled(list: readonly number[], position: number): readonly number[] {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((list[middle] ?? Infinity) < position) low = middle + 1;
    else high = middle;
  }
  const copy = list.slice();
  if (copy[low] === position) copy.splice(low, 1);
  else copy.splice(low, 0, position);
  return copy;
}
