/**
 * What goes wrong, when and how often: drawn from the seed. Each seed has some kinds of faults and not others, so that rare combinations come up undiluted
 * (swarm testing: Groce et al., ISSTA 2012).
 */
import type { Cluster, SimulatedWorker } from './cluster.ts';
import type { Disk } from './disk.ts';
import type { Network } from './network.ts';
import type { Random, World } from './world.ts';

export const faultKinds = [
  'crash coordinator',
  'crash worker',
  'crash at an effect',
  'stop coordinator',
  'stop worker',
  'network',
  'partition',
  'reconnect',
  'freeze',
  'clock jump',
  'disk full',
  'disk breaks',
  'damage a blob',
  'lose a model',
  'task crash',
  'task hang',
  'slow worker',
  'sick worker',
  'pause',
  'cancel',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** The study that may be cancelled. */
export const expendable = 'c';

export interface FaultsOptions {
  readonly world: World;
  readonly random: Random;
  readonly network: Network;
  readonly disk: Disk;
  readonly cluster: Cluster;
  readonly studies: readonly string[];
  readonly untilMs: number;
}

/** Schedules faults until a time; then everything is mended. Returns the kinds that this seed has. */
export function scheduleFaults(options: FaultsOptions): readonly FaultKind[] {
  const { world, random, untilMs } = options;
  const kinds = faultKinds.filter(() => random.chance(0.35));
  const next = (): void => {
    world.after(random.whole(300, 6_000), undefined, () => {
      if (world.now() >= untilMs) return;
      const kind = random.pick(kinds);
      world.say('*** fault:', kind);
      cause(kind, options);
      next();
    });
  };
  if (kinds.length > 0) next();
  world.after(untilMs, undefined, () => mend(options));
  return kinds;
}

function cause(kind: FaultKind, { world, random, network, disk, cluster, studies, untilMs }: FaultsOptions): void {
  const worker = random.pick(cluster.workers);
  /** For a while, but not longer than faults last. */
  const forAWhile = (longest: number, end: () => void): number => {
    const ms = Math.min(random.whole(200, longest), untilMs - world.now());
    world.after(ms, undefined, end);
    return world.now() + ms;
  };
  const coordinator = cluster.coordinatorProcess();
  switch (kind) {
    case 'crash coordinator':
      if (coordinator !== undefined) world.kill(coordinator, 'kill -9');
      return;
    case 'crash worker':
      world.kill(worker.process, 'kill -9');
      return;
    case 'crash at an effect': {
      const process = random.chance(0.6) ? coordinator : worker.process;
      if (process?.fuse === Infinity) process.fuse = random.whole(0, 25);
      return;
    }
    case 'stop coordinator':
      cluster.stopCoordinator();
      return;
    case 'stop worker':
      cluster.stopWorker(worker);
      return;
    case 'network': {
      const faults = {
        loss: random.pick([0, 0.05, 0.3]),
        twice: random.pick([0, 0.1, 0.4]),
        reorder: random.pick([0, 0.1, 0.5]),
      };
      Object.assign(network.faults, faults, { delayMs: random.pick([5, 50, 700]) });
      forAWhile(15_000, () => Object.assign(network.faults, { loss: 0, twice: 0, reorder: 0, delayMs: 5 }));
      return;
    }
    case 'partition':
      network.cut(
        worker.process,
        forAWhile(12_000, () => {}),
      );
      return;
    case 'reconnect':
      network.reconnect(worker.process);
      return;
    case 'freeze': {
      const process = random.chance(0.3) ? coordinator : worker.process;
      if (process !== undefined) process.frozenUntil = forAWhile(9_000, () => {});
      return;
    }
    case 'clock jump':
      cluster.clockOffset += random.pick([-3_600_000, -20_000, -3_000, 3_000, 20_000, 3_600_000]);
      return;
    case 'disk full':
      disk.full = true;
      forAWhile(8_000, () => (disk.full = false));
      return;
    case 'disk breaks':
      disk.breaksNext = true;
      return;
    case 'damage a blob': {
      const running = [...disk.rows.values()].flatMap((store) =>
        store
          .tasks()
          .flatMap(({ status, checkpoint }) => (status !== 'done' && checkpoint !== undefined ? [checkpoint.hash] : [])),
      );
      if (running.length > 0) disk.damage(random.pick(running));
      return;
    }
    case 'lose a model': {
      const models = [...disk.rows.values()].flatMap((store) =>
        store.study()?.status === 'cancelled'
          ? []
          : store
              .tasks()
              .flatMap(({ status, checkpoint }) => (status === 'done' && checkpoint !== undefined ? [checkpoint.hash] : [])),
      );
      if (models.length > 0) disk.lose(random.pick(models));
      return;
    }
    case 'task crash':
      spell(worker, 'crash', 0.15);
      return;
    case 'task hang':
      spell(worker, 'hang', 0.1);
      return;
    case 'slow worker':
      worker.faults.slowness = random.pick([1, 4, 12]);
      return;
    case 'sick worker':
      worker.faults.sick = true;
      forAWhile(15_000, () => (worker.faults.sick = false));
      return;
    case 'pause': {
      const study = random.pick(studies);
      cluster.ask({ type: random.chance(0.5) ? 'pause' : 'resume', study });
      return;
    }
    case 'cancel':
      // One of the studies is there to be given up.
      if (studies.includes(expendable)) cluster.ask({ type: 'cancel', study: expendable });
      return;
    default:
      kind satisfies never;
  }

  function spell({ faults }: SimulatedWorker, what: 'crash' | 'hang', probability: number): void {
    faults[what] = probability;
    forAWhile(10_000, () => (faults[what] = 0));
  }
}

/** Nothing goes wrong from now on; what is broken is seen to by an operator. */
function mend({ world, network, disk, cluster, studies }: FaultsOptions): void {
  world.say('*** faults end');
  network.heal();
  disk.full = false;
  disk.breaksNext = false;
  const coordinator = cluster.coordinatorProcess();
  for (const process of [coordinator, ...cluster.workers.map((worker) => worker.process)])
    if (process !== undefined) Object.assign(process, { frozenUntil: 0, fuse: Infinity });
  for (const { faults } of cluster.workers) Object.assign(faults, { crash: 0, hang: 0, sick: false, slowness: 1 });
  const operator = world.spawn('operator');
  world.every(4_000, operator, () => {
    const now = cluster.coordinator();
    if (now === undefined) return;
    const process = cluster.coordinatorProcess();
    if (now.broken().size > 0 && process !== undefined) {
      world.kill(process, 'restarted by its operator');
      return;
    }
    for (const study of studies) {
      const state = now.state().studies.get(study);
      if (state === undefined) continue;
      if (state.status === 'paused' || state.status === 'pausing') cluster.ask({ type: 'resume', study });
      else if (
        state.status === 'finished' &&
        [...state.tasks.values()].some(({ status, error }) => status === 'failed' && error?.retryable === true)
      )
        cluster.ask({ type: 'retry', study });
    }
  });
}
