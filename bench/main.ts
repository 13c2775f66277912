/**
 * npm run bench -- NAME [OPTIONS]     runs one bench
 * npm run bench -- all                runs them one after the other, each in a process of its own
 *
 * Options, of those that have a use for them: --rounds N, --rows N, --trials N, --workers N, --python PYTHON (an interpreter with pandas,
 * scikit-learn, optuna and ray, to have them measured beside ours). README.md holds the figures of one run.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { benchOptions, type BenchOptions } from './measure.ts';

interface Bench {
  readonly what: string;
  readonly load: () => Promise<{ main(options: BenchOptions): Promise<void> }>;
}

const benches: Readonly<Record<string, Bench>> = {
  step: { what: 'milliseconds a training step: compiled beside tfjs', load: () => import('./step.ts') },
  stack: { what: 'a step of several trials in one graph, beside a process a trial', load: () => import('./stack.ts') },
  noise: { what: 'rows/s of swap noise, and its share of a training step', load: () => import('./noise.ts') },
  drain: { what: 'seconds from a signal to the end of a worker that trains', load: () => import('./drain.ts') },
  features: { what: 'rows/s of feature extraction: compiled beside tfjs', load: () => import('./features.ts') },
  ridge: { what: 'Gram, ridge path and learning curve', load: () => import('./ridge.ts') },
  data: { what: 'a table from nothing to batches: seconds, memory, shares of a step', load: () => import('./data.ts') },
  csv: { what: 'rows/s and memory of reading CSV, beside other parsers', load: () => import('./csv.ts') },
  orchestration: {
    what: 'trials/s and durable events/s of trials that do nothing',
    load: () => import('./orchestration.ts'),
  },
  recovery: { what: 'milliseconds of a coordinator’s restart, by the number of tasks', load: () => import('./recovery.ts') },
  efficiency: { what: 'what a second worker is worth, on two cores', load: () => import('./efficiency.ts') },
  scale: {
    what: 'a coordinator with 100 and with 1,000 workers: events/s, latency, core time, memory',
    load: () => import('./scale.ts'),
  },
  halving: {
    what: 'successive halving beside all epochs for every trial: time, and what it finds',
    load: () => import('./halving.ts'),
  },
  scheduler: { what: 'microseconds a scheduler event, by the number of tasks', load: () => import('./scheduler.ts') },
};

const [name, ...args] = process.argv.slice(2);
if (name === 'all') {
  for (const each of Object.keys(benches)) {
    const { status } = spawnSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), each, ...args], {
      stdio: 'inherit',
    });
    if (status !== 0) process.exitCode = 1;
  }
} else {
  const bench = name === undefined ? undefined : benches[name];
  if (bench) await (await bench.load()).main(benchOptions(args));
  else {
    const lines = Object.entries(benches).map(([each, { what }]) => `  ${each.padEnd(14)} ${what}`);
    console.error(['npm run bench -- NAME [OPTIONS]', ...lines, `  ${'all'.padEnd(14)} each of them`].join('\n'));
    process.exitCode = name === undefined ? 0 : 2;
  }
}
