/** The ports between messages and sockets. Adapters: zmq.ts (ROUTER and DEALER over TCP, with CURVE off loopback), loopback.ts (in process, for tests). */
import type { FromCoordinator, ToCoordinator } from './messages.ts';

/** The coordinator's end: it hears all workers and clients, and answers each by the peer id that the transport gave it. */
export interface CoordinatorTransport {
  /** Where peers connect, with the port that was bound: `tcp://127.0.0.1:40213`. */
  readonly address: string;
  /** Called for each message, in order a peer, but the bytes of blobs may come later. A message that cannot be decoded is dropped and reported through `onMalformed`. */
  listen(onMessage: (peer: string, message: ToCoordinator) => void, onMalformed: (peer: string, reason: string) => void): void;
  /** Queued, in order a peer (the bytes of blobs give way to all else); never blocks. Each peer's queue is bounded, so that one who does not read costs the others nothing. A peer that is gone is not an error: leases take care of it. */
  send(peer: string, message: FromCoordinator): void;
  /** Resolves when what was queued is out or the peer is gone. */
  close(): Promise<void>;
}

/** A worker's or a client's end. */
export interface PeerTransport {
  /** A message that cannot be decoded (from a newer coordinator, say) is dropped and reported through `onMalformed`. */
  listen(onMessage: (message: FromCoordinator) => void, onMalformed?: (reason: string) => void): void;
  send(message: ToCoordinator): void;
  /** Resolves with why a connection will never come about: WIRE_KEY for a key that the coordinator refuses or a coordinator with another key, WIRE_INSECURE for one side encrypted and the other not. */
  readonly failed: Promise<{ readonly code: 'WIRE_KEY' | 'WIRE_INSECURE'; readonly reason: string }>;
  close(): Promise<void>;
}
