/**
 * How long a study will still take: each open task's seconds of training and of scoring, handed to the workers in the order of the plan, each
 * to the one that is free first.
 *
 * What scoring takes is known early: the untrained baselines, which come first, do nothing else. Where there is none, it is what finished
 * trials took beyond their training at the rates of now.
 */
import type { Plan, Trial } from '../plan/types.ts';
import { tasksToCome } from '../scheduler/rungs.ts';
import { newTaskState } from '../scheduler/task-table.ts';
import { isFinal, isHeld } from '../scheduler/transitions.ts';
import type { StudyState, TaskState, WorkerState } from '../scheduler/types.ts';

type Tasks = Pick<StudyState['tasks'], 'values'>;

export interface TimeLeft {
  readonly seconds: number;
  /** Whether it will take longer: what scoring takes is not known yet, and left out. */
  readonly atLeast: boolean;
}

/** Seconds that scoring a trial takes; undefined before one like it was scored. */
export type ScoringSeconds = (trial: string) => number | undefined;

/** Until every trial is done; undefined before there is a rate, and where nobody is there to do the work. */
export function timeLeft(
  plan: Plan,
  study: StudyState,
  workers: Iterable<WorkerState>,
  scoring: ScoringSeconds = scoringSeconds(plan, study.tasks),
): TimeLeft | undefined {
  const { name, tasks } = study;
  const costs = costsOf(plan, tasks, scoring);
  let [latest, atLeast] = [0, false];
  const secondsOf = (task: TaskState): number => {
    const { training, scoring: after } = costs(task);
    atLeast ||= after === undefined;
    return training + (after ?? 0);
  };
  const free: number[] = [];
  const held = new Set<TaskState>();
  for (const { id, task, status } of workers) {
    const work = task?.study === name ? tasks.get(task.task) : undefined;
    const seconds = work?.worker === id && isHeld(work.status) ? secondsOf(work) : 0;
    if (work !== undefined) held.add(work);
    latest = Math.max(latest, seconds);
    if (status === 'idle' || status === 'busy') free.push(seconds);
  }
  const open = [...tasks.values()].filter(({ status }) => !isFinal(status));
  // What rungs will add comes last, though in truth nobody waits for it.
  const waiting = [...open.filter((task) => !held.has(task)), ...tasksToCome(study).map(newTaskState)];
  if (open.length === 0 || (waiting.length > 0 && free.length === 0)) return undefined;
  for (const task of waiting) {
    const first = free.indexOf(Math.min(...free));
    free[first] = (free[first] ?? 0) + secondsOf(task);
  }
  const seconds = Math.max(latest, ...free);
  return Number.isFinite(seconds) ? { seconds, atLeast } : undefined;
}

/** A trial's scoring takes what its own baseline's took, or else what the others' did. */
export function scoringSeconds(plan: Plan, tasks: Tasks): ScoringSeconds {
  const trials = new Map(plan.trials.map((trial) => [trial.id, trial]));
  const rows = rowsOf(trials);
  const finished = finishedTasks(tasks);
  const baselines = new Map(
    finished.filter(({ task }) => trials.get(task.trial)?.kind === 'untrained').map(({ task, seconds }) => [task.trial, seconds]),
  );
  const rates = rowsPerSecond(tasks);
  const beyondTraining = finished.flatMap(({ task, seconds }) =>
    trials.get(task.trial)?.kind === 'trained' && rates.length > 0
      ? [Math.max(0, seconds - rows(task.trial, task.toStep - task.fromStep) / median(rates))]
      : [],
  );
  const others = baselines.size > 0 ? [...baselines.values()] : beyondTraining;
  const typical = others.length > 0 ? median(others) : undefined;
  return (id) => {
    const trial = trials.get(id);
    // The raw inputs' is another matter, and the first task of all.
    if (trial?.kind === 'raw') return 0;
    return (trial?.untrained === undefined ? undefined : baselines.get(trial.untrained)) ?? typical;
  };
}

interface Cost {
  /** Seconds of training; Infinity before there is a rate. */
  readonly training: number;
  readonly scoring: number | undefined;
}

function costsOf(plan: Plan, tasks: Tasks, scoring: ScoringSeconds): (task: TaskState) => Cost {
  const rows = rowsOf(new Map(plan.trials.map((trial) => [trial.id, trial])));
  const finished = finishedTasks(tasks).flatMap(({ task, seconds }) => {
    const trained = rows(task.trial, task.toStep - task.fromStep);
    return trained > 0 ? [Math.max(0, seconds - (scoring(task.trial) ?? 0)) / trained] : [];
  });
  const running = rowsPerSecond(tasks).map((rate) => 1 / rate);
  const secondsPerRow = median(finished.length > 0 ? finished : running);
  return ({ task, progress, checkpoint }) => {
    if (progress?.phase === 'scoring') return { training: 0, scoring: progress.secondsLeft ?? scoring(task.trial) };
    const rest = rows(task.trial, Math.max(0, task.toStep - (progress?.step ?? checkpoint?.step ?? task.fromStep)));
    const now = progress?.phase === 'training' ? progress.secondsLeft : undefined;
    return { training: now ?? (rest === 0 ? 0 : rest * secondsPerRow), scoring: scoring(task.trial) };
  };
}

/** Those that one attempt did from end to end, so that their seconds are all that they took. */
const finishedTasks = (tasks: Tasks) =>
  [...tasks.values()].flatMap(({ task, attempt, result }) =>
    result !== undefined && attempt <= 1 ? [{ task, seconds: result.seconds }] : [],
  );

const rowsPerSecond = (tasks: Tasks): readonly number[] =>
  [...tasks.values()].flatMap(({ progress }) =>
    progress?.phase === 'training' && progress.rowsPerSecond > 0 ? [progress.rowsPerSecond] : [],
  );

const rowsOf =
  (trials: ReadonlyMap<string, Trial>) =>
  (trial: string, steps: number): number =>
    steps * (trials.get(trial)?.config.training.batchSize ?? 0);

/** Infinity of nothing. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const upper = sorted[half] ?? Infinity;
  return sorted.length % 2 === 1 ? upper : ((sorted[half - 1] ?? Infinity) + upper) / 2;
}
