/**
 * A worker's cache of blobs, shared by all workers of a machine, for coordinators whose folder they do not see.
 *
 *     blobs/          whole blobs, in the layout of artifacts/files.ts; a blob's modification time is its last use
 *     locks/<hash>    who fetches a blob; touched with every chunk, so that one who died in between is found out
 *     tasks/<name>/   a folder a running task: hard links to what it needs, and what it makes itself
 *
 * The size limit holds for blobs/: before a blob is fetched, those used longest ago make room. Because a running task has links of its own, nothing that it needs
 * can be taken away, by whichever process.
 */
import { randomUUID } from 'node:crypto';
import { copyFile, link, mkdir, open, readdir, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ArtifactStore } from '../artifacts/store.ts';
import { NoisefoldError, type ErrorCode } from '../base/errors.ts';
import type { Clock, Log } from '../base/ports.ts';
import type { BlobChannel, Blobs, FetchProgress } from './blobs.ts';

export interface CacheOptions {
  readonly folder: string;
  /** Of blobs/, in bytes. */
  readonly limit: number;
  /** Opens a folder of blobs (artifacts/files.ts). */
  readonly openStore: (folder: string) => ArtifactStore;
  readonly channel: BlobChannel;
  readonly clock: Clock;
  readonly log: Log;
}

/** A lock that was not touched for so long is a dead process's. */
const lockStaleMs = 60_000;
const lockPollMs = 200;
/** Bytes that differ from their hash so often are no accident of the wire. */
const fetchTries = 3;
/** A task's folder that no checkpoint was made in for so long is a dead worker's. */
const taskStaleMs = 7 * 86_400_000;

const pathOf = (folder: string, hash: string): string => join(folder, hash.slice(0, 2), hash.slice(2));

const hasCode = (error: unknown, ...codes: readonly ErrorCode[]): boolean =>
  error instanceof NoisefoldError && codes.includes(error.code);

const isErrno = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException | undefined)?.code === code;

export function cachedBlobs({ folder, limit, openStore, channel, clock, log }: CacheOptions): Blobs {
  const blobs = join(folder, 'blobs');
  const store = openStore(blobs);

  /** The blob into the cache, whoever fetches it: this process or another one of this machine. */
  async function obtain(hash: string, onProgress: (progress: FetchProgress) => void, signal: AbortSignal): Promise<void> {
    const lock = join(folder, 'locks', hash);
    await mkdir(dirname(lock), { recursive: true });
    for (let tries = 0; ;) {
      signal.throwIfAborted();
      if ((await store.verify(hash)) === 'good') return;
      if (tries === fetchTries)
        throw new NoisefoldError('ARTIFACT_CORRUPT', `${hash} arrived ${tries} times with other bytes than its hash says`, {
          where: blobs,
          hint: 'The coordinator’s copy, the network or this machine’s disk or memory is damaged.',
        });
      if (!(await taken(lock))) {
        await sleep(lockPollMs, undefined, { signal });
        continue;
      }
      try {
        await download(hash, lock, onProgress, signal);
        tries++;
      } finally {
        await rm(lock, { force: true });
      }
    }
  }

  /** Whether the lock is this process's now. Two that find the same dead lock may both think so: then the bytes do not fit their hash, and are fetched again. */
  async function taken(lock: string): Promise<boolean> {
    try {
      await (await open(lock, 'wx')).close();
      return true;
    } catch (error) {
      if (!isErrno(error, 'EEXIST')) throw error;
      const age = clock.now() - ((await stat(lock).catch(() => undefined))?.mtimeMs ?? clock.now());
      if (age > lockStaleMs) await rm(lock, { force: true });
      return false;
    }
  }

  async function download(hash: string, lock: string, onProgress: (progress: FetchProgress) => void, signal: AbortSignal) {
    let upload: Awaited<ReturnType<ArtifactStore['upload']>> | undefined;
    let total = 0;
    const begin = async (size: number): Promise<number> => {
      total = size;
      await evict(limit - total);
      upload = await store.upload(hash, total);
      return upload.received();
    };
    const append = async (bytes: Uint8Array): Promise<void> => {
      if (upload === undefined) throw new NoisefoldError('INTERNAL', 'bytes of a blob came before its size');
      try {
        await upload.append(bytes);
      } catch (error) {
        if (!hasCode(error, 'DISK_FULL')) throw error;
        await evict(0);
        await upload.append(bytes);
      }
      await touch(lock);
      onProgress({ received: upload.received(), total });
    };
    try {
      await channel.fetch(hash, { begin, append }, signal);
      await upload?.finish();
    } catch (error) {
      if (!hasCode(error, 'ARTIFACT_CORRUPT')) throw error;
      log.log('warn', 'a blob arrived with other bytes than its hash says; it is fetched again', { hash });
    }
  }

  /** Deletes the blobs that were used longest ago, until those that stay are no more than so many bytes. */
  async function evict(bytes: number): Promise<void> {
    const found = await Promise.all(
      (await store.list()).map(async (hash) => ({ hash, file: await stat(pathOf(blobs, hash)).catch(() => undefined) })),
    );
    const kept = found.flatMap(({ hash, file }) => (file === undefined ? [] : [{ hash, size: file.size, usedMs: file.mtimeMs }]));
    let sum = kept.reduce((total, { size }) => total + size, 0);
    for (const { hash, size } of kept.toSorted((a, b) => a.usedMs - b.usedMs)) {
      if (sum <= bytes) return;
      await store.delete(hash);
      sum -= size;
      log.log('info', 'a blob left the cache', { hash, bytes: size });
    }
  }

  async function touch(path: string): Promise<void> {
    const now = clock.now() / 1000;
    await utimes(path, now, now).catch(() => undefined);
  }

  /** From the cache into a task's folder, or the other way. A file system without hard links has copies. */
  async function linkBlob(from: string, to: string): Promise<void> {
    await mkdir(dirname(to), { recursive: true });
    await link(from, to).catch(async (error: unknown) => {
      if (isErrno(error, 'EEXIST')) return;
      if (isErrno(error, 'ENOENT')) throw error;
      await copyFile(from, to);
    });
  }

  async function sweepTasks(): Promise<void> {
    const tasks = join(folder, 'tasks');
    await mkdir(tasks, { recursive: true });
    for (const name of await readdir(tasks)) {
      const age = clock.now() - ((await stat(join(tasks, name)).catch(() => undefined))?.mtimeMs ?? clock.now());
      if (age > taskStaleMs) await rm(join(tasks, name), { recursive: true, force: true });
    }
  }

  return {
    async prepare({ required, wanted }, onProgress, signal) {
      await sweepTasks();
      const task = join(folder, 'tasks', randomUUID());
      await mkdir(task, { recursive: true });
      const bring = async (hash: string): Promise<void> => {
        for (;;) {
          await obtain(hash, onProgress, signal);
          try {
            await touch(pathOf(blobs, hash));
            await linkBlob(pathOf(blobs, hash), pathOf(task, hash));
            return;
          } catch (error) {
            // Another process made room with it in between.
            if (!isErrno(error, 'ENOENT')) throw error;
          }
        }
      };
      try {
        for (const hash of required) await bring(hash);
        for (const hash of wanted)
          await bring(hash).catch((error: unknown) => {
            if (!hasCode(error, 'ARTIFACT_NOT_FOUND', 'ARTIFACT_CORRUPT')) throw error;
          });
      } catch (error) {
        await rm(task, { recursive: true, force: true });
        throw error;
      }
      return taskFolder(task, new Set([...required, ...wanted]));
    },
  };

  function taskFolder(path: string, needs: ReadonlySet<string>): Awaited<ReturnType<Blobs['prepare']>> {
    const made = openStore(path);
    return {
      path,
      async upload(hash, signal) {
        await touch(path);
        const size = await made.size(hash);
        if (size === undefined) throw new NoisefoldError('ARTIFACT_NOT_FOUND', `the task left no ${hash}`, { where: path });
        await channel.put(hash, { size, read: (offset, length) => made.read(hash, offset, length) }, signal);
        // The task may go on from here on this machine.
        await linkBlob(pathOf(path, hash), pathOf(blobs, hash)).catch(() => undefined);
        await dropOlder(hash);
        await evict(limit);
      },
      // A process that was just killed may still have been writing there.
      close: () => rm(path, { recursive: true, force: true, maxRetries: 5 }),
    };

    /** Checkpoints before this one have no use any more, neither here nor for other tasks. */
    async function dropOlder(hash: string): Promise<void> {
      const { mtimeMs } = await stat(pathOf(path, hash));
      for (const other of await made.list()) {
        if (other === hash || needs.has(other)) continue;
        const file = await stat(pathOf(path, other)).catch(() => undefined);
        if (file === undefined || file.mtimeMs >= mtimeMs) continue;
        await made.delete(other);
        await store.delete(other);
      }
    }
  }
}
