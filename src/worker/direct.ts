/**
 * Blobs straight from and to the coordinator's store, for a worker that reaches it (S3): the coordinator then only hears of their names. What the store does not
 * do, or does not have, goes over the wire after all; the coordinator knows best what there is.
 */
import type { ArtifactStore } from '../artifacts/store.ts';
import { NoisefoldError } from '../base/errors.ts';
import type { Log } from '../base/ports.ts';
import type { BlobChannel } from './blobs.ts';

export interface DirectOptions {
  /** The coordinator's own. */
  readonly store: ArtifactStore;
  readonly wire: BlobChannel;
  readonly log: Log;
  /** Bytes a request. */
  readonly pieceBytes?: number;
}

/** What the store threw, so that it is told from what a sink or a source throws. */
interface Trouble {
  readonly trouble: string;
}

export function directBlobs({ store, wire, log, pieceBytes = 8 * 2 ** 20 }: DirectOptions): BlobChannel {
  const asked = <T>(request: Promise<T>): Promise<{ readonly answer: T } | Trouble> =>
    request.then(
      (answer) => ({ answer }),
      (error: unknown) => {
        if (!(error instanceof NoisefoldError)) throw error;
        return { trouble: `${error.code}: ${error.message}` };
      },
    );

  const overTheWire = (hash: string, reason: string): void =>
    log.log('warn', 'the object store does not do it; a blob goes over the wire', { hash, reason });

  return {
    async fetch(hash, sink, signal) {
      const instead = (reason: string): Promise<void> => {
        overTheWire(hash, reason);
        return wire.fetch(hash, sink, signal);
      };
      const size = await asked(store.size(hash));
      if ('trouble' in size) return instead(size.trouble);
      if (size.answer === undefined) return instead('it is not there');
      const total = size.answer;
      let at = await sink.begin(total);
      while (at < total) {
        signal.throwIfAborted();
        const piece = await asked(store.read(hash, at, Math.min(pieceBytes, total - at)));
        if ('trouble' in piece) return instead(piece.trouble);
        if (piece.answer.length === 0) return instead('it is shorter than it was');
        await sink.append(piece.answer);
        at += piece.answer.length;
      }
    },

    async put(hash, source, signal) {
      const instead = (reason: string): Promise<void> => {
        overTheWire(hash, reason);
        return wire.put(hash, source, signal);
      };
      const begun = await asked(store.upload(hash, source.size));
      if ('trouble' in begun) return instead(begun.trouble);
      const upload = begun.answer;
      for (let at = upload.received(); at < source.size; at = upload.received()) {
        signal.throwIfAborted();
        const bytes = await source.read(at, Math.min(pieceBytes, source.size - at));
        const appended = await asked(upload.append(bytes));
        if ('trouble' in appended) return instead(appended.trouble);
      }
      signal.throwIfAborted();
      const finished = await asked(upload.finish());
      if ('trouble' in finished) return instead(finished.trouble);
    },
  };
}
