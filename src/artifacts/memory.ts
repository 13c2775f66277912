/** Blobs in memory, for tests. */
import { NoisefoldError } from '../base/errors.ts';
import { sha256 } from '../base/hash.ts';
import type { ArtifactStore } from './store.ts';

export function memoryArtifacts(): ArtifactStore {
  const blobs = new Map<string, Uint8Array>();
  return {
    put(bytes) {
      const hash = sha256(bytes);
      blobs.set(hash, bytes.slice());
      return Promise.resolve(hash);
    },
    get(hash) {
      const bytes = blobs.get(hash);
      if (!bytes)
        return Promise.reject(new NoisefoldError('ARTIFACT_NOT_FOUND', `there is no artifact ${hash}`, { where: 'memory' }));
      return Promise.resolve(bytes.slice());
    },
    has: (hash) => Promise.resolve(blobs.has(hash)),
    delete(hash) {
      blobs.delete(hash);
      return Promise.resolve();
    },
    list: () => Promise.resolve([...blobs.keys()].sort()),
  };
}
