/**
 * Who goes on to the next rung: pure functions from a study's tasks to the tasks that are to be added.
 *
 * A rung is decided when none of the study's tasks is open, from scores alone: so who was trained where, and in which order, has no part in it, and the same study gives
 * the same ranking with any number of workers. The best go on, `rungSize` of them; trials that failed make room for nobody, since a study that is tried again may bring them
 * back. Who is among the best only later, because of a study's new trials, goes on then; nobody is called back.
 *
 * A baseline has no steps, and no rungs.
 */
import { epochsText } from '../base/units.ts';
import { nextRung, rungSize, type Rungs } from '../plan/rungs.ts';
import type { Task } from '../plan/types.ts';
import { errorOf } from './scores.ts';
import { newTaskState } from './task-table.ts';
import { isFinal } from './transitions.ts';
import type { StudyState, TaskState } from './types.ts';

export interface Promotion {
  readonly tasks: readonly TaskState[];
  /** For the story: `goes on: number 3 of 12 after 2 epochs`. */
  readonly cause: string;
}

/** A trial at a rung. */
export interface Entrant {
  readonly trial: string;
  /** Its tasks there: one, or one for each fold. */
  readonly tasks: readonly TaskState[];
  readonly isPromoted: boolean;
}

type Scored = Entrant & { readonly error: number };

type Halved = Pick<StudyState, 'tasks'> & { readonly rungs: Rungs };

const isHalved = (study: StudyState): study is StudyState & { readonly rungs: Rungs } => study.rungs !== undefined;

/** Who goes on now that nothing of the study is open: of the lowest rung where somebody does. Proportional to the number of tasks. */
export function promotions(study: StudyState): readonly Promotion[] {
  if (!isHalved(study)) return [];
  const rungs = entrants(study);
  for (const [rung, here] of rungs.entries()) {
    const scored = ranked(here);
    const best = scored.slice(0, rungSize(rungs[0]?.length ?? 0, study.rungs.factor, rung + 1));
    const next = best.flatMap((entrant, place) =>
      entrant.isPromoted ? [] : promoted(study, rung, entrant, place, scored.length),
    );
    if (next.length > 0) return next;
  }
  return [];
}

/**
 * Who a worker that would wait can train on, in a study whose mode is eager: of the highest rung where there is one, the best that is among the best one in `factor` of those
 * scored so far. Undefined where nobody is, or where the next rung is full.
 */
export function earlyPromotion(study: StudyState): Promotion | undefined {
  if (!isHalved(study) || study.rungs.mode !== 'eager') return undefined;
  const { factor } = study.rungs;
  const rungs = entrants(study);
  const trials = rungs[0]?.length ?? 0;
  for (const [rung, here] of [...rungs.entries()].reverse()) {
    if ((rungs[rung + 1]?.length ?? 0) >= rungSize(trials, factor, rung + 1)) continue;
    const scored = ranked(here);
    const best = scored.slice(0, Math.floor(scored.length / factor));
    for (const [place, entrant] of best.entries()) {
      const [promotion] = entrant.isPromoted ? [] : promoted(study, rung, entrant, place, scored.length);
      if (promotion !== undefined) return promotion;
    }
  }
  return undefined;
}

/** The tasks that are still to come if every rung gets as many trials as it takes, as the first of those below would have them: for estimates. */
export function tasksToCome(study: StudyState): readonly Task[] {
  if (!isHalved(study)) return [];
  const { epochs, factor } = study.rungs;
  const rungs = entrants(study);
  const [first] = rungs[0] ?? [];
  let folds = first?.tasks.map(({ task }) => task) ?? [];
  const trials = rungs[0]?.length ?? 0;
  return epochs.slice(1).flatMap((_, below) => {
    folds = folds.flatMap((task) => nextRung(task, study.rungs) ?? []);
    const missing = Math.max(0, rungSize(trials, factor, below + 1) - (rungs[below + 1]?.length ?? 0));
    return Array.from({ length: missing }, () => folds).flat();
  });
}

export interface RungProgress {
  /** The lowest one where something is open, from 1; the last one where nothing is. */
  readonly number: number;
  readonly of: number;
  readonly epochs: number;
  /** At this rung, so far. */
  readonly trials: number;
  readonly scored: number;
}

/** Which rung a study is at; undefined without rungs. Proportional to the number of tasks. */
export function rungProgress(study: StudyState): RungProgress | undefined {
  if (!isHalved(study)) return undefined;
  const rungs = entrants(study);
  const open = rungs.findIndex((here) => here.some(({ tasks }) => tasks.some(({ status }) => !isFinal(status))));
  const rung = open < 0 ? rungs.length - 1 : open;
  const here = rungs[rung] ?? [];
  const [trials, scored] = [here.length, ranked(here).length];
  return { number: rung + 1, of: rungs.length, epochs: study.rungs.epochs[rung] ?? 0, trials, scored };
}

/** The trials at each rung of a study, the best first and what is not scored last; no rungs without halving. */
export function standings(study: Pick<StudyState, 'tasks' | 'rungs'>): readonly (readonly Entrant[])[] {
  const { tasks, rungs } = study;
  if (rungs === undefined) return [];
  return entrants({ tasks, rungs }).map((here) => {
    const scored = ranked(here);
    const known = new Set(scored.map(({ trial }) => trial));
    return [...scored, ...here.filter(({ trial }) => !known.has(trial))];
  });
}

/** The trials at each rung, in plan order; without baselines. */
function entrants({ tasks, rungs }: Pick<Halved, 'tasks' | 'rungs'>): readonly (readonly Entrant[])[] {
  const byRung = rungs.epochs.map(() => new Map<string, TaskState[]>());
  for (const state of tasks.values()) {
    const { rung, trial, toStep } = state.task;
    if (toStep === 0) continue;
    const here = byRung[rung];
    const own = here?.get(trial);
    if (own === undefined) here?.set(trial, [state]);
    else own.push(state);
  }
  return byRung.map((here, rung) =>
    [...here].map(([trial, own]) => ({ trial, tasks: own, isPromoted: byRung[rung + 1]?.has(trial) === true })),
  );
}

/** Those that are scored, the best first, equal ones by id. */
function ranked(here: readonly Entrant[]): readonly Scored[] {
  return here
    .flatMap((entrant): Scored[] => {
      const error = errorOf(entrant.tasks);
      return error === undefined ? [] : [{ ...entrant, error }];
    })
    .sort((a, b) => a.error - b.error || (a.trial < b.trial ? -1 : 1));
}

/** The trial's tasks of the next rung, each to go on from where the one before it ended; nothing at the last rung. */
function promoted({ rungs }: Halved, rung: number, { tasks }: Entrant, place: number, of: number): readonly Promotion[] {
  const next = tasks.flatMap(({ task, checkpoint }): TaskState[] => {
    const after = nextRung(task, rungs);
    return after === undefined ? [] : [{ ...newTaskState(after), checkpoint }];
  });
  if (next.length === 0) return [];
  const epochs = rungs.epochs[rung] ?? 0;
  return [{ tasks: next, cause: `goes on: number ${place + 1} of ${of} after ${epochsText(epochs)}` }];
}
