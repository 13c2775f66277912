/**
 * The other end of blobs in chunks, for workers and commands: bytes by their hash over a connection that may break and come back, with the coordinator behind it
 * restarted. A window of chunks is on its way at a time; what is not answered for some time is said again, ever more seldom.
 */
import { asNoisefoldError, NoisefoldError } from '../../base/errors.ts';
import { sha256 } from '../../base/hash.ts';
import type { BlobMessage, FromCoordinator } from '../messages.ts';
import { startDownload, type BlobSink } from './download.ts';
import { gone, limitsOf, type Port, type Progress, type Transfer, type TransferLimits } from './transfer.ts';
import { startUpload, type BlobSource } from './upload.ts';

export interface BlobClientOptions {
  readonly send: (message: BlobMessage) => void;
  /** Calls back every so many milliseconds until the returned function is called. */
  readonly every?: (ms: number, callback: () => void) => () => void;
  readonly limits?: Partial<TransferLimits>;
}

export interface BlobClient {
  /** To be told of everything that the coordinator says; it takes what is about blobs. */
  hear(message: FromCoordinator): void;
  /**
   * Hands over a blob's bytes in order, one chunk after the other; the next one is not asked for before this one is taken. Whether they are the right ones is
   * for the sink to see.
   * Throws ARTIFACT_NOT_FOUND, ARTIFACT_CORRUPT, WIRE_UNREACHABLE after `patienceMs` of silence, what the sink throws, and the signal's reason.
   */
  fetch(hash: string, sink: BlobSink, signal?: AbortSignal): Promise<void>;
  /** The verified bytes, in memory. Throws as fetch does. */
  get(hash: string, onProgress?: (progress: Progress) => void, signal?: AbortSignal): Promise<Uint8Array>;
  /**
   * Resolves when the coordinator has the blob, verified and durable. `source` must not change meanwhile.
   * Throws what it is refused with (DISK_FULL, ARTIFACT_CORRUPT, ...), WIRE_UNREACHABLE, and the signal's reason.
   */
  put(
    hash: string,
    source: Uint8Array | BlobSource,
    signal?: AbortSignal,
    onProgress?: (progress: Progress) => void,
  ): Promise<void>;
  /** Ends all that is under way with WIRE_UNREACHABLE. */
  close(): void;
}

const setTimer = (ms: number, callback: () => void): (() => void) => {
  const timer = setInterval(callback, ms);
  return () => clearInterval(timer);
};

export function createBlobClient({ send, every = setTimer, limits: given }: BlobClientOptions): BlobClient {
  const limits = limitsOf(given);
  const transfers = new Map<number, Transfer>();
  let numbers = 0;
  let stopTicks: (() => void) | undefined;
  let closed = false;

  /** Runs a transfer to its end: gives it numbers, answers, ticks, and the signal. */
  function run(start: (port: Port) => Transfer, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw signal.reason as Error;
      if (closed) throw gone();
      let number = 0;
      const end = (settle: () => void): void => {
        transfers.delete(number);
        signal?.removeEventListener('abort', onAbort);
        if (transfers.size === 0) {
          stopTicks?.();
          stopTicks = undefined;
        }
        settle();
      };
      const onAbort = (): void => transfer.fail(signal?.reason);
      const transfer = start({
        send,
        limits,
        renumber(of) {
          transfers.delete(number);
          number = numbers = (numbers + 1) >>> 0;
          transfers.set(number, of);
          return number;
        },
        resolve: () => end(resolve),
        reject: (reason) => end(() => reject(reason instanceof Error ? reason : asNoisefoldError(reason))),
      });
      signal?.addEventListener('abort', onAbort);
      stopTicks ??= every(limits.tickMs, () => {
        for (const each of [...transfers.values()]) each.tick();
      });
      transfer.begin();
    });
  }

  const fetch: BlobClient['fetch'] = (hash, sink, signal) => run((port) => startDownload(hash, sink, port), signal);

  return {
    hear(message) {
      if (message.type === 'chunk' || message.type === 'stored' || message.type === 'refused')
        transfers.get(message.transfer)?.hear(message);
    },
    fetch,
    async get(hash, onProgress = () => {}, signal) {
      let bytes = new Uint8Array(0);
      let received = 0;
      await fetch(
        hash,
        {
          begin(total) {
            bytes = new Uint8Array(total);
            return Promise.resolve(0);
          },
          append(part) {
            bytes.set(part, received);
            received += part.length;
            onProgress({ received, total: bytes.length });
            return Promise.resolve();
          },
        },
        signal,
      );
      if (sha256(bytes) !== hash)
        throw new NoisefoldError('ARTIFACT_CORRUPT', `${hash} arrived with other bytes than its hash says`);
      return bytes;
    },
    put: (hash, source, signal, onProgress = () => {}) => run((port) => startUpload(hash, source, onProgress, port), signal),
    close() {
      closed = true;
      for (const transfer of [...transfers.values()]) transfer.fail(gone());
    },
  };
}
