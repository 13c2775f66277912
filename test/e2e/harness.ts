/**
 * What the end-to-end tests share: a small table of real rows, the command as a process of its own, and what a study leaves behind.
 *
 * The processes always run src/ through tsx, never dist/: a test must not pass or fail on a build of yesterday.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const loader = import.meta.resolve('tsx');
const main = at('src/main.ts');

/** Processes that a failed test may leave running. */
const started = new Set<ChildProcess>();

/** A folder for one test file; what still runs is killed at its end. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-e2e-'));
  after(() => {
    for (const child of started) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  });
  return folder;
}

export const trainRows = 1_800;
export const testRows = 200;

/** Every 27th diamond, with an id: `train.csv`, and `test.csv` without the price. */
export function writeDiamonds(folder: string): void {
  const [header = '', ...lines] = gunzipSync(readFileSync(at('examples/diamonds/diamonds.csv.gz')))
    .toString()
    .trimEnd()
    .split('\n');
  const rows = lines.filter((_, row) => row % 26 === 0).map((line, id) => `${id},${line}`);
  const price = `id,${header}`.split(',').indexOf('price');
  const unpriced = (line: string): string => line.split(',').toSpliced(price, 1).join(',');
  const write = (name: string, table: readonly string[]): void => writeFileSync(join(folder, name), `${table.join('\n')}\n`);
  write('train.csv', [`id,${header}`, ...rows.slice(0, trainRows)]);
  write('test.csv', [`id,${header}`, ...rows.slice(trainRows, trainRows + testRows)].map(unpriced));
}

/** A sweep of three trials, each some seconds of start and a moment of training, over those tables. */
export const smallSweep = `
study: small
seed: 1
data: { train: train.csv, test: test.csv, id: id, target: { column: price, task: regression, transform: log } }
noise: { swapProbability: { categorical: { uniform: [0.05, 0.7] }, numerical: { uniform: [0.05, 0.7] } } }
model: { kind: mlp, units: 16, layers: 2 }
training: { epochs: 4, batchSize: 64, learningRate: 0.003 }
ridge: { alphas: [1, 10, 100], learningCurve: { labels: [200], draws: 2 } }
search: { trials: 3 }
`;

export interface Run {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** The exit status, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  readonly over: () => boolean;
  /** Ctrl-C at a terminal: the signal goes to every process of the group. */
  readonly interrupt: () => void;
}

export interface Surroundings {
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command that becomes what follows it, such as `ip netns exec NAME`. */
  readonly under?: readonly string[];
}

/** Starts `noisefold ...args` as the leader of a process group, as a shell does. */
export const start = (folder: string, ...args: readonly string[]): Run => startIn({}, folder, ...args);

export function startIn({ env = {}, under = [] }: Surroundings, folder: string, ...args: readonly string[]): Run {
  const [program = process.execPath, ...rest] = [...under, process.execPath, '--import', loader, main, ...args];
  const child = spawn(program, rest, {
    cwd: folder,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  started.add(child);
  const { pid } = child;
  assert.ok(pid !== undefined);
  let [stdout, stderr, over] = ['', '', false];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const ended = new Promise<number | NodeJS.Signals>((resolve) =>
    child.on('close', (code, signal) => {
      over = true;
      started.delete(child);
      resolve(code ?? signal ?? -1);
    }),
  );
  return {
    child,
    pid,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    over: () => over,
    interrupt() {
      process.kill(-pid, 'SIGINT');
    },
  };
}

/** Runs `noisefold ...args` to its end, which must be this exit status. */
export async function run(expected: number, folder: string, ...args: readonly string[]): Promise<Run> {
  const running = start(folder, ...args);
  assert.equal(await running.ended, expected, running.stderr());
  return running;
}

/** Waits, a minute at most, until a condition holds while the process runs. */
export async function until<T>(running: Run, what: string, condition: () => T | undefined | false): Promise<T> {
  const limit = Date.now() + 60_000;
  for (;;) {
    const found = condition();
    if (found !== undefined && found !== false) return found;
    assert.ok(!running.over(), `the command ended before ${what}:\n${running.stderr()}`);
    assert.ok(Date.now() < limit, `no ${what} within a minute:\n${running.stderr()}`);
    await sleep(20);
  }
}

export interface LogLine {
  readonly message: string;
  readonly name?: string;
  readonly pid?: number;
  readonly worker?: string;
  readonly study?: string;
  readonly task?: string;
  readonly attempt?: number;
  readonly to?: string;
}

/** What is in a study's folder. */
export interface Study {
  readonly folder: string;
  path(name: string): string;
  text(name: string): string;
  bytes(name: string): Buffer;
  /** A CSV table without quoted fields, a record a row. */
  table(name: string): readonly Readonly<Record<string, string>>[];
  /** The lines of log.jsonl that are whole. */
  log(): readonly LogLine[];
}

export function studyAt(...parts: readonly string[]): Study {
  const folder = join(...parts);
  const path = (name: string): string => join(folder, name);
  const text = (name: string): string => readFileSync(path(name), 'utf8');
  return {
    folder,
    path,
    text,
    bytes: (name) => readFileSync(path(name)),
    table(name) {
      const [header = [], ...rows] = text(name)
        .trimEnd()
        .split('\n')
        .map((line) => line.split(','));
      return rows.map((row) => Object.fromEntries(header.map((column, i) => [column, row[i] ?? ''])));
    },
    log: () =>
      existsSync(path('log.jsonl'))
        ? text('log.jsonl')
            .split('\n')
            .slice(0, -1)
            .map((line) => JSON.parse(line) as LogLine)
        : [],
  };
}

/** How often each trial was handed to a worker, by the log. */
export function leases(study: Study): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { to, message, task = '' } of study.log()) {
    const trial = task.split('/')[0] ?? '';
    if (to === 'leased' && message === 'leased') counts[trial] = (counts[trial] ?? 0) + 1;
  }
  return counts;
}

/** Linux tells of processes in /proc: a test that looks at them runs there only. */
export const hasProc = existsSync('/proc/self/stat');

/** [pid, parent's pid] of every process that runs; those that ended and only wait to be noticed are left out. */
function processes(): readonly (readonly [pid: number, parent: number])[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const [state, parent] = readFileSync(`/proc/${name}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      return state === 'Z' || state === 'X' ? [] : [[Number(name), Number(parent)] as const];
    } catch {
      return [];
    }
  });
}

export const childrenOf = (pid: number): number[] => processes().flatMap(([child, parent]) => (parent === pid ? [child] : []));

/** Worker and task processes below a sweep, and their helpers. */
export const descendantsOf = (pid: number): number[] => childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);

/** Waits until none of these processes runs any more. Fails after some seconds, naming them. */
export async function gone(pids: readonly number[], withinMs: number): Promise<void> {
  const limit = Date.now() + withinMs;
  for (;;) {
    const running = new Set(processes().map(([pid]) => pid));
    const left = pids.filter((pid) => running.has(pid));
    if (left.length === 0) return;
    if (Date.now() > limit) {
      const what = left.map((pid) => `${pid}: ${readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')}`);
      for (const pid of left) process.kill(pid, 'SIGKILL');
      assert.fail(`still running after ${withinMs} ms:\n${what.join('\n')}`);
    }
    await sleep(50);
  }
}
