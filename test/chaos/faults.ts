/**
 * What may happen to a cluster of real processes, drawn by a seed: who, what and when. Times are those of the machine, so a seed gives the same faults, not the same run.
 *
 * Two kinds of blame are the scheduler's to give, and would end a trial rightly: a task whose process died on two workers, or that lost five workers without a checkpoint.
 * So nobody's task process is killed twice, and no task loses more than three workers.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TaskSummary } from '../../src/wire/messages.ts';
import { atNextWrite, type Cluster, signal, tasksOf } from '../e2e/cluster.ts';
import type { Run } from '../e2e/harness.ts';

export interface Draws {
  /** 0 up to below so many. */
  below(count: number): number;
  between(from: number, to: number): number;
  pick<T>(from: readonly [T, ...T[]]): T;
}

/** Mulberry32: 32 bits of state are enough to name a run. */
export function drawsOf(seed: number): Draws {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count: number): number => Math.floor(next() * count);
  return { below, between: (from, to) => from + next() * (to - from), pick: (from) => from[below(from.length)] ?? from[0] };
}

/** At a random time, or within a millisecond of a write: of a blob's part (an upload), of a whole blob (a checkpoint), of the database (a commit). */
const moments = ['some time', 'some time', 'an upload', 'a checkpoint', 'a commit'] as const;
const kinds = [
  'kill the coordinator',
  'kill a worker',
  'kill a task',
  'freeze the coordinator',
  'freeze a worker',
  'freeze a task',
  'a worker leaves',
  'a worker joins',
  'kill the coordinator and a worker',
] as const;

export interface Scene {
  readonly cluster: Cluster;
  readonly study: string;
  readonly draws: Draws;
  readonly leaseMs: number;
  readonly workers: Map<string, Run>;
  readonly say: (what: string) => void;
  /** Starts a worker of this name. */
  readonly join: (name: string) => void;
}

/** Waits for the moment, does what was drawn, and puts back what stands still. */
export async function disturb(scene: Scene): Promise<void> {
  const { draws } = scene;
  const kind = draws.pick(kinds);
  const moment = draws.pick(moments);
  const pauseMs = draws.between(100, 2_500);
  const frozenMs = draws.pick([0.3, 1.5, 2.5]) * scene.leaseMs;
  const awayMs = draws.between(0, 1_500);
  const victim = victimOf(scene);
  let done: Promise<void> | undefined;
  const strike = (): void => void (done = act(scene, kind, victim, { frozenMs, awayMs }));
  await sleep(pauseMs);
  // Asked for now, so that nothing stands between the moment and the blow.
  const tasks = await heldBy(scene, victim);
  if (spared(kind, tasks)) {
    scene.say(`${kind} (${victim}): spared, its task has suffered enough`);
    return;
  }
  const at = (await atMoment(scene, moment, strike)) ? moment : `some time (no write for ${moment})`;
  scene.say(`${kind}${kind.includes('coordinator') ? '' : ` (${victim})`} at ${at}${shown(tasks)}`);
  await done;
}

function victimOf({ workers, draws }: Scene): string {
  const names = [...workers.keys()];
  return names[draws.below(names.length)] ?? '';
}

const shown = (tasks: readonly TaskSummary[]): string =>
  tasks
    .map(
      ({ task, attempt, checkpointStep = 0, progress }) =>
        `; ${task} #${attempt}, step ${progress?.step ?? 0}, checkpoint ${checkpointStep}`,
    )
    .join('');

async function heldBy({ cluster, study }: Scene, worker: string): Promise<readonly TaskSummary[]> {
  const request = { type: 'tasks', study, statuses: ['leased', 'running'], offset: 0, limit: 1_000 } as const;
  const { tasks } = await cluster.ask(request, 'tasks');
  return tasks.filter((task) => task.worker === worker);
}

const spared = (kind: (typeof kinds)[number], tasks: readonly TaskSummary[]): boolean =>
  tasks.some(({ failures, losses }) => (kind === 'kill a task' && failures > 0) || losses >= 3);

/** Whether the moment came; if not, it is done all the same. */
async function atMoment({ cluster, study }: Scene, moment: (typeof moments)[number], then: () => void): Promise<boolean> {
  const incoming = join(cluster.data, 'artifacts', 'tmp');
  const database = join(cluster.data, 'studies', study);
  const [folder, fits]: readonly [string, (name: string) => boolean] =
    moment === 'a commit'
      ? [database, (name) => name === 'study.db-wal']
      : [incoming, (name) => name.endsWith('.part') === (moment === 'an upload')];
  if (moment === 'some time' || !existsSync(folder)) {
    then();
    return moment === 'some time';
  }
  let came = false;
  const once = (): void => {
    if (came) return;
    came = true;
    then();
  };
  const { close, next } = atNextWrite(folder, fits, once);
  // It may not come: nobody uploads, or the study is over.
  await Promise.race([next, sleep(5_000)]);
  close();
  const inTime = came;
  once();
  return inTime;
}

async function act(
  { cluster, workers, say, join: joins }: Scene,
  kind: (typeof kinds)[number],
  victim: string,
  { frozenMs, awayMs }: { readonly frozenMs: number; readonly awayMs: number },
): Promise<void> {
  const worker = workers.get(victim);
  const killWorker = (): void => {
    const tasks = worker === undefined ? [] : tasksOf(worker);
    worker?.child.kill('SIGKILL');
    if (tasks.length > 0) say(`  with its task's process ${tasks.join(' and ')}`);
  };
  const freeze = async (pids: readonly number[]): Promise<void> => {
    for (const pid of pids) signal(pid, 'SIGSTOP');
    await sleep(frozenMs);
    for (const pid of pids) signal(pid, 'SIGCONT');
    say(`  thawed after ${Math.round(frozenMs)} ms`);
  };
  switch (kind) {
    case 'kill the coordinator':
    case 'kill the coordinator and a worker':
      cluster.coordinator().child.kill('SIGKILL');
      if (kind !== 'kill the coordinator') killWorker();
      await cluster.coordinator().ended;
      await sleep(awayMs);
      await cluster.coordinate();
      if (kind !== 'kill the coordinator') joins(victim);
      return;
    case 'kill a worker':
      killWorker();
      await worker?.ended;
      await sleep(awayMs);
      joins(victim);
      return;
    case 'kill a task':
      for (const pid of worker === undefined ? [] : tasksOf(worker)) signal(pid, 'SIGKILL');
      return;
    case 'freeze the coordinator':
      return freeze([cluster.coordinator().pid]);
    case 'freeze a worker':
      return freeze(worker === undefined ? [] : [worker.pid]);
    case 'freeze a task':
      return freeze(worker === undefined ? [] : tasksOf(worker));
    case 'a worker leaves': {
      worker?.child.kill('SIGTERM');
      const code = await worker?.ended;
      say(`  ended with ${String(code)}`);
      workers.delete(victim);
      // Somebody has to do the work.
      joins(`${victim}+`);
      return;
    }
    case 'a worker joins':
      joins(`w${workers.size + 1}`);
      return;
    default:
      kind satisfies never;
  }
}
