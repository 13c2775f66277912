/**
 * What waits for the end of the turn. Messages that name blobs wait before that, until it is known whether the artifact store has those; what their
 * sender says afterwards waits behind them, so that each sender is heard in order.
 *
 * Everything is bounded. A heartbeat replaces the sender's one before it; what finds no room is dropped, since workers and clients repeat themselves.
 */
import type { Event } from '../scheduler/types.ts';
import type { ClientRequest } from '../wire/messages.ts';

export type Item =
  | {
      readonly type: 'event';
      readonly event: Event;
      readonly peer: string | undefined;
      readonly arrivedMs: number;
      readonly release?: () => void;
    }
  | {
      readonly type: 'request';
      readonly peer: string;
      readonly request: number;
      readonly body: ClientRequest;
      readonly arrivedMs: number;
      readonly release?: () => void;
    };

export interface InboxOptions {
  /** Messages of all senders. */
  readonly capacity: number;
  /** Messages of one sender that may wait for blobs. */
  readonly capacityOfPeer: number;
  /** Keeps a blob until the returned function is called. */
  readonly hold: (hash: string) => () => void;
  readonly has: (hash: string) => Promise<boolean>;
  /** Called when the first item has come. */
  readonly onFirst: () => void;
  readonly onMissing: (item: Item, hash: string) => void;
  readonly onDropped: (item: Item) => void;
}

export interface Inbox {
  /** @param hashes of the blobs that the item names; they are held until the item is released */
  push(item: Item, hashes?: readonly string[]): void;
  take(): Item[];
  /** How many wait for the end of the turn, and for blobs. */
  lengths(): { readonly turn: number; readonly blobs: number };
}

const isHeartbeat = (item: Item | undefined): boolean => item?.type === 'event' && item.event.type === 'heartbeat';

interface Line {
  readonly waiting: { readonly item: Item; readonly hashes: readonly string[] }[];
}

export function createInbox(options: InboxOptions): Inbox {
  const { capacity, capacityOfPeer, hold, has, onFirst, onMissing, onDropped } = options;
  let items: Item[] = [];
  /** Where in `items` each sender's latest is. */
  let latest = new Map<string, number>();
  const lines = new Map<string, Line>();
  let inLines = 0;

  function enter(item: Item): void {
    const { peer } = item;
    const before = peer === undefined ? undefined : latest.get(peer);
    if (before !== undefined && isHeartbeat(item) && isHeartbeat(items[before])) {
      items[before] = item;
      return;
    }
    if (items.length >= capacity) {
      item.release?.();
      onDropped(item);
      return;
    }
    if (peer !== undefined) latest.set(peer, items.length);
    items.push(item);
    if (items.length === 1) onFirst();
  }

  async function look(peer: string, line: Line): Promise<void> {
    for (let next = line.waiting[0]; next !== undefined; next = line.waiting[0]) {
      const { item, hashes } = next;
      const releases = hashes.map(hold);
      const release = (): void => {
        for (const one of releases) one();
      };
      let missing: string | undefined;
      let unknown = false;
      for (const hash of hashes)
        if (missing === undefined && !unknown)
          try {
            if (!(await has(hash))) missing = hash;
          } catch {
            // The store does not answer: the sender says it again.
            unknown = true;
          }
      line.waiting.shift();
      inLines--;
      if (unknown) {
        release();
        onDropped(item);
      } else if (missing === undefined) enter(hashes.length === 0 ? item : { ...item, release });
      else {
        release();
        onMissing(item, missing);
      }
    }
    lines.delete(peer);
  }

  return {
    push(item, hashes = []) {
      const { peer } = item;
      const line = peer === undefined ? undefined : lines.get(peer);
      if (peer === undefined || (line === undefined && hashes.length === 0)) {
        enter(item);
        return;
      }
      if (line !== undefined) {
        const last = line.waiting.at(-1);
        if (isHeartbeat(item) && isHeartbeat(last?.item)) line.waiting[line.waiting.length - 1] = { item, hashes };
        else if (line.waiting.length >= capacityOfPeer) onDropped(item);
        else {
          line.waiting.push({ item, hashes });
          inLines++;
        }
        return;
      }
      const begun: Line = { waiting: [{ item, hashes }] };
      inLines++;
      lines.set(peer, begun);
      void look(peer, begun);
    },
    take() {
      const taken = items;
      items = [];
      latest = new Map();
      return taken;
    },
    lengths: () => ({ turn: items.length, blobs: inLines }),
  };
}
