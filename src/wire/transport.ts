/** The ports between messages and sockets. Adapters: zmq.ts (ROUTER and DEALER over TCP), loopback.ts (in process, for tests). */
import type { CoordinatorMessage, WorkerMessage } from './messages.ts';

/** The coordinator's end: it hears all workers and answers each by the peer id that the transport gave it. */
export interface CoordinatorTransport {
  /** Where workers connect, with the port that was bound: `tcp://127.0.0.1:40213`. */
  readonly address: string;
  /** Called for each message, in order a peer. A message that cannot be decoded is dropped and reported through `onMalformed`. */
  listen(onMessage: (peer: string, message: WorkerMessage) => void, onMalformed: (peer: string, reason: string) => void): void;
  /** Queued; never blocks. A peer that is gone is not an error: leases take care of it. */
  send(peer: string, message: CoordinatorMessage): void;
  /** Resolves when what was queued is out or the peer is gone. */
  close(): Promise<void>;
}

export interface WorkerTransport {
  listen(onMessage: (message: CoordinatorMessage) => void): void;
  send(message: WorkerMessage): void;
  close(): Promise<void>;
}
