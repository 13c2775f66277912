/**
 * One simulation: everything that a seed decides, from the first process to the last row. In the manner of FoundationDB's (Zhou et al., SIGMOD 2021): the real
 * code on a simulated network, disk and clock, with faults, and checks after every event.
 */
import type { State } from '../../src/scheduler/types.ts';
import { createChecks } from './checks.ts';
import { createCluster } from './cluster.ts';
import { createDisk, type Disk } from './disk.ts';
import { expendable, scheduleFaults, type FaultKind } from './faults.ts';
import { createNetwork } from './network.ts';
import { isLeftBehind, simulatedStudy, type SimulatedStudy } from './studies.ts';
import { createWorld, random } from './world.ts';

export interface Outcome {
  readonly seed: number;
  /** What was wrong, the first thing; undefined: nothing. */
  readonly violation: string | undefined;
  readonly faults: readonly FaultKind[];
  readonly events: number;
  readonly simulatedMs: number;
  readonly transcript: readonly string[];
}

export interface SimulationOptions {
  /** Whether to keep the transcript. */
  readonly record?: boolean;
  /** Without faults everything has to go the straight way. */
  readonly faults?: boolean;
}

/** How long things go wrong, and how long the cluster then has to finish. */
const faultsMs = 45_000;
const patienceMs = 240_000;

export async function simulate(seed: number, { record = false, faults = true }: SimulationOptions = {}): Promise<Outcome> {
  const world = createWorld(record);
  const draw = (name: string): ReturnType<typeof random> => random(seed, name);
  let violation: string | undefined;
  const found = (what: string): void => {
    world.say('!!!', what);
    violation ??= what;
  };
  const checks = createChecks({ disk: (): Disk => disk, now: world.now, found });
  const disk = createDisk(world, draw('disk'), checks.onCommit);
  const network = createNetwork({ world, random: draw('network'), onSend: checks.onSend, onHear: checks.onHear });
  const { onTurn, onStart } = checks;
  const setup = draw('setup');
  const cluster = createCluster({
    world,
    random: draw('cluster'),
    network,
    disk,
    workers: setup.whole(1, 4),
    onTurn,
    onStart,
    onDefect: found,
  });
  const studies = [
    // Begun with two trials, and given more later.
    simulatedStudy('a', ['t1', 't2', 't3', 't4'], 0),
    // Tasks of the same names as those of the first.
    ...(setup.chance(0.5) ? [simulatedStudy(expendable, ['t1', 't2'], 0)] : []),
    simulatedStudy('b', setup.chance(0.5) ? ['t1', 't2-diverges'] : ['t1', 't2'], 2),
    // Five, so that a rung has two and the last one: with successive halving.
    ...(setup.chance(0.5)
      ? [simulatedStudy('r', ['t1', 't2', 't3', 't4', 't5-diverges'], 0, setup.chance(0.7) ? 'deterministic' : 'eager')]
      : []),
  ];
  world.after(setup.whole(0, 2_000), undefined, () => cluster.submit(simulatedStudy('a', ['t1', 't2'], 0)));
  for (const study of studies) world.after(setup.whole(0, 15_000), undefined, () => cluster.submit(study));
  const names = studies.map(({ name }) => name);
  const untilMs = faults ? faultsMs : 0;
  const kinds = faults ? scheduleFaults({ world, random: draw('faults'), network, disk, cluster, studies: names, untilMs }) : [];
  const isOver = (): boolean => {
    if (violation !== undefined) return true;
    const state = cluster.coordinator()?.state();
    return world.now() > untilMs && state !== undefined && studies.every((study) => isSettled(state, study));
  };
  const isSettled = ({ studies: now }: State, { name, plan }: SimulatedStudy): boolean => {
    const status = now.get(name)?.status;
    // More trials may be on their way.
    if ((now.get(name)?.tasks.size ?? 0) < plan.tasks.length) return false;
    return (status === 'finished' && !retryable(name) && !lacksModel(name)) || (status === 'cancelled' && name === expendable);
  };
  const lacksModel = (name: string): boolean => {
    const tasks = disk.rows.get(name)?.tasks() ?? [];
    return tasks.some(
      (task) =>
        task.status === 'done' &&
        task.checkpoint !== undefined &&
        disk.lost.has(task.checkpoint.hash) &&
        !isLeftBehind(tasks, task),
    );
  };
  const retryable = (name: string): boolean =>
    disk.rows
      .get(name)
      ?.tasks()
      .some(({ status, error }) => status === 'failed' && error?.retryable === true) ?? false;
  const trap = (thrown: unknown): void =>
    found(`thrown and not caught: ${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}`);
  process.on('unhandledRejection', trap);
  try {
    const how = await world.run(isOver, untilMs + patienceMs, checks.afterEvent);
    if (how === 'late') found(`not finished ${patienceMs / 1000} s after the last fault`);
    else if (violation === undefined) checks.atTheEnd(studies);
  } catch (thrown) {
    trap(thrown);
  } finally {
    // Rejections that nobody handled are told of now.
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', trap);
  }
  return { seed, violation, faults: kinds, events: world.events(), simulatedMs: world.now(), transcript: world.transcript };
}
