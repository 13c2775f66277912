/** What of the artifacts is referred to: rows of all studies, transfers under way, predecessors of running tasks' checkpoints; less what policies let go. */
import type { Collector } from '../artifacts/collector.ts';
import type { Log } from '../base/ports.ts';
import type { State } from '../scheduler/types.ts';
import { releasedCheckpoints } from './retention.ts';
import type { Studies } from './studies.ts';

export interface GarbageOptions {
  readonly state: () => State;
  readonly studies: Studies;
  readonly collector: Collector;
  readonly inFlight: () => Iterable<string>;
  readonly isKept: (hash: string) => boolean;
  readonly log: Log;
}

export interface Garbage {
  isReferred(hash: string): boolean;
  /** Resolves to the number of blobs deleted. */
  collect(): Promise<number>;
}

export function createGarbage({ state, studies, collector, inFlight, isKept, log }: GarbageOptions): Garbage {
  /** Of those pointers, this many do not count. */
  let released: ReadonlyMap<string, number> = new Map();

  function isReferred(hash: string): boolean {
    // What a broken study's rows point at cannot be known.
    if (studies.broken.size > 0 || isKept(hash)) return true;
    let pointers = 0;
    for (const [name, { row }] of studies.open) {
      if (row.table === hash || row.dataHash === hash || row.data.includes(hash)) return true;
      pointers += state().studies.get(name)?.tasks.pointingAt(hash) ?? 0;
    }
    // Counted anew at every question: what a row has come to point at since counts.
    if (pointers > (released.get(hash) ?? 0)) return true;
    for (const one of inFlight()) if (one === hash) return true;
    return false;
  }

  function allReleased(): Map<string, number> {
    const all = new Map<string, number>();
    for (const [name, { plan, config }] of studies.open) {
      const study = state().studies.get(name);
      if (study === undefined) continue;
      for (const [hash, count] of releasedCheckpoints(study, plan, config.checkpoints.keep))
        all.set(hash, (all.get(hash) ?? 0) + count);
    }
    return all;
  }

  return {
    isReferred,
    async collect() {
      released = allReleased();
      let count = 0;
      for (const hash of released.keys()) if (await collector.discard(hash, isReferred)) count++;
      count += await collector.collect(isReferred);
      if (count > 0) log.log('info', 'deleted blobs that nothing refers to', { count });
      return count;
    },
  };
}
