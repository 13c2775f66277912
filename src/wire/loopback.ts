/** The transports within one process, for tests: asynchronous, in order, and through the real codec. Faults are asked for message by message. */
import { NoisefoldError } from '../base/errors.ts';
import { decoded, decodeFromCoordinator, decodeToCoordinator, encodeFromCoordinator, encodeToCoordinator } from './codec.ts';
import type { FromCoordinator, ToCoordinator } from './messages.ts';
import type { CoordinatorTransport, PeerTransport } from './transport.ts';

export type LoopbackTraffic =
  | { readonly to: 'coordinator'; readonly peer: string; readonly message: ToCoordinator }
  | { readonly to: 'peer'; readonly peer: string; readonly message: FromCoordinator };

export interface LoopbackOptions {
  /**
   * When each copy of a message arrives, in milliseconds from now: `[0]` (the default) at once, `[]` never, `[0, 0]` twice, `[50]` late. Late
   * messages may be overtaken, as those that a peer repeats over a new connection are.
   */
  readonly deliveries?: (traffic: LoopbackTraffic) => readonly number[];
}

export interface Loopback {
  readonly coordinator: CoordinatorTransport;
  /** A new peer's end; their ids are `01`, `02`, ... in the order of connecting. */
  connect(): PeerTransport;
}

/** `send` throws WIRE_MALFORMED, as over sockets. */
export function createLoopback({ deliveries = () => [0] }: LoopbackOptions = {}): Loopback {
  const coordinator = mailbox<readonly [peer: string, bytes: Uint8Array]>();
  const peers = new Map<string, Mailbox<Uint8Array>>();
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
          const message = decoded(decodeToCoordinator, bytes);
          if (message instanceof NoisefoldError) onMalformed(peer, message.message);
          else onMessage(peer, message);
        });
      },
      send(peer, message) {
        const bytes = encodeFromCoordinator(message);
        if (!coordinator.closed()) deliver({ to: 'peer', peer, message }, () => peers.get(peer)?.put(bytes));
      },
      close() {
        coordinator.close();
        return Promise.resolve();
      },
    },
    connect() {
      const peer = (++connected).toString(16).padStart(2, '0');
      const inbox = mailbox<Uint8Array>();
      peers.set(peer, inbox);
      return {
        // Nothing that it could be refused for.
        failed: new Promise(() => {}),
        listen(onMessage, onMalformed) {
          inbox.open((bytes) => {
            const message = decoded(decodeFromCoordinator, bytes);
            if (message instanceof NoisefoldError) onMalformed?.(message.message);
            else onMessage(message);
          });
        },
        send(message) {
          const bytes = encodeToCoordinator(message);
          if (!inbox.closed()) deliver({ to: 'coordinator', peer, message }, () => coordinator.put([peer, bytes]));
        },
        close() {
          inbox.close();
          peers.delete(peer);
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
