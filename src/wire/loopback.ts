/** The transports within one process, for tests: asynchronous, in order, and through the real codec. Faults are asked for message by message. */
import { NoisefoldError } from '../base/errors.ts';
import { decodeCoordinatorMessage, decodeWorkerMessage, encodeCoordinatorMessage, encodeWorkerMessage } from './codec.ts';
import type { CoordinatorMessage, WorkerMessage } from './messages.ts';
import type { CoordinatorTransport, WorkerTransport } from './transport.ts';

export type LoopbackTraffic =
  | { readonly to: 'coordinator'; readonly peer: string; readonly message: WorkerMessage }
  | { readonly to: 'worker'; readonly peer: string; readonly message: CoordinatorMessage };

export interface LoopbackOptions {
  /**
   * When each copy of a message arrives, in milliseconds from now: `[0]` (the default) at once, `[]` never, `[0, 0]` twice, `[50]` late. Late
   * messages may be overtaken, as those that a peer repeats over a new connection are.
   */
  readonly deliveries?: (traffic: LoopbackTraffic) => readonly number[];
}

export interface Loopback {
  readonly coordinator: CoordinatorTransport;
  /** A new worker's end; its peer ids are `01`, `02`, ... in the order of connecting. */
  connect(): WorkerTransport;
}

/** `send` throws WIRE_MALFORMED, as over sockets. */
export function createLoopback({ deliveries = () => [0] }: LoopbackOptions = {}): Loopback {
  const coordinator = mailbox<readonly [peer: string, bytes: Uint8Array]>();
  const workers = new Map<string, Mailbox<Uint8Array>>();
  let connected = 0;

  function deliver(traffic: LoopbackTraffic, arrive: () => void): void {
    for (const ms of deliveries(traffic)) {
      if (ms > 0) setTimeout(arrive, ms);
      else setImmediate(arrive);
    }
  }

  return {
    coordinator: {
      address: 'loopback',
      listen(onMessage, onMalformed) {
        coordinator.open(([peer, bytes]) => {
          let message: WorkerMessage;
          try {
            message = decodeWorkerMessage(bytes);
          } catch (error) {
            if (!(error instanceof NoisefoldError)) throw error;
            onMalformed(peer, error.message);
            return;
          }
          onMessage(peer, message);
        });
      },
      send(peer, message) {
        const bytes = encodeCoordinatorMessage(message);
        if (!coordinator.closed()) deliver({ to: 'worker', peer, message }, () => workers.get(peer)?.put(bytes));
      },
      close() {
        coordinator.close();
        return Promise.resolve();
      },
    },
    connect() {
      const peer = (++connected).toString(16).padStart(2, '0');
      const inbox = mailbox<Uint8Array>();
      workers.set(peer, inbox);
      return {
        listen: (onMessage) => inbox.open((bytes) => onMessage(decodeCoordinatorMessage(bytes))),
        send(message) {
          const bytes = encodeWorkerMessage(message);
          if (!inbox.closed()) deliver({ to: 'coordinator', peer, message }, () => coordinator.put([peer, bytes]));
        },
        close() {
          inbox.close();
          workers.delete(peer);
          return Promise.resolve();
        },
      };
    },
  };
}

interface Mailbox<T> {
  /** Hands items over; those that came before it, first. */
  open(onItem: (item: T) => void): void;
  put(item: T): void;
  close(): void;
  closed(): boolean;
}

function mailbox<T>(): Mailbox<T> {
  const waiting: T[] = [];
  let listener: ((item: T) => void) | undefined;
  let isClosed = false;
  return {
    open(onItem) {
      listener = onItem;
      // Never from within listen() itself, as over a socket.
      setImmediate(() => {
        for (const item of waiting.splice(0)) if (!isClosed) onItem(item);
      });
    },
    put(item) {
      if (isClosed) return;
      // What waits is older, and goes first.
      if (listener && waiting.length === 0) listener(item);
      else waiting.push(item);
    },
    close: () => void (isClosed = true),
    closed: () => isClosed,
  };
}
