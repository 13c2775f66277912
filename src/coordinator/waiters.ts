/** Those who wait for the end of a study, or of everything. */
import type { NoisefoldError } from '../base/errors.ts';
import type { State } from '../scheduler/types.ts';

type End = 'finished' | 'cancelled' | 'stopped';

export interface Waiters {
  /** Resolves at the study's end; rejects with what broke its store, or with a RangeError where there is no such study. */
  ended(study: string): Promise<End>;
  readonly stopped: Promise<void>;
  /** To be called when the state has changed. */
  look(): void;
  /** Everything counts as stopped, whatever is still held. */
  stopAnyway(): void;
}

interface Waiter {
  readonly study: string;
  readonly resolve: (end: End) => void;
  readonly reject: (error: Error) => void;
}

export function createWaiters({
  state,
  broken,
}: {
  readonly state: () => State;
  readonly broken: ReadonlyMap<string, NoisefoldError>;
}): Waiters {
  let waiting: Waiter[] = [];
  let anyway = false;
  let onStopped: () => void = () => {};
  const stopped = new Promise<void>((resolve) => (onStopped = resolve));

  const isStopped = (): boolean => anyway || state().phase === 'stopped';

  /** Whether the waiter has been told. */
  function told({ study: name, resolve, reject }: Waiter): boolean {
    const error = broken.get(name);
    const study = state().studies.get(name);
    if (error !== undefined) reject(error);
    else if (study === undefined) reject(new RangeError(`there is no study ${name}`));
    else if (study.status === 'finished' || study.status === 'cancelled') resolve(study.status);
    else if (isStopped()) resolve('stopped');
    else return false;
    return true;
  }

  function look(): void {
    waiting = waiting.filter((waiter) => !told(waiter));
    if (isStopped()) onStopped();
  }

  return {
    ended(study) {
      const promise = new Promise<End>((resolve, reject) => {
        const waiter = { study, resolve, reject };
        if (!told(waiter)) waiting.push(waiter);
      });
      // A rejection is for whoever awaits; it must not count as unhandled before that.
      promise.catch(() => {});
      return promise;
    },
    stopped,
    look,
    stopAnyway() {
      anyway = true;
      look();
    },
  };
}
