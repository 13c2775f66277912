/**
 * Microseconds a scheduler event, by the number of tasks in the study and of workers, and what a recovery from the rows takes. Pure functions, no I/O.
 *
 * npm run bench -- scheduler [--rounds 300]
 */
import { summaryOf } from '../src/scheduler/result-summary.ts';
import { newTaskState, recover, step } from '../src/scheduler/step.ts';
import { taskTable } from '../src/scheduler/task-table.ts';
import { defaultPolicy, type Event, type State, type StudyState, type TaskState } from '../src/scheduler/types.ts';
import { type BenchOptions, figure, median, printHeading, printTable } from './measure.ts';
import { emptyPlan, hashOf, progressAt, reports, resultOf } from './study.ts';

const sizes = [
  { tasks: 1_000, workers: 64 },
  { tasks: 10_000, workers: 64 },
  { tasks: 50_000, workers: 64 },
  { tasks: 50_000, workers: 1_000 },
] as const;
/** Time never passes, so no lease ends. */
const nowMs = 1;
const study = 's';

interface Case {
  readonly name: string;
  /** Times one event each; the state goes on from event to event. */
  readonly time: (state: State, events: number) => number[];
}

const tableOf = (state: State): StudyState => {
  const found = state.studies.get(study);
  if (found === undefined) throw new RangeError('no study');
  return found;
};

/** The rows of a study that is half done. */
function rows(tasks: number): TaskState[] {
  return emptyPlan(tasks).tasks.map((task, i) => {
    const state = newTaskState(task);
    const checkpoint = { hash: hashOf(task.id, reports), step: reports };
    return i < tasks / 2
      ? { ...state, status: 'done' as const, attempt: 1, result: summaryOf(resultOf(task.id)), checkpoint }
      : state;
  });
}

const recovered = (tasks: readonly TaskState[]): State =>
  recover([{ name: study, status: 'running', tasks }], defaultPolicy, nowMs, 0);

/** Half of the tasks done, a task with each worker. */
function halfway({ tasks, workers }: (typeof sizes)[number]): State {
  let state = recovered(rows(tasks));
  for (let i = 0; i < workers; i++)
    state = step(state, { type: 'hello', worker: `w${i}`, name: `w${i}`, running: undefined, nowMs }).state;
  return state;
}

function timed(event: (i: number, state: State) => Event): Case['time'] {
  return (from, events) => {
    let state = from;
    return Array.from({ length: events }, (_, i) => {
      const next = event(i, state);
      const started = performance.now();
      ({ state } = step(state, next));
      return (performance.now() - started) * 1e3;
    });
  };
}

const holder = (i: number, state: State): { task: string; worker: string } => {
  const all = tableOf(state).tasks.held();
  const one = all[i % all.length];
  if (one?.worker === undefined) throw new RangeError('nothing is held');
  return { task: one.task.id, worker: one.worker };
};

const cases: readonly Case[] = [
  {
    name: 'heartbeat',
    time: timed((i, state) => {
      const { task, worker } = holder(i, state);
      return { type: 'heartbeat', worker, nowMs, running: { study, task, attempt: 1, progress: progressAt(i % reports) } };
    }),
  },
  {
    name: 'checkpoint',
    time: timed((i, state) => {
      const { task, worker } = holder(i, state);
      return { type: 'checkpointed', worker, nowMs, study, task, attempt: 1, hash: hashOf(task, i), step: i };
    }),
  },
  {
    name: 'done, and the next lease',
    time: timed((i, state) => {
      const { task, worker } = holder(i, state);
      return { type: 'done', worker, nowMs, study, task, attempt: 1, result: resultOf(task) };
    }),
  },
  { name: 'tick', time: timed(() => ({ type: 'tick', nowMs })) },
  {
    name: '(changing one task in a copied Map, as it was)',
    time: (state, events) => {
      const tasks = new Map(tableOf(state).tasks);
      return Array.from({ length: Math.min(events, 50) }, () => {
        const started = performance.now();
        const copy = new Map(tasks);
        const us = (performance.now() - started) * 1e3;
        if (copy.size !== tasks.size) throw new Error('not a copy');
        return us;
      });
    },
  },
  {
    name: '(changing one task in the table)',
    time: (state, events) => {
      let table = taskTable([...tableOf(state).tasks.values()]);
      const ids = [...table].map(([id]) => id);
      return Array.from({ length: events }, (_, i) => {
        const task = table.get(ids[(i * 7919) % ids.length] ?? '');
        if (task === undefined) throw new RangeError('no task');
        const started = performance.now();
        table = table.with({ ...task, attempt: task.attempt + 1 });
        return (performance.now() - started) * 1e3;
      });
    },
  },
  {
    name: 'recovery from the rows',
    time: (state) => {
      const tasks = rows(tableOf(state).tasks.size);
      return Array.from({ length: 5 }, () => {
        const started = performance.now();
        recovered(tasks);
        return (performance.now() - started) * 1e3;
      });
    },
  },
];

export function main({ rounds: events = 300 }: BenchOptions = {}): Promise<void> {
  printHeading(`A scheduler event, half of the study done: median microseconds over ${events} events.`);
  const columns = sizes.map((size) => {
    const state = halfway(size);
    return cases.map(({ time }) => {
      // A small study has only so many tasks to finish. The first round warms up.
      const count = Math.min(events, size.tasks / 5);
      time(state, count);
      return median(time(state, count));
    });
  });
  printTable(
    ['event', ...sizes.map(({ tasks, workers }) => `${tasks.toLocaleString('en')} tasks, ${workers} workers`)],
    cases.map(({ name }, i) => [name, ...columns.map((column) => figure(column[i] ?? NaN))]),
  );
  return Promise.resolve();
}
