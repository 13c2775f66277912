/**
 * The transports over ZeroMQ: one ROUTER for the coordinator, a DEALER for each worker, one message a frame.
 *
 * The ROUTER gives each connection an id, which is the peer id: unique while the ROUTER lives, not beyond (its numbers start anew), and not to
 * be taken over by another connection (no `handover`). A worker that reconnects is a new peer; the coordinator asks a peer that it does not
 * know to introduce itself. ROUTER sends never block: what is for a peer that is gone or does not read is dropped, and leases take care of
 * it. A DEALER sends only over a complete connection (`immediate`), so what a worker says while the coordinator is away waits in its outbox.
 * ZMTP heartbeats find connections that died without a FIN.
 */
import { Dealer, Router, type SocketOptions } from 'zeromq';
import { NoisefoldError } from '../base/errors.ts';
import {
  decodeCoordinatorMessage,
  decodeWorkerMessage,
  encodeCoordinatorMessage,
  encodeWorkerMessage,
  maxMessageBytes,
} from './codec.ts';
import { createOutbox } from './outbox.ts';
import type { CoordinatorTransport, WorkerTransport } from './transport.ts';

/** How long close() waits for what is queued, and ZeroMQ after it for what it was given. */
const closeMs = 1_000;

const options: SocketOptions<Router & Dealer> = {
  linger: closeMs,
  maxMessageSize: maxMessageBytes,
  heartbeatInterval: 2_000,
  heartbeatTimeout: 6_000,
  heartbeatTimeToLive: 6_000,
};

/** Messages that may wait in an outbox. */
const capacity = 1_000;

export interface AddressOptions {
  /** `tcp://host:port`. To bind: port 0 takes a free one, and host `*` is every interface. */
  readonly address: string;
}

/** Listens for workers. Throws WIRE_ADDRESS when the address is wrong or taken. `send` throws WIRE_MALFORMED. */
export async function bindCoordinator({ address }: AddressOptions): Promise<CoordinatorTransport> {
  const socket = new Router({ ...options, ipv6: isIpv6(address) });
  try {
    await socket.bind(address);
  } catch (cause) {
    socket.close();
    throw addressError(`cannot listen at ${address}`, cause);
  }
  const outbox = createOutbox<readonly [peer: Buffer, bytes: Uint8Array]>({
    send: ([peer, bytes]) => socket.send([peer, bytes]),
    capacity,
    isHeartbeat: () => false,
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
        const message = decoded(decodeWorkerMessage, bytes);
        if (message instanceof NoisefoldError) {
          onMalformed(id, message.message);
          return;
        }
        onMessage(id, message);
      });
    },
    send: (peer, message) => outbox.push([Buffer.from(peer, 'hex'), encodeCoordinatorMessage(message)]),
    async close() {
      await outbox.close(closeMs);
      socket.close();
    },
  };
}

/**
 * Connects to a coordinator, now or whenever it is there, again and again. Messages that cannot be decoded are dropped: the coordinator
 * hands a task whose assignment was lost to another attempt. Throws WIRE_ADDRESS. `send` throws WIRE_MALFORMED.
 */
export function connectWorker({ address }: AddressOptions): WorkerTransport {
  const socket = new Dealer({
    ...options,
    ipv6: isIpv6(address),
    immediate: true,
    reconnectInterval: 100,
    reconnectMaxInterval: 2_000,
  });
  try {
    socket.connect(address);
  } catch (cause) {
    socket.close();
    throw addressError(`cannot connect to ${address}`, cause);
  }
  const outbox = createOutbox<{ readonly bytes: Uint8Array; readonly heartbeat: boolean }>({
    send: ({ bytes }) => socket.send(bytes),
    capacity,
    isHeartbeat: ({ heartbeat }) => heartbeat,
  });
  return {
    listen(onMessage) {
      void receive(socket, ([bytes]) => {
        const message = bytes ? decoded(decodeCoordinatorMessage, bytes) : undefined;
        if (message && !(message instanceof NoisefoldError)) onMessage(message);
      });
    },
    send: (message) => outbox.push({ bytes: encodeWorkerMessage(message), heartbeat: message.type === 'heartbeat' }),
    async close() {
      await outbox.close(closeMs);
      socket.close();
    },
  };
}

/** Ends when the socket is closed. */
async function receive(socket: Router | Dealer, onFrames: (frames: readonly Buffer[]) => void): Promise<void> {
  for await (const frames of socket) onFrames(frames);
}

/** The message, or why there is none. */
function decoded<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | NoisefoldError {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof NoisefoldError) return error;
    throw error;
  }
}

const isIpv6 = (address: string): boolean => address.includes('[');

function addressError(what: string, cause: unknown): NoisefoldError {
  return new NoisefoldError('WIRE_ADDRESS', `${what}: ${cause instanceof Error ? cause.message : String(cause)}`, {
    hint: 'Addresses are tcp://host:port; the port must be free on the coordinator.',
    cause,
  });
}
