/** The blobs of a worker that does not see the coordinator's folder: a folder a task in its memory, filled and emptied through the real transfers in chunks. */
import { memoryArtifacts } from '../../src/artifacts/memory.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { asNoisefoldError } from '../../src/base/errors.ts';
import type { BlobClient } from '../../src/wire/blobs/client.ts';
import type { Blobs } from '../../src/worker/blobs.ts';

export interface LocalBlobs {
  readonly blobs: Blobs;
  folder(path: string): ArtifactStore;
}

export function localBlobs(client: BlobClient): LocalBlobs {
  const folders = new Map<string, ArtifactStore>();
  let tasks = 0;
  const folder = (path: string): ArtifactStore => {
    const store = folders.get(path) ?? memoryArtifacts();
    folders.set(path, store);
    return store;
  };
  return {
    folder,
    blobs: {
      async prepare({ required, wanted }, _onProgress, signal) {
        const path = `local ${++tasks}`;
        const store = folder(path);
        for (const hash of required) await store.put(await client.get(hash, undefined, signal));
        for (const hash of wanted)
          try {
            await store.put(await client.get(hash, undefined, signal));
          } catch (thrown) {
            const { code } = asNoisefoldError(thrown);
            if (signal.aborted || (code !== 'ARTIFACT_NOT_FOUND' && code !== 'ARTIFACT_CORRUPT')) throw thrown;
          }
        return {
          path,
          upload: async (hash, aborted) => client.put(hash, await store.get(hash), aborted),
          close: () => Promise.resolve(void folders.delete(path)),
        };
      },
    },
  };
}
