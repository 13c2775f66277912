/** The artifact store, watched: whether its disk is full is known from the last thing that was written. */
import type { ArtifactStore } from '../artifacts/store.ts';
import { asNoisefoldError } from '../base/errors.ts';
import type { Log } from '../base/ports.ts';

export interface WatchedArtifacts extends ArtifactStore {
  isFull(): boolean;
}

export function watchedArtifacts(store: ArtifactStore, log: Log): WatchedArtifacts {
  let full = false;

  async function writing<T>(operation: () => Promise<T>): Promise<T> {
    try {
      const result = await operation();
      if (full) log.log('info', 'there is space for artifacts again');
      full = false;
      return result;
    } catch (thrown) {
      const error = asNoisefoldError(thrown);
      if (error.code === 'DISK_FULL') {
        if (!full)
          log.log('error', 'the disk of the artifacts is full: workers wait with what they have', { error: error.message });
        full = true;
      }
      throw error;
    }
  }

  return {
    ...store,
    isFull: () => full,
    put: (bytes) => writing(() => store.put(bytes)),
    async upload(hash, total) {
      const upload = await writing(() => store.upload(hash, total));
      return {
        ...upload,
        append: (bytes) => writing(() => upload.append(bytes)),
        finish: () => writing(() => upload.finish()),
      };
    },
  };
}
