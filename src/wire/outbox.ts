/**
 * One writer for a socket whose sends must not overlap (zeromq: EBUSY). Items go out one after another; a send that fails loses its item
 * and nothing else, since the protocol repeats what matters until it is acknowledged.
 *
 * Overflow, when the other side does not take items for long: a newer heartbeat takes the place of the one that still waits, because only
 * the latest says anything; when the queue is full, a waiting heartbeat goes first, then the oldest item.
 */
export interface OutboxOptions<T> {
  /** Resolves when the item is handed over. */
  readonly send: (item: T) => Promise<void>;
  /** Items that may wait. */
  readonly capacity: number;
  readonly isHeartbeat: (item: T) => boolean;
}

export interface Outbox<T> {
  /** Queues an item; never blocks and never throws. */
  push(item: T): void;
  /** Resolves when nothing waits and nothing is being sent, or after so many milliseconds; nothing is accepted any more. */
  close(withinMs: number): Promise<void>;
}

export function createOutbox<T>({ send, capacity, isHeartbeat }: OutboxOptions<T>): Outbox<T> {
  const waiting: T[] = [];
  let writer: Promise<void> | undefined;
  let closed = false;

  async function write(): Promise<void> {
    // The first send, too, starts after push() has returned, so that it cannot throw into it.
    await Promise.resolve();
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) {
      try {
        await send(item);
      } catch {
        // Lost, like a message to a peer that just died.
      }
    }
    writer = undefined;
  }

  function dropWaitingHeartbeat(): boolean {
    const index = waiting.findIndex(isHeartbeat);
    if (index >= 0) waiting.splice(index, 1);
    return index >= 0;
  }

  return {
    push(item) {
      if (closed) return;
      if (isHeartbeat(item)) dropWaitingHeartbeat();
      if (waiting.length >= capacity && !dropWaitingHeartbeat()) waiting.shift();
      waiting.push(item);
      writer ??= write();
    },
    async close(withinMs) {
      closed = true;
      if (!writer) return;
      let timer: NodeJS.Timeout | undefined;
      const timeout = new Promise<void>((resolve) => (timer = setTimeout(resolve, withinMs)));
      await Promise.race([writer, timeout]);
      clearTimeout(timer);
      waiting.length = 0;
    },
  };
}
