/**
 * npm run chaos -- --seed 17               one run by its seed: faults against real processes, with a transcript
 * npm run chaos -- --runs 10 --from 1      so many seeds
 * npm run chaos -- --many 24               so many workers on this machine, undisturbed
 *
 * --workers N (else 1, 2 or 5 by the seed), --faults N (else 8 to 15), --keep FOLDER (transcripts, logs and studies; else a temporary folder, kept when a run fails).
 * Every run has to end with the ranking and the checkpoints of an undisturbed sweep, byte for byte, and with no process left.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { asNoisefoldError } from '../../src/base/errors.ts';
import { assertSame, type Cluster, type Outcome, outcomeOf, startCluster } from '../e2e/cluster.ts';
import { descendantsOf, gone, type Run, smallSweep, startIn, studyAt, writeDiamonds } from '../e2e/harness.ts';
import { disturb, drawsOf } from './faults.ts';

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    from: { type: 'string', default: '1' },
    runs: { type: 'string', default: '1' },
    workers: { type: 'string' },
    faults: { type: 'string' },
    many: { type: 'string' },
    keep: { type: 'string' },
  },
});

const lease = 2;
const folder = values.keep === undefined ? mkdtempSync(join(tmpdir(), 'noisefold-chaos-')) : resolve(values.keep);
mkdirSync(folder, { recursive: true });
writeDiamonds(folder);
writeFileSync(join(folder, 'small.yaml'), smallSweep);

/** Trials long enough to be met in the middle, with a checkpoint every tenth. */
const long = ['--set', 'training.epochs=240', '--set', 'training.checkpointEveryEpochs=24', '--set', 'search.trials=8'];

async function undisturbed(name: string, settings: readonly string[], workers: number): Promise<Outcome> {
  const sweep = startIn({}, folder, 'sweep', 'small.yaml', ...settings, '--workers', String(workers), '--output', name);
  if ((await sweep.ended) !== 0) throw new Error(sweep.stderr());
  return outcomeOf(studyAt(folder, name, 'small'));
}

interface Told {
  readonly say: (what: string) => void;
  readonly seconds: () => number;
}

function transcript(name: string): Told {
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  const path = join(folder, `${name}.txt`);
  return {
    seconds,
    say(what) {
      const line = `${seconds().toFixed(3).padStart(8)} ${what}\n`;
      appendFileSync(path, line);
      process.stdout.write(line);
    },
  };
}

/** Everybody leaves as told, and nothing runs any more. */
async function leave(cluster: Cluster, workers: ReadonlyMap<string, Run>): Promise<void> {
  const all = [...workers.values()].filter((worker) => !worker.over());
  const pids = all.flatMap(({ pid }) => [pid, ...descendantsOf(pid)]);
  for (const { child } of all) child.kill('SIGTERM');
  const codes = await Promise.all(all.map(({ ended }) => ended));
  const wrong = codes.filter((code) => code !== 75);
  if (wrong.length > 0) throw new Error(`workers ended with ${wrong.join()} instead of 75`);
  await gone(pids, 15_000);
  cluster.coordinator().child.kill('SIGTERM');
  const code = await cluster.coordinator().ended;
  if (code !== 0) throw new Error(`the coordinator ended with ${code}: ${cluster.coordinator().stderr()}`);
}

async function chaos(seed: number, expected: Outcome): Promise<void> {
  const draws = drawsOf(seed);
  const { say, seconds } = transcript(`seed-${seed}`);
  const count = values.workers === undefined ? draws.pick([1, 2, 5]) : Number(values.workers);
  const faults = values.faults === undefined ? 8 + draws.below(8) : Number(values.faults);
  const cluster = await startCluster({ folder, name: `seed-${seed}`, lease });
  const workers = new Map<string, Run>();
  const join = (name: string): void => {
    const far = draws.below(2) === 1;
    say(`  ${name} starts${far ? ', out of sight of the artifacts' : ''}`);
    workers.set(name, cluster.worker(name, { far }));
  };
  try {
    await cluster.coordinate();
    await cluster.command(0, 'submit', 'small.yaml', ...long);
    say(`seed ${seed}: ${count} workers, ${faults} faults`);
    for (let worker = 1; worker <= count; worker++) join(`w${worker}`);
    const scene = { cluster, study: 'small', draws, leaseMs: lease * 1000, workers, say, join };
    let done = 0;
    for (; done < faults && !(await isOver(cluster)); done++) await disturb(scene);
    await cluster.finished('small');
    const outcome = await cluster.outcome('small');
    assertSame(outcome, expected);
    const attempts = Object.values(outcome.attempts).reduce((sum, each) => sum + each, 0);
    const log = cluster.log();
    const fenced = log.filter(({ message }) => message.includes('changed nothing')).length;
    await leave(cluster, workers);
    const tasks = Object.keys(outcome.attempts).length;
    say(
      `seed ${seed}: same bytes; ${done} faults, ${attempts} attempts at ${tasks} tasks, ${fenced} late messages refused, ${seconds().toFixed(0)} s`,
    );
  } finally {
    await cluster.close();
  }
}

async function isOver(cluster: Cluster): Promise<boolean> {
  return (await cluster.ask({ type: 'status', study: 'small' }, 'study')).study.status === 'finished';
}

async function many(count: number): Promise<void> {
  const settings = ['--set', 'training.epochs=20', '--set', `search.trials=${count}`];
  const { say, seconds } = transcript(`many-${count}`);
  const expected = await undisturbed('one-worker', settings, 1);
  say(`${Object.keys(expected.attempts).length} tasks by one worker`);
  const cluster = await startCluster({ folder, name: `many-${count}`, lease: 10 });
  try {
    await cluster.coordinate();
    const workers = new Map(Array.from({ length: count }, (_, i) => [`w${i + 1}`, cluster.worker(`w${i + 1}`)]));
    const joined = (): number =>
      new Set(cluster.log().flatMap(({ message, worker = '' }) => (message === 'joined' ? [worker] : []))).size;
    await cluster.logged(`${count} workers`, () => joined() === count);
    say(`all ${count} have joined`);
    await cluster.command(0, 'submit', 'small.yaml', ...settings);
    await cluster.finished('small');
    const outcome = await cluster.outcome('small');
    assertSame(outcome, expected);
    const used = new Set(
      cluster.log().flatMap(({ to, task, worker = '' }) => (to === 'running' && task !== undefined ? [worker] : [])),
    );
    const attempts = Object.values(outcome.attempts).reduce((sum, each) => sum + each, 0);
    await leave(cluster, workers);
    say(
      `same bytes; ${used.size} workers ran ${Object.keys(outcome.attempts).length} tasks in ${attempts} attempts; none is left; ${seconds().toFixed(0)} s`,
    );
  } finally {
    await cluster.close();
  }
}

try {
  if (values.many !== undefined) await many(Number(values.many));
  else {
    const expected = await undisturbed('undisturbed', long, 2);
    const from = Number(values.seed ?? values.from);
    const runs = values.seed === undefined ? Number(values.runs) : 1;
    for (let seed = from; seed < from + runs; seed++) await chaos(seed, expected);
  }
  if (values.keep === undefined) rmSync(folder, { recursive: true, force: true });
} catch (thrown) {
  process.stdout.write(`FAILED: ${asNoisefoldError(thrown).message}\nAll that is left of it: ${folder}\n`);
  process.exitCode = 1;
}
