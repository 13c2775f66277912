/** What downloads and uploads have in common. */
import { errorCodes, NoisefoldError, type ErrorCode } from '../../base/errors.ts';
import { maxChunkBytes } from '../fields.ts';
import type { BlobAnswer, BlobMessage } from '../messages.ts';

export interface TransferLimits {
  /** Bytes a chunk, at most 256 KiB. */
  readonly chunkBytes: number;
  /** Chunks on their way. */
  readonly window: number;
  readonly tickMs: number;
  /** Silence after which what is not answered is said again; doubled each time, up to `lastAgainMs`. */
  readonly againMs: number;
  readonly lastAgainMs: number;
  /** Silence after which a transfer gives up with WIRE_UNREACHABLE. Default: never, since a worker waits for its coordinator. */
  readonly patienceMs: number;
}

export const limitsOf = (given: Partial<TransferLimits> = {}): TransferLimits => ({
  chunkBytes: maxChunkBytes,
  window: 8,
  tickMs: 250,
  againMs: 1_000,
  lastAgainMs: 15_000,
  patienceMs: Infinity,
  ...given,
});

/** In bytes. */
export interface Progress {
  readonly received: number;
  readonly total: number;
}

/** What a transfer has of the client that runs it. */
export interface Port {
  readonly send: (message: BlobMessage) => void;
  readonly limits: TransferLimits;
  /** A new number for the transfer; answers to older ones are not heard any more. */
  readonly renumber: (transfer: Transfer) => number;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

export interface Transfer {
  begin(): void;
  hear(answer: BlobAnswer): void;
  tick(): void;
  /** Ends it, if it has not ended. */
  fail(reason: unknown): void;
}

/** When to say it again, in silence: counts ticks, so it needs no clock. */
export function createPatience({ tickMs, againMs, lastAgainMs, patienceMs }: TransferLimits) {
  let silentMs = 0;
  let sinceMs = 0;
  let waitMs = againMs;
  return {
    /** Something came. */
    heard(): void {
      silentMs = 0;
      sinceMs = 0;
      waitMs = againMs;
    },
    tick(): 'wait' | 'again' | 'giveUp' {
      silentMs += tickMs;
      sinceMs += tickMs;
      if (silentMs >= patienceMs) return 'giveUp';
      if (sinceMs < waitMs) return 'wait';
      sinceMs = 0;
      waitMs = Math.min(2 * waitMs, lastAgainMs);
      return 'again';
    },
  };
}

export const gone = (): NoisefoldError => new NoisefoldError('WIRE_UNREACHABLE', 'the coordinator does not answer');

/** The coordinator's own error; a code that this version does not know is kept in the message. */
export function refusal({ code, reason }: Extract<BlobAnswer, { type: 'refused' }>): NoisefoldError {
  return code in errorCodes
    ? new NoisefoldError(code as ErrorCode, reason)
    : new NoisefoldError('WORKER_REFUSED', `${code}: ${reason}`);
}
