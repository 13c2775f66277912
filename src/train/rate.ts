/** How fast something goes, over the last seconds only: a rate from the start would hide that a worker has slowed down. */
import type { Clock } from '../base/ports.ts';

/** @returns a function that takes the total so far and gives counts a second over the window; 0 before any time has passed. */
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
