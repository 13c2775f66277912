/** A long piece of work in phases: shown with the time left, logged with seconds, and stopped by Ctrl-C between its steps. */
import type { NoisefoldError } from '../base/errors.ts';
import type { Clock, Log } from '../base/ports.ts';
import type { Working } from '../ridge/solve.ts';
import { showWork, type WorkOptions } from './progress.ts';

export interface Phase {
  /** `learning curve of raw`. */
  readonly name: string;
  /** In a unit that all phases share. */
  readonly work: number;
}

export interface PhasesOptions extends WorkOptions {
  /** `finishing`. */
  readonly title: string;
  /** In the order in which they are run. */
  readonly phases: readonly Phase[];
  readonly log: Log;
  readonly clock: Clock;
  /** Thrown after a stop: what is left undone, and how to go on. */
  readonly interrupted: NoisefoldError;
}

export interface Phases {
  /** Runs the next phase, which tells the share that is done and by this is ended after a stop. Throws what the phase does, and `interrupted`. */
  run<T>(phase: (working: Working) => Promise<T>): Promise<T>;
  /** Prints a line that stays. */
  note(line: string): void;
  /** Signals end the process again. */
  close(): void;
}

/** From now on the first SIGINT or SIGTERM ends the phase that runs, so that nothing is left half written; the second ends the process. */
export function openPhases(options: PhasesOptions): Phases {
  const { title, phases, log, clock, interrupted } = options;
  const view = showWork(
    title,
    phases.reduce((sum, { work }) => sum + work, 0),
    options,
  );
  let stopped = false;
  const stop = (): void => {
    if (stopped) {
      view.close();
      process.exit(interrupted.exit);
    }
    stopped = true;
    view.note('stopping (Ctrl-C again stops at once)');
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  let next = 0;
  let before = 0;
  return {
    async run(phase) {
      const { name, work } = phases[next++]!;
      const startedMs = clock.now();
      log.log('info', `${title}: ${name}`);
      const working: Working = (share) => {
        if (stopped) return Promise.reject(interrupted);
        view.update(name, before + share * work);
        return Promise.resolve();
      };
      await working(0);
      const result = await phase(working);
      before += work;
      log.log('info', `${title}: ${name} is done`, { seconds: (clock.now() - startedMs) / 1000 });
      return result;
    },
    note: (line) => view.note(line),
    close() {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
      view.close();
    },
  };
}
