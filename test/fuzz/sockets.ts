/**
 * Random and damaged frames at both sides' real sockets: a stranger's DEALER at the coordinator (plain and encrypted), a false coordinator's ROUTER at a peer, and
 * bytes that are no ZMTP at all at the coordinator's port, from handshakes cut in their middle to frames that announce 2^63 bytes.
 *
 * Held: nothing crashes; every frame is heard as a message or reported as malformed, and nothing else is heard; well-behaved peers are served all the
 * time; memory does not grow.
 */
import { connect } from 'node:net';
import fc from 'fast-check';
import { Dealer, Router } from 'zeromq';
import { encodeFromCoordinator, encodeToCoordinator } from '../../src/wire/codec.ts';
import { makeKeyPair } from '../../src/wire/keys.ts';
import type { CoordinatorSecurity, PeerSecurity } from '../../src/wire/security.ts';
import { setCurveClient } from '../../src/wire/curve.ts';
import { bindCoordinator, connectPeer } from '../../src/wire/zmq.ts';
import { fromCoordinator, toCoordinator } from '../wire/messages.ts';
import { mutated, seeded } from './mutate.ts';

export interface SocketFindings {
  readonly counts: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

const maxLength = 4_096;
const perRound = 300;
/** Resident memory may grow so much, in bytes, while it runs: caches, and the garbage that waits. */
const maxGrowth = 256 * 2 ** 20;

export async function fuzzSockets(seconds: number, seed: number): Promise<SocketFindings> {
  const random = seeded(seed);
  const up = fc.sample(toCoordinator, { numRuns: 200, seed }).map(encodeToCoordinator);
  const down = fc.sample(fromCoordinator, { numRuns: 200, seed }).map(encodeFromCoordinator);
  const pick = (frames: readonly Uint8Array[]): Uint8Array => frames[Math.floor(random() * frames.length)] ?? new Uint8Array(0);
  const damaged = (frames: readonly Uint8Array[]): Uint8Array =>
    random() < 0.1
      ? Uint8Array.from({ length: Math.floor(random() * 64) }, () => Math.floor(random() * 256))
      : mutated(pick(frames), pick(frames), random, maxLength);

  const counts = { frames: 0, heard: 0, malformed: 0, answers: 0, rawConnections: 0, rounds: 0, growthMiB: 0 };
  const failures: string[] = [];
  const [own, peers] = [makeKeyPair(), makeKeyPair()];
  const securities: readonly (readonly [CoordinatorSecurity, PeerSecurity])[] = [
    [{ kind: 'none' }, { kind: 'none' }],
    [
      { kind: 'curve', keys: own, authorised: (key) => (key === peers.public ? 'peer' : undefined) },
      { kind: 'curve', keys: peers, coordinator: own.public },
    ],
  ];

  async function until(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!condition()) {
      if (performance.now() > deadline) {
        failures.push(`still waiting: ${what}`);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  /** A stranger's frames at a coordinator that serves a good peer meanwhile. */
  async function atCoordinator([security, peerSecurity]: readonly [CoordinatorSecurity, PeerSecurity]): Promise<void> {
    const coordinator = await bindCoordinator({ address: 'tcp://127.0.0.1:0', security });
    const [sent, got] = [{ frames: 0 }, { heard: 0, malformed: 0, good: 0 }];
    coordinator.listen(
      (peer, message) => {
        if (message.type === 'request' && message.request === 4_000_000_000) {
          got.good++;
          coordinator.send(peer, { type: 'probe' });
        } else got.heard++;
      },
      () => got.malformed++,
    );
    const good = connectPeer({ address: coordinator.address, security: peerSecurity });
    let answers = 0;
    good.listen((message) => message.type === 'probe' && answers++);
    const stranger = new Dealer({ linger: 0 });
    if (peerSecurity.kind === 'curve') setCurveClient(stranger, peerSecurity);
    stranger.connect(coordinator.address);
    for (let n = 0; n < perRound; n++) {
      const frame = damaged(up);
      // Two parts are no message either.
      await stranger.send(random() < 0.05 ? [frame, 'more'] : frame);
      sent.frames++;
      if (n % 10 === 0) good.send({ type: 'request', request: 4_000_000_000, protocol: 2, body: { type: 'list' } });
      if (n % 20 === 0) await raw(coordinator.address);
    }
    await until(
      () => got.heard + got.malformed >= sent.frames,
      `${sent.frames} frames, ${got.heard} heard, ${got.malformed} malformed`,
    );
    await until(() => answers >= perRound / 10, 'the good peer’s answers');
    // Unencrypted, the bytes of a raw connection may happen to be a handshake (of ZMTP 1.0, which is next to nothing) and a frame.
    if (security.kind === 'curve' && got.heard + got.malformed > sent.frames)
      failures.push('a coordinator with keys heard somebody without');
    counts.frames += sent.frames;
    counts.heard += got.heard;
    counts.malformed += got.malformed;
    counts.answers += answers;
    stranger.close();
    await good.close();
    await coordinator.close();
  }

  /** Bytes at the port that are no ZeroMQ's, or only at the beginning. */
  async function raw(address: string): Promise<void> {
    counts.rawConnections++;
    const port = Number(address.split(':').at(-1));
    const greeting = Buffer.alloc(64);
    greeting.set([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1]);
    greeting.write(random() < 0.5 ? 'CURVE' : 'NULL', 12);
    const tail = random() < 0.3 ? Buffer.from([0x02, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]) : Buffer.from(damaged(up));
    const bytes = mutated(Buffer.concat([greeting.subarray(0, Math.floor(random() * 65)), tail]), greeting, random, 1_000);
    await new Promise<void>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port }, () => socket.end(bytes));
      socket.setTimeout(50, () => socket.destroy());
      socket.on('error', () => {});
      socket.on('data', () => {});
      socket.on('close', () => resolve());
    });
  }

  /** A false coordinator's frames at a peer. */
  async function atPeer(): Promise<void> {
    const router = new Router({ linger: 0, sendHighWaterMark: 0 });
    await router.bind('tcp://127.0.0.1:0');
    const peer = connectPeer({ address: router.lastEndpoint ?? '' });
    const got = { heard: 0, malformed: 0 };
    peer.listen(
      () => got.heard++,
      () => got.malformed++,
    );
    peer.send({ type: 'goodbye' });
    const [id] = await router.receive();
    for (let n = 0; n < perRound; n++) await router.send([id ?? '', damaged(down)]);
    await until(
      () => got.heard + got.malformed === perRound,
      `${perRound} frames at the peer, ${got.heard} heard, ${got.malformed} malformed`,
    );
    counts.frames += perRound;
    counts.heard += got.heard;
    counts.malformed += got.malformed;
    router.close();
    await peer.close();
  }

  const end = performance.now() + seconds * 1_000;
  let baseline = 0;
  do {
    for (const pair of securities) await atCoordinator(pair);
    await atPeer();
    counts.rounds++;
    // The first rounds fill caches.
    if (counts.rounds === 5) baseline = process.memoryUsage().rss;
    if (baseline > 0) counts.growthMiB = Math.max(counts.growthMiB, Math.round((process.memoryUsage().rss - baseline) / 2 ** 20));
    if (counts.growthMiB * 2 ** 20 > maxGrowth) failures.push(`memory grew by ${counts.growthMiB} MiB`);
  } while (performance.now() < end && failures.length === 0);
  return { counts, failures };
}
