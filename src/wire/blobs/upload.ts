/**
 * One blob on its way to the coordinator: go-back-N. It begins by asking how much is there, sends a window of chunks beyond what is acknowledged, and after
 * silence asks again and goes on from the answer, under a new number, so that late answers to the old one do not confuse it.
 */
import type { BlobAnswer } from '../messages.ts';
import { createPatience, gone, refusal, type Port, type Progress, type Transfer } from './transfer.ts';

/** Bytes that need not be in memory all at once. */
export interface BlobSource {
  readonly size: number;
  /** Exactly so many bytes. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** So often the coordinator may find other bytes than the hash says, before it is these that are wrong. */
const maxCorruptions = 3;

const sourceOf = (bytes: Uint8Array): BlobSource => ({
  size: bytes.length,
  read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
});

export function startUpload(
  hash: string,
  given: Uint8Array | BlobSource,
  onProgress: (progress: Progress) => void,
  { send, limits, renumber, resolve, reject }: Port,
): Transfer {
  const source = given instanceof Uint8Array ? sourceOf(given) : given;
  const { chunkBytes, window } = limits;
  const patience = createPatience(limits);
  const total = source.size;
  let number = 0;
  /** Undefined until the coordinator has said how much it has. */
  let acknowledged: number | undefined;
  let sent = 0;
  let corruptions = 0;
  let isSending = false;
  let isOver = false;

  const none = new Uint8Array(0);
  const isCurrent = (mine: number): boolean => !isOver && mine === number;

  function query(): void {
    number = renumber(transfer);
    acknowledged = undefined;
    send({ type: 'put', transfer: number, hash, offset: 0, total, bytes: none });
  }

  /** Fills the window. One at a time. */
  async function sendAhead(): Promise<void> {
    if (isSending) return;
    isSending = true;
    try {
      while (!isOver && acknowledged !== undefined && sent < total && sent < acknowledged + window * chunkBytes) {
        const mine = number;
        const offset = sent;
        const bytes = await source.read(offset, Math.min(chunkBytes, total - offset));
        // Asked anew meanwhile: it may go on from somewhere else.
        if (!isCurrent(mine)) continue;
        send({ type: 'put', transfer: number, hash, offset, total, bytes });
        sent = offset + bytes.length;
      }
    } catch (error) {
      transfer.fail(error);
    } finally {
      isSending = false;
    }
  }

  function end(settle: () => void): void {
    if (isOver) return;
    isOver = true;
    settle();
  }

  const transfer: Transfer = {
    begin: query,
    hear(answer: BlobAnswer) {
      if (isOver || answer.hash !== hash) return;
      if (answer.type === 'refused') {
        // What the coordinator had kept of it was damaged, and is forgotten now.
        if (answer.code === 'ARTIFACT_CORRUPT' && ++corruptions < maxCorruptions) query();
        else transfer.fail(refusal(answer));
        return;
      }
      if (answer.type !== 'stored') return;
      if (answer.complete) {
        onProgress({ received: total, total });
        end(resolve);
        return;
      }
      const received = Math.min(answer.received, total);
      if (acknowledged === undefined) sent = received;
      // A late answer, or one to a chunk after a lost one.
      else if (received <= acknowledged) return;
      patience.heard();
      acknowledged = received;
      sent = Math.max(sent, received);
      onProgress({ received, total });
      void sendAhead();
    },
    tick() {
      if (isSending) return;
      const what = patience.tick();
      if (what === 'giveUp') transfer.fail(gone());
      else if (what === 'again') query();
    },
    fail: (reason) => end(() => reject(reason)),
  };
  return transfer;
}
