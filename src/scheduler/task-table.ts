/**
 * A study's task states in plan order, as an immutable value: an update gives a new table that shares all but one chunk with the old one, which stays valid.
 *
 * A chunk of 256 tasks is copied whole and summarised anew at every change (about a microsecond), and the list of chunks with it; so an event costs the same
 * with 100 tasks and with 100,000, and the first task that is ready is found by looking at one summary a chunk. What the summaries cannot answer has an index
 * of its own: which tasks are held, and how many point at a checkpoint.
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

interface Chunk {
  readonly tasks: readonly TaskState[];
  /** The earliest `notBefore` of its pending tasks; infinity without any. */
  readonly readyAt: number;
}

/** What does not change between updates: where the tasks are. */
interface Places {
  readonly positions: ReadonlyMap<string, number>;
  readonly trials: ReadonlyMap<string, readonly number[]>;
}

interface Parts {
  readonly places: Places;
  readonly chunks: readonly Chunk[];
  readonly counts: Readonly<Record<TaskStatus, number>>;
  /** Positions of held tasks, ascending. */
  readonly held: readonly number[];
  readonly hashes: HashCounts;
}

const bits = 8;
const chunkSize = 1 << bits;
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
  const chunks = Array.from({ length: Math.ceil(tasks.length / chunkSize) }, (_, i) =>
    chunkOf(tasks.slice(i * chunkSize, (i + 1) * chunkSize)),
  );
  const hashes = noHashes.adding(tasks.flatMap(({ checkpoint }) => (checkpoint === undefined ? [] : [checkpoint.hash])));
  return tableOf({ places: { positions, trials }, chunks, counts, held, hashes });
}

function chunkOf(tasks: readonly TaskState[]): Chunk {
  let readyAt = Infinity;
  for (const { status, notBefore } of tasks) if (status === 'pending' && notBefore < readyAt) readyAt = notBefore;
  return { tasks, readyAt };
}

function tableOf(parts: Parts): TaskTable {
  const { places, chunks, counts } = parts;
  const at = (position: number): TaskState => {
    const task = chunks[position >> bits]?.tasks[position & (chunkSize - 1)];
    if (task === undefined) throw new RangeError(`no task at ${position}`);
    return task;
  };
  function* values(): IterableIterator<TaskState> {
    for (const { tasks } of chunks) yield* tasks;
  }
  return {
    size: places.positions.size,
    get(id) {
      const position = places.positions.get(id);
      return position === undefined ? undefined : at(position);
    },
    values,
    *[Symbol.iterator]() {
      for (const task of values()) yield [task.task.id, task] as const;
    },
    count: (status) => counts[status],
    held: () => parts.held.map(at),
    firstReady: (nowMs) =>
      chunks
        .find(({ readyAt }) => readyAt <= nowMs)
        ?.tasks.find(({ status, notBefore }) => status === 'pending' && notBefore <= nowMs),
    ofTrial: (trial) => (places.trials.get(trial) ?? []).map(at),
    pointingAt: (hash) => parts.hashes.count(hash),
    with(task) {
      const position = places.positions.get(task.task.id);
      if (position === undefined) throw new RangeError(`no task ${task.task.id}`);
      return tableOf(updated(parts, position, at(position), task));
    },
    append: (tasks) => (tasks.length === 0 ? tableOf(parts) : taskTable([...values(), ...tasks])),
  };
}

function updated(parts: Parts, position: number, before: TaskState, after: TaskState): Parts {
  const { places, chunks, counts, held, hashes } = parts;
  const index = position >> bits;
  const tasks = (chunks[index]?.tasks ?? []).slice();
  tasks[position & (chunkSize - 1)] = after;
  const newChunks = chunks.slice();
  newChunks[index] = chunkOf(tasks);
  const moved = before.status !== after.status;
  const newHeld = isHeld(before.status) === isHeld(after.status) ? held : toggled(held, position);
  return {
    places,
    chunks: newChunks,
    counts: moved ? { ...counts, [before.status]: counts[before.status] - 1, [after.status]: counts[after.status] + 1 } : counts,
    held: newHeld,
    hashes: hashes.replacing(before.checkpoint?.hash, after.checkpoint?.hash),
  };
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
