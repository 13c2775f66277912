/**
 * The transports over ZeroMQ: one ROUTER for the coordinator, a DEALER for each worker or client, one message a frame.
 *
 * The ROUTER gives each connection an id, which is the peer id: unique while the ROUTER lives, not beyond (its numbers start anew), and not to
 * be taken over by another connection (no `handover`). A peer that reconnects is a new one; the coordinator asks a worker that it does not
 * know to introduce itself. `mandatory` makes the ROUTER say whether a peer is gone or does not read, so that a message waits in that peer's own
 * queue; leases take care of the rest. A DEALER sends only over a complete connection (`immediate`), so what a worker says while the coordinator is away
 * waits in its outbox. ZMTP heartbeats, sent by DEALERs, find connections that died without a FIN, on both sides.
 */
import { Context, Dealer, Router, type SocketOptions } from 'zeromq';
import { NoisefoldError } from '../base/errors.ts';
import { silentLog, type Log } from '../base/ports.ts';
import {
  decoded,
  decodeFromCoordinator,
  decodeToCoordinator,
  encodeFromCoordinator,
  encodeToCoordinator,
  maxMessageBytes,
} from './codec.ts';
import { setCurveClient, setCurveServer, watchHandshakes } from './curve.ts';
import { createOutbox, type Sent } from './outbox.ts';
import { laneOf } from './queue.ts';
import { addressHint, requireSecure, type CoordinatorSecurity, type PeerSecurity } from './security.ts';
import type { CoordinatorTransport, PeerTransport } from './transport.ts';
import { serveZap } from './zap.ts';

/** How long close() waits for what is queued, and ZeroMQ after it for what it was given. */
const closeMs = 1_000;

const options: SocketOptions<Router & Dealer> = {
  linger: closeMs,
  maxMessageSize: maxMessageBytes,
  heartbeatInterval: 2_000,
  heartbeatTimeout: 6_000,
  heartbeatTimeToLive: 6_000,
  // Messages that libzmq holds for a peer, each way; more wait in our own queues, or in the sender's.
  sendHighWaterMark: 32,
  receiveHighWaterMark: 128,
};

/**
 * The ROUTER sends no heartbeats of its own: each DEALER's says how long the connection may be silent, which ends it here as well. Its own would double them, and libzmq
 * looks through the timers of all connections whenever it cancels one. A peer that is gone before its first is left to TCP.
 */
const silent: SocketOptions<Router> = { heartbeatInterval: 0, tcpKeepalive: 1, tcpKeepaliveIdle: 60 };

/** A peer takes three sockets (its own, and two that tell of handshakes); libzmq's default is enough for 341 in a process, and simulations have more. */
const peerContext = new Context({ maxSockets: 16_384 });

export interface BindOptions {
  /** `tcp://host:port`. To bind: port 0 takes a free one, and host `*` is every interface. */
  readonly address: string;
  /** Default: none, which is for loopback addresses. */
  readonly security?: CoordinatorSecurity;
  readonly log?: Log;
}

export interface ConnectOptions {
  /** `tcp://host:port`. */
  readonly address: string;
  /** Default: none, which is for loopback addresses. */
  readonly security?: PeerSecurity;
  /** Told when the coordinator is out of reach, and when it is back. */
  readonly log?: Log;
}

/** Listens for peers. Throws WIRE_ADDRESS when the address is wrong or taken, WIRE_INSECURE. `send` throws WIRE_MALFORMED. */
export async function bindCoordinator({
  address,
  security = { kind: 'none' },
  log = silentLog,
}: BindOptions): Promise<CoordinatorTransport> {
  requireSecure(address, security);
  const context = new Context();
  const socket = new Router({ ...options, ...silent, context, ipv6: isIpv6(address), mandatory: true, sendTimeout: 0 });
  const zap = security.kind === 'curve' ? await serveZap(context, security.authorised, log) : undefined;
  try {
    if (security.kind === 'curve') setCurveServer(socket, security.keys);
    await socket.bind(address);
  } catch (cause) {
    socket.close();
    zap?.close();
    throw addressError(`cannot listen at ${address}`, cause);
  }
  const outbox = createOutbox({
    send: (peer, bytes) => socket.send([Buffer.from(peer, 'hex'), bytes]).then(() => 'sent', whyNot),
  });
  return {
    address: socket.lastEndpoint ?? address,
    listen(onMessage, onMalformed) {
      void receive(socket, (frames) => {
        const [peer, bytes] = frames;
        if (!peer) return;
        const id = peer.toString('hex');
        if (!bytes || frames.length !== 2) {
          onMalformed(id, `a message of ${frames.length - 1} frames instead of one`);
          return;
        }
        const message = decoded(decodeToCoordinator, bytes);
        if (message instanceof NoisefoldError) onMalformed(id, message.message);
        else onMessage(id, message);
      });
    },
    send: (peer, message) => outbox.push(peer, { lane: laneOf(message), bytes: encodeFromCoordinator(message) }),
    async close() {
      await outbox.close(closeMs);
      socket.close();
      zap?.close();
    },
  };
}

/**
 * Connects to a coordinator, now or whenever it is there, again and again. Throws WIRE_ADDRESS, WIRE_INSECURE. `send` throws WIRE_MALFORMED.
 */
export function connectPeer({ address, security = { kind: 'none' }, log = silentLog }: ConnectOptions): PeerTransport {
  requireSecure(address, security);
  const socket = new Dealer({
    ...options,
    context: peerContext,
    ipv6: isIpv6(address),
    immediate: true,
    reconnectInterval: 100,
    reconnectMaxInterval: 2_000,
  });
  let failed: PeerTransport['failed'];
  try {
    if (security.kind === 'curve') setCurveClient(socket, security);
    failed = watchHandshakes(socket, address, security.kind);
    tellOfConnection(socket, address, log);
    socket.connect(address);
  } catch (cause) {
    socket.close();
    throw addressError(`cannot connect to ${address}`, cause);
  }
  const outbox = createOutbox({
    // One that fails is lost and nothing else: the protocol repeats what matters.
    send: (_coordinator, bytes) =>
      socket.send(bytes).then(
        () => 'sent',
        () => 'sent',
      ),
  });
  return {
    failed,
    listen(onMessage, onMalformed) {
      void receive(socket, ([bytes]) => {
        const message = bytes ? decoded(decodeFromCoordinator, bytes) : undefined;
        if (message instanceof NoisefoldError) onMalformed?.(message.message);
        else if (message) onMessage(message);
      });
    },
    send: (message) => outbox.push('coordinator', { lane: laneOf(message), bytes: encodeToCoordinator(message) }),
    async close() {
      await outbox.close(closeMs);
      socket.close();
    },
  };
}

function tellOfConnection({ events }: Dealer, address: string, log: Log): void {
  let state: 'new' | 'connected' | 'lost' = 'new';
  events.on('handshake', () => {
    if (state === 'lost') log.log('info', 'the coordinator is in reach again', { address });
    state = 'connected';
  });
  events.on('disconnect', () => {
    if (state === 'connected')
      log.log('warn', 'the coordinator is out of reach: what runs goes on, and it is tried again', { address });
    if (state === 'connected') state = 'lost';
  });
}

/** Ends when the socket is closed. */
async function receive(socket: Router | Dealer, onFrames: (frames: readonly Buffer[]) => void): Promise<void> {
  try {
    for await (const frames of socket) onFrames(frames);
  } catch (error) {
    // zeromq ends the loop of a socket that was closed while it waited, but fails that of one that was closed while it read (ENOTSOCK).
    if (!socket.closed) throw error;
  }
}

const whyNot = (error: unknown): Sent => (error instanceof Error && 'code' in error && error.code === 'EAGAIN' ? 'full' : 'gone');

const isIpv6 = (address: string): boolean => address.includes('[');

function addressError(what: string, cause: unknown): NoisefoldError {
  if (cause instanceof NoisefoldError) return cause;
  return new NoisefoldError('WIRE_ADDRESS', `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    hint: addressHint,
    cause,
  });
}
