import type { Clock } from '../base/ports.ts';
import type { TaskProgress } from './types.ts';

const everyMs = 200;

/** What a report says but for the speed, and the rows that the speed is measured by. */
export type Whereabouts = Omit<TaskProgress, 'rowsPerSecond' | 'secondsLeft'> & {
  readonly rows: number;
  readonly toRows: number;
};

/**
 * Passes reports of one phase on, at most five a second, with its speed added: a row or a million rows a step, receivers are not flooded.
 * @param rows what is done before this attempt begins
 */
export function createReporter(
  clock: Clock,
  rows: number,
  onProgress: (progress: TaskProgress) => void,
): (where: Whereabouts) => void {
  const rate = createRate(clock, rows);
  let reportedAt = -Infinity;
  return ({ rows, toRows, ...where }) => {
    const now = clock.now();
    if (now - reportedAt < everyMs) return;
    reportedAt = now;
    const rowsPerSecond = rate(rows);
    onProgress({ ...where, rowsPerSecond, secondsLeft: rowsPerSecond > 0 ? (toRows - rows) / rowsPerSecond : undefined });
  };
}

/**
 * A speed over the last seconds only: one from the start would hide that a worker has slowed down.
 * @returns a function that takes the total so far and gives counts a second over the window; 0 before any time has passed
 */
export function createRate(clock: Clock, total: number, windowMs = 5_000): (total: number) => number {
  /** Ascending in time; the first is the newest that is older than the window, or the start. */
  const seen = [{ at: clock.now(), total }];
  return (total) => {
    const now = clock.now();
    seen.push({ at: now, total });
    while ((seen[1]?.at ?? now) <= now - windowMs) seen.shift();
    const first = seen[0];
    return first && now > first.at ? ((total - first.total) * 1000) / (now - first.at) : 0;
  };
}
