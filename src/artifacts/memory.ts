/** Blobs in memory, for tests and simulations. */
import { NoisefoldError } from '../base/errors.ts';
import { sha256 } from '../base/hash.ts';
import type { ArtifactStore } from './store.ts';

export interface MemoryArtifacts extends ArtifactStore {
  /** Changes a byte of a blob, or cuts its end off, as a disk may. */
  damage(hash: string, how: 'flip' | 'truncate'): void;
}

export function memoryArtifacts(): MemoryArtifacts {
  const blobs = new Map<string, Uint8Array>();
  const parts = new Map<string, Uint8Array>();
  const put = (bytes: Uint8Array): Promise<string> => {
    const hash = sha256(bytes);
    blobs.set(hash, bytes.slice());
    return Promise.resolve(hash);
  };
  return {
    put,
    upload(hash, total) {
      const part = (): Uint8Array => parts.get(hash) ?? new Uint8Array(0);
      return Promise.resolve({
        received: () => part().length,
        append(bytes) {
          const before = part();
          if (before.length + bytes.length > total) return Promise.reject(new RangeError(`more than ${total} bytes of ${hash}`));
          const joined = new Uint8Array(before.length + bytes.length);
          joined.set(before);
          joined.set(bytes, before.length);
          parts.set(hash, joined);
          return Promise.resolve();
        },
        async finish() {
          const bytes = part();
          parts.delete(hash);
          if (bytes.length !== total || sha256(bytes) !== hash) throw corrupt('memory');
          await put(bytes);
        },
        abandon: () => Promise.resolve(void parts.delete(hash)),
      });
    },
    get(hash) {
      const bytes = blobs.get(hash);
      if (!bytes) return Promise.reject(missing(hash));
      if (sha256(bytes) !== hash) return Promise.reject(corrupt('memory'));
      return Promise.resolve(bytes.slice());
    },
    read(hash, offset, length) {
      const bytes = blobs.get(hash);
      return bytes ? Promise.resolve(bytes.slice(offset, offset + length)) : Promise.reject(missing(hash));
    },
    size: (hash) => Promise.resolve(blobs.get(hash)?.length),
    has: (hash) => Promise.resolve(blobs.has(hash)),
    verify(hash) {
      const bytes = blobs.get(hash);
      if (bytes === undefined) return Promise.resolve('missing');
      if (sha256(bytes) === hash) return Promise.resolve('good');
      blobs.delete(hash);
      return Promise.resolve('corrupt');
    },
    delete(hash) {
      blobs.delete(hash);
      return Promise.resolve();
    },
    list: () => Promise.resolve([...blobs.keys()].sort()),
    damage(hash, how) {
      const bytes = blobs.get(hash);
      if (bytes === undefined) return;
      const damaged = how === 'truncate' ? bytes.slice(0, bytes.length >> 1) : bytes.slice();
      if (how === 'flip') damaged[0] = (damaged[0] ?? 0) ^ 1;
      blobs.set(hash, damaged);
    },
  };
}

const missing = (hash: string): NoisefoldError =>
  new NoisefoldError('ARTIFACT_NOT_FOUND', `there is no artifact ${hash}`, { where: 'memory' });

const corrupt = (where: string): NoisefoldError =>
  new NoisefoldError('ARTIFACT_CORRUPT', 'the bytes do not match the hash in the blob’s name', { where });
