/**
 * The workers in the order in which they joined, as an immutable map: a change gives a new table that shares all but one chunk with the old one, which stays valid.
 *
 * Every message of a worker changes its row (when it was last heard), and copying the map of a thousand workers for each cost more than all else that the scheduler
 * does. Who joins or leaves costs time in proportion to their number. A class, since one is made for every message and its methods are not.
 */
import type { WorkerState, WorkerTable } from './types.ts';

interface Chunk {
  readonly workers: readonly WorkerState[];
  readonly idle: number;
}

const bits = 5;
const chunkSize = 1 << bits;

class Table implements WorkerTable {
  private readonly positions: ReadonlyMap<string, number>;
  private readonly chunks: readonly Chunk[];

  constructor(positions: ReadonlyMap<string, number>, chunks: readonly Chunk[]) {
    this.positions = positions;
    this.chunks = chunks;
  }

  get size(): number {
    return this.positions.size;
  }

  has(id: string): boolean {
    return this.positions.has(id);
  }

  get(id: string): WorkerState | undefined {
    const position = this.positions.get(id);
    return position === undefined ? undefined : this.chunks[position >> bits]?.workers[position & (chunkSize - 1)];
  }

  firstIdle(): WorkerState | undefined {
    return this.chunks.find(({ idle }) => idle > 0)?.workers.find(({ status }) => status === 'idle');
  }

  with(worker: WorkerState): WorkerTable {
    const position = this.positions.get(worker.id);
    if (position === undefined) return workerTable([...this.values(), worker]);
    const index = position >> bits;
    const workers = (this.chunks[index]?.workers ?? []).slice();
    workers[position & (chunkSize - 1)] = worker;
    const chunks = this.chunks.slice();
    chunks[index] = chunkOf(workers);
    return new Table(this.positions, chunks);
  }

  without(id: string): WorkerTable {
    return this.positions.has(id) ? workerTable([...this.values()].filter((worker) => worker.id !== id)) : this;
  }

  *values(): MapIterator<WorkerState> {
    for (const { workers } of this.chunks) yield* workers;
    return undefined;
  }

  *entries(): MapIterator<[string, WorkerState]> {
    for (const worker of this.values()) yield [worker.id, worker];
    return undefined;
  }

  keys(): MapIterator<string> {
    return this.positions.keys();
  }

  [Symbol.iterator](): MapIterator<[string, WorkerState]> {
    return this.entries();
  }

  forEach(visit: (worker: WorkerState, id: string, map: ReadonlyMap<string, WorkerState>) => void): void {
    for (const worker of this.values()) visit(worker, worker.id, this);
  }
}

/** Proportional to their number. Throws RangeError when two have the same id. */
export function workerTable(workers: readonly WorkerState[]): WorkerTable {
  const positions = new Map(workers.map(({ id }, position) => [id, position]));
  if (positions.size !== workers.length) throw new RangeError('two workers have the same id');
  const chunks = Array.from({ length: Math.ceil(workers.length / chunkSize) }, (_, i) =>
    chunkOf(workers.slice(i * chunkSize, (i + 1) * chunkSize)),
  );
  return new Table(positions, chunks);
}

function chunkOf(workers: readonly WorkerState[]): Chunk {
  let idle = 0;
  for (const { status } of workers) if (status === 'idle') idle++;
  return { workers, idle };
}
