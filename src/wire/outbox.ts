/**
 * One writer for a socket whose sends must not overlap (zeromq: EBUSY), with a queue for each peer. Peers take turns, a message each; one that
 * does not read is passed over and tried again after a wait that doubles, so it costs the others nothing and itself at most its queue.
 */
import { createQueue, defaultLimits, type Parcel, type Queue, type QueueLimits } from './queue.ts';

/** `full`: the peer does not read. `gone`: it is not connected; what waits for it is lost, as on a broken connection. */
export type Sent = 'sent' | 'full' | 'gone';

export interface OutboxOptions {
  /** Hands one message over. One call at a time; a rejection counts as `gone`. */
  readonly send: (peer: string, bytes: Uint8Array) => Promise<Sent>;
  readonly limits?: QueueLimits;
  /** Calls back once after so many milliseconds. */
  readonly after?: (ms: number, callback: () => void) => () => void;
}

export interface Outbox {
  /** Queues a message; never blocks and never throws. */
  push(peer: string, parcel: Parcel): void;
  /** Resolves when nothing waits and nothing is being sent, or after so many milliseconds; nothing is accepted any more. */
  close(withinMs: number): Promise<void>;
  /** Peers for which something waits. */
  waiting(): number;
}

interface Peer {
  readonly queue: Queue;
  waitMs: number;
  /** Stops the wait of a peer that does not read. */
  wait: (() => void) | undefined;
}

const firstWaitMs = 10;
const lastWaitMs = 500;

const setTimer = (ms: number, callback: () => void): (() => void) => {
  const timer = setTimeout(callback, ms);
  return () => clearTimeout(timer);
};

export function createOutbox({ send, limits = defaultLimits, after = setTimer }: OutboxOptions): Outbox {
  const peers = new Map<string, Peer>();
  /** Those whose next message can go out, in turn. */
  const ready = new Set<string>();
  let writing = false;
  let closed = false;
  let onEmpty: () => void = () => {};

  async function write(): Promise<void> {
    // The first send, too, starts after push() has returned, so that it cannot throw into it.
    await Promise.resolve();
    for (let id = first(ready); id !== undefined; id = first(ready)) {
      ready.delete(id);
      const peer = peers.get(id);
      const parcel = peer?.queue.peek();
      if (!peer || !parcel) continue;
      // Taken out first: what is pushed meanwhile may drop messages, but not this one.
      peer.queue.shift();
      let how: Sent = 'gone';
      try {
        how = await send(id, parcel.bytes);
      } catch {
        // Lost, like a message to a peer that just died.
      }
      settle(id, peer, parcel, how);
    }
    writing = false;
    if (peers.size === 0) onEmpty();
  }

  function settle(id: string, peer: Peer, parcel: Parcel, how: Sent): void {
    switch (how) {
      case 'sent':
        peer.waitMs = firstWaitMs;
        if (peer.queue.peek()) ready.add(id);
        else peers.delete(id);
        return;
      case 'gone':
        peer.queue.clear();
        peers.delete(id);
        return;
      case 'full':
        ready.delete(id);
        peer.queue.unshift(parcel);
        peer.wait = after(peer.waitMs, () => {
          peer.wait = undefined;
          wake(id);
        });
        peer.waitMs = Math.min(2 * peer.waitMs, lastWaitMs);
        return;
      default:
        how satisfies never;
    }
  }

  function wake(id: string): void {
    ready.add(id);
    if (writing) return;
    writing = true;
    void write();
  }

  return {
    push(id, parcel) {
      if (closed) return;
      let peer = peers.get(id);
      if (!peer) peers.set(id, (peer = { queue: createQueue(limits), waitMs: firstWaitMs, wait: undefined }));
      peer.queue.push(parcel);
      if (!peer.wait) wake(id);
    },
    async close(withinMs) {
      closed = true;
      if (peers.size > 0) {
        await new Promise<void>((resolve) => {
          const stop = after(withinMs, resolve);
          onEmpty = () => {
            stop();
            resolve();
          };
        });
      }
      for (const peer of peers.values()) peer.wait?.();
      peers.clear();
      ready.clear();
    },
    waiting: () => peers.size,
  };
}

const first = (ids: ReadonlySet<string>): string | undefined => {
  for (const id of ids) return id;
  return undefined;
};
