/**
 * What waits for one peer: bounded, and in the order in which it goes out. Three lanes:
 * control messages, in order; the latest heartbeat or hello only, in the place of the last one that still waits, because a newer one says it all; and bulk, the
 * bytes of blobs, which give way to both.
 *
 * Overflow, when the other side does not take things for long: a waiting heartbeat goes first, then the oldest control message, since the protocol
 * repeats what matters until it is acknowledged. Bulk that does not fit is not taken in: who asked for it asks again.
 */
import type { FromCoordinator, ToCoordinator } from './messages.ts';

export type Lane = 'control' | 'latest' | 'bulk';

/** An encoded message. */
export interface Parcel {
  readonly lane: Lane;
  readonly bytes: Uint8Array;
}

export interface QueueLimits {
  /** Control messages and heartbeats that may wait. */
  readonly control: number;
  readonly bulk: number;
  /** Bytes of control messages; one longer message may still wait alone. */
  readonly controlBytes: number;
}

/** Twice the longest message, and more messages than a worker has reason to leave unread. */
export const defaultLimits: QueueLimits = { control: 1_000, bulk: 32, controlBytes: 64 * 2 ** 20 };

export interface Queue {
  push(parcel: Parcel): void;
  /** The parcel to send next. */
  peek(): Parcel | undefined;
  shift(): void;
  /** Puts back what shift() took out and could not be sent. */
  unshift(parcel: Parcel): void;
  clear(): void;
}

export const laneOf = (message: ToCoordinator | FromCoordinator): Lane => {
  if (message.type === 'put' || message.type === 'chunk') return 'bulk';
  // A worker says hello until it is welcomed: to a coordinator that was away, once, or each further one would take what it was just given.
  return message.type === 'heartbeat' || message.type === 'hello' ? 'latest' : 'control';
};

export function createQueue(limits: QueueLimits): Queue {
  const control: Parcel[] = [];
  const bulk: Parcel[] = [];
  let bytes = 0;

  function drop(index: number): void {
    const [dropped] = control.splice(index, 1);
    bytes -= dropped?.bytes.length ?? 0;
  }

  function dropHeartbeat(): boolean {
    const index = control.findIndex(({ lane }) => lane === 'latest');
    if (index >= 0) drop(index);
    return index >= 0;
  }

  return {
    push(parcel) {
      if (parcel.lane === 'bulk') {
        if (bulk.length < limits.bulk) bulk.push(parcel);
        return;
      }
      if (parcel.lane === 'latest') dropHeartbeat();
      const isFull = () => control.length >= limits.control || bytes + parcel.bytes.length > limits.controlBytes;
      while (control.length > 0 && isFull()) if (!dropHeartbeat()) drop(0);
      control.push(parcel);
      bytes += parcel.bytes.length;
    },
    peek: () => control[0] ?? bulk[0],
    shift() {
      if (control.length > 0) drop(0);
      else bulk.shift();
    },
    unshift(parcel) {
      if (parcel.lane === 'bulk') {
        bulk.unshift(parcel);
        return;
      }
      // A newer heartbeat came in between.
      if (parcel.lane === 'latest' && control.some(({ lane }) => lane === 'latest')) return;
      control.unshift(parcel);
      bytes += parcel.bytes.length;
    },
    clear() {
      control.length = 0;
      bulk.length = 0;
      bytes = 0;
    },
  };
}
