/**
 * Microseconds a scheduler event, by the number of tasks in the study; and of what else happens at every event: the view that a display
 * shows. Pure functions, no I/O.
 *
 * npm run bench -- scheduler [--rounds 300]
 */
import { newTaskState, recover, step } from '../src/scheduler/step.ts';
import { defaultPolicy, type Event, type State } from '../src/scheduler/types.ts';
import { viewOf } from '../src/report/view.ts';
import { type BenchOptions, figure, median, printHeading, printTable } from './measure.ts';
import { emptyPlan, hashOf, progressAt, reports, resultOf } from './study.ts';

const sizes = [100, 1_000, 10_000];
const workers = 64;
/** Time never passes, so no lease ends. */
const nowMs = 1;

interface Case {
  readonly name: string;
  /** Times one event each; the state goes on from event to event. */
  readonly time: (state: State, events: number) => number[];
}

const held = (state: State): { task: string; worker: string }[] =>
  [...state.tasks.values()].flatMap(({ task, worker, status }) =>
    worker !== undefined && (status === 'leased' || status === 'running') ? [{ task: task.id, worker }] : [],
  );

/** Half of the tasks done, a task with each worker. */
function halfway(tasks: number): State {
  const plan = emptyPlan(tasks);
  const states = plan.tasks.map((task, i) => {
    const state = newTaskState(task);
    const checkpoint = { hash: hashOf(task.id, reports), step: reports };
    return i < tasks / 2 ? { ...state, status: 'done' as const, attempt: 1, result: resultOf(task.id), checkpoint } : state;
  });
  let state = recover(states, defaultPolicy, nowMs, 0);
  for (let i = 0; i < Math.min(workers, tasks / 4); i++)
    state = step(state, { type: 'hello', worker: `w${i}`, name: `w${i}`, nowMs }).state;
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
  const all = held(state);
  const one = all[i % all.length];
  if (one === undefined) throw new RangeError('nothing is held');
  return one;
};

const cases: readonly Case[] = [
  {
    name: 'heartbeat',
    time: timed((i, state) => {
      const { task, worker } = holder(i, state);
      return { type: 'heartbeat', worker, nowMs, running: { task, attempt: 1, progress: progressAt(i % reports) } };
    }),
  },
  {
    name: 'checkpoint',
    time: timed((i, state) => {
      const { task, worker } = holder(i, state);
      return { type: 'checkpointed', worker, nowMs, task, attempt: 1, hash: hashOf(task, i), step: i };
    }),
  },
  {
    name: 'done, and the next lease',
    time: timed((i, state) => {
      const { task, worker } = holder(i, state);
      return { type: 'done', worker, nowMs, task, attempt: 1, result: resultOf(task) };
    }),
  },
  { name: 'tick', time: timed(() => ({ type: 'tick', nowMs })) },
  {
    name: '(copying the task Map)',
    time: (state, events) =>
      Array.from({ length: events }, () => {
        const started = performance.now();
        const copy = new Map(state.tasks);
        const us = (performance.now() - started) * 1e3;
        if (copy.size !== state.tasks.size) throw new Error('not a copy');
        return us;
      }),
  },
  {
    name: '(copying the tasks as an array)',
    time: (state, events) => {
      const tasks = [...state.tasks.values()];
      return Array.from({ length: events }, () => {
        const started = performance.now();
        const copy = tasks.slice();
        const us = (performance.now() - started) * 1e3;
        if (copy.length !== tasks.length) throw new Error('not a copy');
        return us;
      });
    },
  },
  {
    name: "(the display's view)",
    time: (state, events) => {
      const plan = emptyPlan(state.tasks.size);
      return Array.from({ length: events }, () => {
        const started = performance.now();
        viewOf({ study: 's', plan, state, metric: 'rmse', nowMs, startedMs: 0 });
        return (performance.now() - started) * 1e3;
      });
    },
  },
];

export function main({ rounds: events = 300 }: BenchOptions = {}): Promise<void> {
  printHeading(`A scheduler event with ${workers} workers, half of the study done: median microseconds over ${events} events.`);
  // Sizes take turns in the warming up only: a median over events of one state is what is asked for.
  const columns = sizes.map((size) => {
    const state = halfway(size);
    return cases.map(({ time }) => {
      // A small study has only so many tasks to finish.
      const count = Math.min(events, size / 5);
      time(state, count);
      return median(time(state, count));
    });
  });
  printTable(
    ['event', ...sizes.map((size) => `${size.toLocaleString('en')} tasks`)],
    cases.map(({ name }, i) => [name, ...columns.map((column) => figure(column[i] ?? NaN))]),
  );
  return Promise.resolve();
}
