/**
 * Simulated time: a queue of things to happen, each of some process. One seed decides everything that is drawn, so a run is a function of its seed.
 *
 * Real code awaits promises; whatever can go on after one thing has happened does so before the next one happens. Only the queue lets time pass.
 */
import { sequence, stream } from '../../src/base/rng.ts';

export interface Random {
  /** Uniform in [0, 1). */
  unit(): number;
  /** Uniform whole number in [low, high]. */
  whole(low: number, high: number): number;
  chance(probability: number): boolean;
  pick<T>(list: readonly T[]): T;
}

export function random(seed: number, name: string): Random {
  const unit = sequence(stream(seed, 'simulation', name));
  return {
    unit,
    whole: (low, high) => low + Math.floor(unit() * (high - low + 1)),
    chance: (probability) => unit() < probability,
    pick(list) {
      const one = list[Math.floor(unit() * list.length)];
      if (one === undefined) throw new RangeError('nothing to pick from');
      return one;
    },
  };
}

/** A process can die between any two of its effects; what is queued for it, or would come of what it awaits, then never happens. */
export interface Process {
  readonly name: string;
  readonly parent: Process | undefined;
  alive: boolean;
  /** SIGSTOP: nothing happens to it before. */
  frozenUntil: number;
  /** It dies at the effect after so many more. */
  fuse: number;
  /** The causes, for its supervisor. */
  readonly onDeath: (() => void)[];
}

export interface World {
  readonly now: () => number;
  /** Queues an action of a process. Returns what takes it back. */
  after(ms: number, process: Process | undefined, action: () => void): () => void;
  every(ms: number, process: Process, action: () => void): () => void;
  /** Never resolves when the process dies before. */
  sleep(ms: number, process: Process): Promise<void>;
  spawn(name: string, parent?: Process): Process;
  kill(process: Process, why: string): void;
  /** To be asked before each effect of a process: false when it died before it. */
  acts(process: Process, what: string): boolean;
  /** A line of the transcript. */
  say(...words: readonly unknown[]): void;
  readonly transcript: readonly string[];
  readonly events: () => number;
  /** Lets things happen, calling `check` after each, until `isOver` or simulated time is up; says which. */
  run(isOver: () => boolean, untilMs: number, check: () => void): Promise<'over' | 'late'>;
}

interface Queued {
  readonly at: number;
  readonly order: number;
  readonly process: Process | undefined;
  readonly action: () => void;
  cancelled: boolean;
}

/** @param record whether lines are kept: the run is the same without, and faster */
export function createWorld(record: boolean): World {
  let now = 0;
  let order = 0;
  let events = 0;
  const heap: Queued[] = [];
  const transcript: string[] = [];

  const before = (a: Queued, b: Queued): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

  function push(item: Queued): void {
    let i = heap.push(item) - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      const parent = heap[up];
      if (parent === undefined || !before(item, parent)) break;
      heap[i] = parent;
      i = up;
    }
    heap[i] = item;
  }

  function pop(): Queued | undefined {
    const top = heap[0];
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    let i = 0;
    for (;;) {
      const left = heap[2 * i + 1];
      const right = heap[2 * i + 2];
      const child = right !== undefined && left !== undefined && before(right, left) ? right : left;
      if (child === undefined || !before(child, last)) break;
      heap[i] = child;
      i = child === left ? 2 * i + 1 : 2 * i + 2;
    }
    heap[i] = last;
    return top;
  }

  const isAlive = (process: Process | undefined): boolean => process === undefined || (process.alive && isAlive(process.parent));
  const frozenUntil = (process: Process | undefined): number => (process === undefined ? 0 : Math.max(process.frozenUntil, 0));

  const world: World = {
    now: () => now,
    after(ms, process, action) {
      const item: Queued = { at: now + Math.max(0, ms), order: order++, process, action, cancelled: false };
      push(item);
      return () => void (item.cancelled = true);
    },
    every(ms, process, action) {
      let cancel = (): void => {};
      const next = (): void => {
        cancel = world.after(ms, process, () => {
          next();
          action();
        });
      };
      next();
      return () => cancel();
    },
    sleep: (ms, process) => new Promise((resolve) => void world.after(ms, process, resolve)),
    spawn: (name, parent) => ({ name, parent, alive: true, frozenUntil: 0, fuse: Infinity, onDeath: [] }),
    kill(process, why) {
      if (!process.alive) return;
      world.say(process.name, 'dies:', why);
      process.alive = false;
      for (const tell of process.onDeath) tell();
    },
    acts(process, what) {
      if (!isAlive(process)) return false;
      if (process.fuse-- > 0) return true;
      world.kill(process, `before ${what}`);
      return false;
    },
    say(...words) {
      if (record)
        transcript.push(
          `${(now / 1000).toFixed(3).padStart(9)}  ${words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word))).join(' ')}`,
        );
    },
    transcript,
    events: () => events,
    async run(isOver, untilMs, check) {
      for (;;) {
        if (isOver()) return 'over';
        const next = pop();
        if (next === undefined || next.at > untilMs) return 'late';
        if (next.cancelled || !isAlive(next.process)) continue;
        const until = frozenUntil(next.process);
        if (until > next.at) {
          push({ ...next, at: until, order: order++ });
          continue;
        }
        now = Math.max(now, next.at);
        events++;
        next.action();
        // What real code awaits goes on now, to its end: a tick comes when there are no microtasks left.
        await new Promise<void>((resolve) => process.nextTick(resolve));
        check();
      }
    },
  };
  return world;
}

/** What a dead process awaits. */
export const never = <T>(): Promise<T> => new Promise<T>(() => {});
