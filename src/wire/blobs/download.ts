/**
 * One blob on its way here: selective repeat. A window of chunks is asked for beyond what the sink has taken; those that come early wait for those before them,
 * those that come twice are not looked at.
 */
import type { BlobAnswer } from '../messages.ts';
import { createPatience, gone, refusal, type Port, type Transfer } from './transfer.ts';

export interface BlobSink {
  /** Told the blob's size, answers from which byte on it wants it. */
  begin(total: number): Promise<number>;
  append(bytes: Uint8Array): Promise<void>;
}

export function startDownload(hash: string, sink: BlobSink, { send, limits, renumber, resolve, reject }: Port): Transfer {
  const { chunkBytes, window } = limits;
  const patience = createPatience(limits);
  /** By offset: what was asked for and is not here yet (undefined), or came early. */
  const chunks = new Map<number, Uint8Array | undefined>();
  let total: number | undefined;
  /** What the sink has, and from where on nothing has been asked for. */
  let taken = 0;
  let asked = 0;
  let number = 0;
  let isTaking = false;
  let isOver = false;

  const ask = (offset: number): void => send({ type: 'fetch', transfer: number, hash, offset, length: chunkBytes });

  function askAhead(): void {
    while (total !== undefined && asked < total && chunks.size < window) {
      chunks.set(asked, undefined);
      ask(asked);
      asked += chunkBytes;
    }
  }

  /** Hands what there is to the sink, in order. One at a time. */
  async function take(): Promise<void> {
    if (isTaking || isOver) return;
    isTaking = true;
    try {
      for (let bytes = chunks.get(taken); bytes !== undefined; bytes = chunks.get(taken)) {
        await sink.append(bytes);
        if (isEnded()) return;
        chunks.delete(taken);
        taken += bytes.length;
        askAhead();
      }
      if (taken === total) end(resolve);
    } catch (error) {
      transfer.fail(error);
    } finally {
      isTaking = false;
    }
  }

  async function open(size: number, first: Uint8Array): Promise<void> {
    total = size;
    isTaking = true;
    try {
      taken = await sink.begin(size);
    } catch (error) {
      transfer.fail(error);
      return;
    } finally {
      isTaking = false;
    }
    if (isOver) return;
    asked = taken;
    if (taken === 0 && size > 0) {
      chunks.set(0, first);
      asked = first.length;
    }
    askAhead();
    await take();
  }

  const isEnded = (): boolean => isOver;

  function end(settle: () => void): void {
    if (isOver) return;
    isOver = true;
    chunks.clear();
    settle();
  }

  const transfer: Transfer = {
    begin() {
      number = renumber(transfer);
      ask(0);
    },
    hear(answer: BlobAnswer) {
      if (isOver || answer.hash !== hash) return;
      if (answer.type === 'refused') {
        transfer.fail(refusal(answer));
        return;
      }
      if (answer.type !== 'chunk') return;
      const { offset, bytes } = answer;
      const whole = Math.min(chunkBytes, answer.total - offset);
      if (bytes.length !== whole) return;
      if (total === undefined) {
        if (offset !== 0) return;
        patience.heard();
        void open(answer.total, bytes);
        return;
      }
      if (answer.total !== total || !chunks.has(offset) || chunks.get(offset) !== undefined) return;
      patience.heard();
      chunks.set(offset, bytes);
      void take();
    },
    tick() {
      // The sink's slowness is not the coordinator's.
      if (isTaking) return;
      const what = patience.tick();
      if (what === 'giveUp') transfer.fail(gone());
      if (what !== 'again') return;
      if (total === undefined) ask(0);
      for (const [offset, bytes] of chunks) if (bytes === undefined) ask(offset);
    },
    fail: (reason) => end(() => reject(reason)),
  };
  return transfer;
}
