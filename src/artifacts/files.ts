/**
 * Blobs in a folder, which any number of processes on any number of machines may share: `ab/cdef...` for the hash `abcdef...`.
 *
 * A blob appears under its name only when all of it is on disk: temporary file, fsync, rename, fsync of the folders on the way. Two that write
 * the same blob at once both rename a whole file into place, and either may win. What a crash leaves behind is a temporary file, or the parts of
 * an upload (`tmp/<hash>.part`, which a later upload goes on with); those not written to for so long are deleted when the store is opened
 * (younger ones may be another process's). Corrupt blobs are moved to `quarantine/`, for people to look at.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, statSync, promises as fs } from 'node:fs';
import { dirname, join } from 'node:path';
import { asNoisefoldError, NoisefoldError } from '../base/errors.ts';
import { sha256 } from '../base/hash.ts';
import type { ArtifactStore } from './store.ts';

/** Drafts are written in one go; parts may wait for a worker that is away for a day. */
const staleMs = { draft: 3_600_000, part: 86_400_000 } as const;
const hashPattern = /^[0-9a-f]{64}$/;

/** Opens the folder, making it if there is none. */
export function fileArtifacts(folder: string): ArtifactStore {
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary, { recursive: true });
  deleteStale(temporary);

  const placeOf = (hash: string): string => join(folder, hash.slice(0, 2), hash.slice(2));
  /** Undefined for what is no hash, so that a name from elsewhere never leads out of the folder. */
  const pathOf = (hash: string): string | undefined => (hashPattern.test(hash) ? placeOf(hash) : undefined);

  /** Makes a whole temporary file the blob. */
  async function settle(draft: string, path: string): Promise<void> {
    await fs.mkdir(dirname(path), { recursive: true });
    await fs.rename(draft, path);
    await syncFolders(path);
  }

  async function syncFolders(path: string): Promise<void> {
    await syncFolder(dirname(path));
    await syncFolder(folder);
  }

  async function write(path: string, bytes: Uint8Array): Promise<void> {
    const draft = join(temporary, randomUUID());
    try {
      await fs.writeFile(draft, bytes, { flush: true });
      await settle(draft, path);
    } catch (error) {
      await fs.rm(draft, { force: true });
      throw error;
    }
  }

  async function putAside(hash: string, path: string): Promise<void> {
    const quarantine = join(folder, 'quarantine');
    await fs.mkdir(quarantine, { recursive: true });
    await fs.rename(path, join(quarantine, hash)).catch(ignoreMissing);
  }

  return {
    async put(bytes) {
      const hash = sha256(bytes);
      const path = placeOf(hash);
      try {
        // A blob that was damaged on disk is replaced, so that putting it again heals it.
        if (!(await read(path))?.equals(bytes)) await write(path, bytes);
        // Also where another process renamed it: it may not have come to its own fsync yet.
        else await syncFolders(path);
      } catch (error) {
        throw diskError(error);
      }
      return hash;
    },
    async upload(hash, total) {
      const path = pathOf(hash);
      if (path === undefined) throw new NoisefoldError('ARTIFACT_NOT_FOUND', `${hash} is no hash`, { where: folder });
      const part = join(temporary, `${hash}.part`);
      let received = sizeOf(part) ?? 0;
      // Of another blob's size: what is there is not a beginning of it.
      if (received > total) await fs.truncate(part, (received = 0));
      return {
        received: () => received,
        async append(bytes) {
          if (received + bytes.length > total) throw new RangeError(`more than ${total} bytes of ${hash}`);
          try {
            await fs.appendFile(part, bytes);
            received += bytes.length;
          } catch (error) {
            // Some of them may have been written.
            await fs.truncate(part, received).catch(ignoreMissing);
            throw diskError(error);
          }
        },
        async finish() {
          const bytes = (await read(part)) ?? new Uint8Array(0);
          if (bytes.length !== total || sha256(bytes) !== hash) {
            received = 0;
            await fs.rm(part, { force: true });
            throw corrupt(part, 'Send the blob again.');
          }
          try {
            const handle = await fs.open(part, 'a');
            await handle.sync().finally(() => handle.close());
            await settle(part, path);
          } catch (error) {
            throw diskError(error);
          }
        },
        async abandon() {
          received = 0;
          await fs.rm(part, { force: true });
        },
      };
    },
    async get(hash) {
      const path = pathOf(hash);
      const bytes = path === undefined ? undefined : await read(path);
      if (!bytes) throw new NoisefoldError('ARTIFACT_NOT_FOUND', `there is no artifact ${hash}`, { where: folder });
      if (sha256(bytes) !== hash) throw corrupt(path ?? folder, 'Delete the file; what it held is made again where it can be.');
      return bytes;
    },
    async read(hash, offset, length) {
      const path = pathOf(hash);
      const handle = path === undefined ? undefined : await fs.open(path, 'r').catch(ignoreMissing);
      if (!handle) throw new NoisefoldError('ARTIFACT_NOT_FOUND', `there is no artifact ${hash}`, { where: folder });
      try {
        const { bytesRead, buffer } = await handle.read(new Uint8Array(length), 0, length, offset);
        return buffer.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    },
    size(hash) {
      const path = pathOf(hash);
      return new Promise((resolve) => resolve(path === undefined ? undefined : sizeOf(path)));
    },
    async has(hash) {
      return (await this.size(hash)) !== undefined;
    },
    async verify(hash) {
      const path = pathOf(hash);
      const bytes = path === undefined ? undefined : await read(path);
      if (path === undefined || bytes === undefined) return 'missing';
      if (sha256(bytes) === hash) return 'good';
      await putAside(hash, path);
      return 'corrupt';
    },
    async delete(hash) {
      const path = pathOf(hash);
      if (path !== undefined) await fs.unlink(path).catch(ignoreMissing);
    },
    async list() {
      const folders = (await fs.readdir(folder)).filter((name) => name.length === 2);
      const names = await Promise.all(
        folders.map(async (name) => (await fs.readdir(join(folder, name))).map((rest) => name + rest)),
      );
      return names
        .flat()
        .filter((name) => hashPattern.test(name))
        .sort();
    },
  };
}

/** A file's bytes; undefined where there is none. */
const read = (path: string): Promise<Buffer | undefined> => fs.readFile(path).catch(ignoreMissing);

/**
 * At once: the coordinator asks for every checkpoint that it is told of, and a trip to the thread pool costs ten times what looking does. The disk is the one on which it
 * waits for its commits, too.
 */
function sizeOf(path: string): number | undefined {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats?.isFile() ? stats.size : undefined;
}

function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) === 'ENOENT') return undefined;
  throw error;
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
  const now = Date.now();
  for (const name of readdirSync(temporary)) {
    const path = join(temporary, name);
    // It may be gone by now: another process opens the folder too, or finishes writing.
    const stats = statSync(path, { throwIfNoEntry: false });
    const age = name.endsWith('.part') ? staleMs.part : staleMs.draft;
    if (stats && stats.mtimeMs < now - age) rmSync(path, { force: true });
  }
}

const errorCode = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

const corrupt = (where: string, hint: string): NoisefoldError =>
  new NoisefoldError('ARTIFACT_CORRUPT', 'the bytes do not match the hash in the file’s name', { where, hint });

/** A full quota is a full disk. */
function diskError(error: unknown): NoisefoldError {
  if (errorCode(error) !== 'EDQUOT') return asNoisefoldError(error);
  return new NoisefoldError('DISK_FULL', 'the disk quota is used up', {
    hint: 'Free some space and run the same command again: finished work is kept.',
    cause: error,
  });
}
