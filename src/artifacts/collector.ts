/**
 * Garbage collection of blobs that cannot delete what is referred to, while blobs keep coming.
 *
 * Mark: what rows refer to (asked for each blob at the moment of its deletion, not beforehand), what is held, and what an operation is at work on.
 * Sweep: the others, once they have been seen without a reference for `graceMs`; a put starts that time anew, since its reference follows it.
 * Deletions take time: an operation on a blob that is being deleted waits, and then finds it gone, never half gone. So one who asks for a blob's
 * size while holding it, and is told, has it until he lets go.
 *
 * Other processes may put into the same store unseen. A blob of theirs that was there before, unreferred to for long, may be deleted between their
 * put and their saying so; whoever is told then looks (under a hold) and asks for it again.
 */
import { sha256 } from '../base/hash.ts';
import type { Clock } from '../base/ports.ts';
import type { ArtifactStore } from './store.ts';

export interface Collector {
  /** The store, guarded. Everyone in this process is to use it instead of the one behind. */
  readonly artifacts: ArtifactStore;
  /** Keeps the blob until the returned function is called. */
  hold(hash: string): () => void;
  /** Deletes what has long been without reference. Resolves to the number of deleted blobs. */
  collect(isReferred: (hash: string) => boolean): Promise<number>;
  /** Deletes a blob whose last reference has just gone, if so; without grace. Resolves to whether it did. */
  discard(hash: string, isReferred: (hash: string) => boolean): Promise<boolean>;
}

export interface CollectorOptions {
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  /** Longer than a worker takes from a blob's last chunk to saying what it is for. */
  readonly graceMs: number;
}

export function createCollector({ artifacts: store, clock, graceMs }: CollectorOptions): Collector {
  const holds = new Map<string, number>();
  const deletions = new Map<string, Promise<void>>();
  /** Since when a blob has been known to be without reference. */
  const idleSince = new Map<string, number>();

  function hold(hash: string): () => void {
    holds.set(hash, (holds.get(hash) ?? 0) + 1);
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const left = (holds.get(hash) ?? 1) - 1;
      if (left > 0) holds.set(hash, left);
      else holds.delete(hash);
    };
  }

  /** Runs an operation on a blob: after a deletion of it that is under way, and with none beginning meanwhile. */
  async function guarded<T>(hash: string, operation: () => Promise<T>): Promise<T> {
    const release = hold(hash);
    try {
      // Held already: no other deletion can begin after this one.
      await deletions.get(hash);
      return await operation();
    } finally {
      release();
    }
  }

  async function deleted(hash: string, isReferred: (hash: string) => boolean): Promise<boolean> {
    if (holds.has(hash) || deletions.has(hash) || isReferred(hash)) return false;
    const deletion = store.delete(hash);
    // Those who wait go on when it fails, too: the blob is whole, or gone.
    deletions.set(
      hash,
      deletion.catch(() => {}),
    );
    try {
      await deletion;
      idleSince.delete(hash);
      return true;
    } finally {
      deletions.delete(hash);
    }
  }

  return {
    hold,
    artifacts: {
      put(bytes) {
        const hash = sha256(bytes);
        return guarded(hash, async () => {
          await store.put(bytes);
          idleSince.delete(hash);
          return hash;
        });
      },
      async upload(hash, total) {
        const upload = await guarded(hash, () => store.upload(hash, total));
        return {
          ...upload,
          finish: () =>
            guarded(hash, async () => {
              await upload.finish();
              idleSince.delete(hash);
            }),
        };
      },
      get: (hash) => guarded(hash, () => store.get(hash)),
      read: (hash, offset, length) => guarded(hash, () => store.read(hash, offset, length)),
      size: (hash) => guarded(hash, () => store.size(hash)),
      has: (hash) => guarded(hash, () => store.has(hash)),
      verify: (hash) => guarded(hash, () => store.verify(hash)),
      delete: (hash) => guarded(hash, () => store.delete(hash)),
      list: () => store.list(),
    },
    async collect(isReferred) {
      const there = await store.list();
      const present = new Set(there);
      for (const hash of idleSince.keys()) if (!present.has(hash)) idleSince.delete(hash);
      let count = 0;
      for (const hash of there) {
        if (holds.has(hash) || isReferred(hash)) {
          idleSince.delete(hash);
          continue;
        }
        const since = idleSince.get(hash) ?? clock.now();
        idleSince.set(hash, since);
        if (clock.now() - since >= graceMs && (await deleted(hash, isReferred))) count++;
      }
      return count;
    },
    discard: deleted,
  };
}
