/**
 * Blobs in a folder, which any number of processes on any number of machines may share: `ab/cdef...` for the hash `abcdef...`.
 *
 * A blob appears under its name only when all of it is on disk: temporary file, fsync, rename, fsync of the folders on the way. Two that write
 * the same blob at once both rename a whole file into place, and either may win. What a crash leaves behind is a temporary file; those older
 * than an hour are deleted when the store is opened (younger ones may be another process's).
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync, promises as fs } from 'node:fs';
import { dirname, join } from 'node:path';
import { asNoisefoldError, NoisefoldError } from '../base/errors.ts';
import { sha256 } from '../base/hash.ts';
import type { ArtifactStore } from './store.ts';

const staleMs = 3_600_000;
const hashPattern = /^[0-9a-f]{64}$/;

/** Opens the folder, making it if there is none. */
export function fileArtifacts(folder: string): ArtifactStore {
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary, { recursive: true });
  deleteStale(temporary);

  /** Undefined for what is no hash, so that a name from elsewhere never leads out of the folder. */
  const pathOf = (hash: string): string | undefined =>
    hashPattern.test(hash) ? join(folder, hash.slice(0, 2), hash.slice(2)) : undefined;

  async function write(path: string, bytes: Uint8Array): Promise<void> {
    const draft = join(temporary, randomUUID());
    try {
      await fs.writeFile(draft, bytes, { flush: true });
      await fs.mkdir(dirname(path), { recursive: true });
      await fs.rename(draft, path);
    } catch (error) {
      await fs.rm(draft, { force: true });
      throw error;
    }
  }

  return {
    async put(bytes) {
      const hash = sha256(bytes);
      const path = join(folder, hash.slice(0, 2), hash.slice(2));
      try {
        // A blob that was damaged on disk is replaced, so that putting it again heals it.
        if (!(await read(path))?.equals(bytes)) await write(path, bytes);
        // Also where another process renamed it: it may not have come to its own fsync yet.
        await syncFolder(dirname(path));
        await syncFolder(folder);
      } catch (error) {
        throw diskError(error);
      }
      return hash;
    },
    async get(hash) {
      const path = pathOf(hash);
      const bytes = path === undefined ? undefined : await read(path);
      if (!bytes) throw new NoisefoldError('ARTIFACT_NOT_FOUND', `there is no artifact ${hash}`, { where: folder });
      if (sha256(bytes) !== hash)
        throw new NoisefoldError('ARTIFACT_CORRUPT', 'the bytes do not match the hash in the file’s name', {
          where: path ?? folder,
          hint: 'Delete the file; what it held is made again where it can be.',
        });
      return bytes;
    },
    async has(hash) {
      const path = pathOf(hash);
      if (path === undefined) return false;
      return fs.access(path).then(
        () => true,
        () => false,
      );
    },
    async delete(hash) {
      const path = pathOf(hash);
      if (path !== undefined) await fs.rm(path, { force: true });
    },
    async list() {
      const names = await fs.readdir(folder, { recursive: true });
      return names
        .map((name) => name.replace(/[/\\]/, ''))
        .filter((name) => hashPattern.test(name))
        .sort();
    },
  };
}

/** A file's bytes; undefined where there is none. */
async function read(path: string): Promise<Buffer | undefined> {
  try {
    return await fs.readFile(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** Makes the names in a folder durable. */
async function syncFolder(path: string): Promise<void> {
  const handle = await fs.open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function deleteStale(temporary: string): void {
  const newest = Date.now() - staleMs;
  for (const name of readdirSync(temporary)) {
    const path = join(temporary, name);
    // It may be gone by now: another process opens the folder too, or finishes writing.
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats && stats.mtimeMs < newest) rmSync(path, { force: true });
  }
}

const errorCode = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** A full quota is a full disk. */
function diskError(error: unknown): NoisefoldError {
  if (errorCode(error) !== 'EDQUOT') return asNoisefoldError(error);
  return new NoisefoldError('DISK_FULL', 'the disk quota is used up', {
    hint: 'Free some space and run the same command again: finished work is kept.',
    cause: error,
  });
}
