/**
 * The network: the transports of src/wire/transport.ts over simulated time, through the real codec. It delays, loses, doubles and reorders messages, and cuts
 * links. A coordinator that comes back knows its peers by new ids, as over sockets.
 */
import { decodeFromCoordinator, decodeToCoordinator, encodeFromCoordinator, encodeToCoordinator } from '../../src/wire/codec.ts';
import type { FromCoordinator, ToCoordinator } from '../../src/wire/messages.ts';
import type { CoordinatorTransport, PeerTransport } from '../../src/wire/transport.ts';
import type { Process, Random, World } from './world.ts';

export interface NetworkFaults {
  loss: number;
  twice: number;
  reorder: number;
  /** The longest delay, in milliseconds. */
  delayMs: number;
}

export interface Network {
  readonly faults: NetworkFaults;
  /** The coordinator's end, of a process that is new; peers have new ids from now on. */
  coordinator(process: Process): CoordinatorTransport;
  connect(process: Process): PeerTransport;
  /** Nothing passes between this process and the coordinator before. */
  cut(process: Process, untilMs: number): void;
  /** The connection breaks and comes back: the peer has another id. */
  reconnect(process: Process): void;
  heal(): void;
}

export interface NetworkOptions {
  readonly world: World;
  readonly random: Random;
  /** Sees every message at the moment it is sent by a living coordinator. */
  readonly onSend: (to: string | undefined, message: FromCoordinator) => void;
  /** Sees every message that a living coordinator hears. */
  readonly onHear: (from: string, message: ToCoordinator) => void;
}

interface Link {
  readonly process: Process;
  peer: string;
  listener: ((message: FromCoordinator) => void) | undefined;
  open: boolean;
  cutUntil: number;
  /** When the last message of each direction arrives. */
  up: number;
  down: number;
}

export function createNetwork({ world, random, onSend, onHear }: NetworkOptions): Network {
  const faults: NetworkFaults = { loss: 0, twice: 0, reorder: 0, delayMs: 5 };
  const links = new Map<Process, Link>();
  let server: { readonly process: Process; listener?: (peer: string, message: ToCoordinator) => void } | undefined;
  let peers = 0;

  const newPeer = (): string => (++peers).toString(16).padStart(4, '0');
  const linkOf = (peer: string): Link | undefined => [...links.values()].find((link) => link.peer === peer && link.open);

  function deliver(link: Link, way: 'up' | 'down', to: Process | undefined, arrive: () => void): void {
    if (link.cutUntil > world.now() || random.chance(faults.loss)) {
      world.say('   lost on the way');
      return;
    }
    for (let copies = random.chance(faults.twice) ? 2 : 1; copies > 0; copies--) {
      let at = world.now() + random.whole(1, faults.delayMs);
      if (!random.chance(faults.reorder)) at = link[way] = Math.max(link[way], at);
      world.after(at - world.now(), to, () => {
        if (link.cutUntil <= world.now()) arrive();
      });
    }
  }

  return {
    faults,
    coordinator(process) {
      const mine: NonNullable<typeof server> = { process };
      server = mine;
      for (const link of links.values()) link.peer = newPeer();
      return {
        address: 'simulated',
        listen: (onMessage) => void (mine.listener = onMessage),
        send(peer, message) {
          const bytes = encodeFromCoordinator(message);
          if (!world.acts(process, `sending ${message.type}`)) return;
          const link = linkOf(peer);
          onSend(link?.process.name, message);
          world.say('coordinator ->', link?.process.name ?? `(nobody ${peer})`, brief(message));
          if (link !== undefined)
            deliver(link, 'down', link.process, () => {
              const heard = decodeFromCoordinator(bytes);
              if (!link.open || link.peer !== peer) return;
              world.say('             ', link.process.name, 'hears', heard.type);
              link.listener?.(heard);
            });
        },
        close: () => Promise.resolve(),
      };
    },
    connect(process) {
      const link: Link = { process, peer: newPeer(), listener: undefined, open: true, cutUntil: 0, up: 0, down: 0 };
      links.set(process, link);
      process.onDeath.push(() => {
        link.open = false;
        links.delete(process);
      });
      return {
        failed: new Promise(() => {}),
        listen: (onMessage) => void (link.listener = onMessage),
        send(message) {
          const bytes = encodeToCoordinator(message);
          if (!link.open || !world.acts(process, `sending ${message.type}`)) return;
          world.say(process.name, '->', brief(message));
          const there = server?.process;
          if (there === undefined) return;
          // Over a connection that broke meanwhile a message is lost, or waits in the sender's queue for the next one.
          const waits = random.chance(0.5);
          deliver(link, 'up', waits ? undefined : there, () => {
            if (server === undefined || (!waits && server.process !== there) || !server.process.alive) return;
            const { process: now, listener } = server;
            world.after(0, now, () => {
              const heard = decodeToCoordinator(bytes);
              onHear(link.process.name, heard);
              listener?.(link.peer, heard);
            });
          });
        },
        close() {
          link.open = false;
          links.delete(process);
          return Promise.resolve();
        },
      };
    },
    cut(process, untilMs) {
      const link = links.get(process);
      if (link !== undefined) link.cutUntil = untilMs;
    },
    reconnect(process) {
      const link = links.get(process);
      if (link !== undefined) link.peer = newPeer();
    },
    heal() {
      for (const link of links.values()) link.cutUntil = 0;
      Object.assign(faults, { loss: 0, twice: 0, reorder: 0, delayMs: 5 });
    },
  };
}

/** A message in a line. */
function brief(message: ToCoordinator | FromCoordinator): string {
  const { type } = message;
  const parts: unknown[] = [type];
  if ('study' in message) parts.push(message.study);
  if ('task' in message) parts.push(message.task);
  if (type === 'assign') parts.push(message.spec.task.id, `from ${message.spec.resumeFrom?.slice(0, 8) ?? 'the beginning'}`);
  if (type === 'heartbeat' && message.running !== undefined)
    parts.push(message.running.task, `#${message.running.attempt}`, `at ${message.running.progress.step}`);
  if ('attempt' in message) parts.push(`#${message.attempt}`);
  if ('step' in message) parts.push(`at ${message.step}`);
  if ('hash' in message) parts.push(message.hash.slice(0, 8));
  if (type === 'failed') parts.push(message.failure.code);
  if (type === 'request') parts.push(message.body.type);
  if (type === 'reply') parts.push(message.body.type, message.body.type === 'error' ? message.body.code : '');
  return parts.join(' ');
}
