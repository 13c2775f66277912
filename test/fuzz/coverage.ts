/** Which blocks of the code under test ran since the last time: V8's own precise coverage, asked for in process. */
import { Session } from 'node:inspector';

export interface Coverage {
  /** How many blocks ran for the first time since it was asked before. */
  fresh(): number;
  /** Whether a block ran since it was asked before that is not in the set; those are added to it. */
  reached(known: Set<string>): boolean;
  /** The same, and nothing is added. */
  reaches(known: ReadonlySet<string>): boolean;
  /** Blocks that have run. */
  readonly seen: ReadonlySet<string>;
  stop(): void;
}

export const noCoverage: Coverage = {
  seen: new Set(),
  fresh: () => 0,
  reached: () => false,
  reaches: () => false,
  stop: () => {},
};

interface Block {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}
interface Script {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Block[] }[];
}

/** @param ofScript whether a script's blocks count, by its URL */
export function startCoverage(ofScript: (url: string) => boolean): Coverage {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  const seen = new Set<string>();
  const take = (): readonly Script[] => {
    let scripts: readonly Script[] = [];
    session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error) throw error;
      scripts = result;
    });
    return scripts;
  };
  const blocks = (): string[] =>
    take()
      .filter(({ url }) => ofScript(url))
      .flatMap(({ url, functions }) =>
        functions.flatMap(({ ranges }) =>
          ranges.filter(({ count }) => count > 0).map(({ startOffset, endOffset }) => `${url}:${startOffset}-${endOffset}`),
        ),
      );
  function add(known: Set<string>): number {
    const before = known.size;
    for (const block of blocks()) known.add(block);
    return known.size - before;
  }
  return {
    seen,
    fresh: () => add(seen),
    reached: (known) => add(known) > 0,
    reaches: (known) => blocks().some((block) => !known.has(block)),
    stop: () => session.disconnect(),
  };
}
