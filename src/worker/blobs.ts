/**
 * Where a task finds its blobs and leaves its own. A worker that sees the coordinator's artifact folder uses that folder itself and copies nothing; any other has
 * a cache (cache.ts), which is filled and emptied through the worker's connection.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { identityFile } from '../wire/messages.ts';

/** A folder in the layout of artifacts/files.ts, for one task. */
export interface TaskFolder {
  readonly path: string;
  /** Resolves when the coordinator's store has the blob that the task left here. Throws what the coordinator refuses it with, and the signal's reason. */
  upload(hash: string, signal: AbortSignal): Promise<void>;
  /** The task is over. */
  close(): Promise<void>;
}

export interface FetchProgress {
  readonly received: number;
  /** Bytes of the blob that is on its way. */
  readonly total: number;
}

export interface Needs {
  /** A task cannot start without these. */
  readonly required: readonly string[];
  /** Those that the coordinator has no more are left out. */
  readonly wanted: readonly string[];
}

export interface Blobs {
  /** Resolves when what the task needs is in its folder. Throws ARTIFACT_NOT_FOUND, DISK_FULL, and the signal's reason. */
  prepare(needs: Needs, onProgress: (progress: FetchProgress) => void, signal: AbortSignal): Promise<TaskFolder>;
}

/** What the cache asks of the worker's connection; it outlives reconnections, and goes on where it was. Adapter: wire/blobs. */
export interface BlobChannel {
  /**
   * Hands over a blob's bytes in order, one chunk after the other.
   * @param sink `begin` is told the blob's size and answers from which byte on it wants it
   * Throws ARTIFACT_NOT_FOUND, what `sink` throws, and the signal's reason.
   */
  fetch(hash: string, sink: BlobSink, signal: AbortSignal): Promise<void>;
  /** Resolves when the coordinator has it, verified and durable. Throws what it is refused with (DISK_FULL, ...), and the signal's reason. */
  put(hash: string, source: BlobSource, signal: AbortSignal): Promise<void>;
}

export interface BlobSource {
  readonly size: number;
  /** Exactly so many bytes. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface BlobSink {
  begin(total: number): Promise<number>;
  append(bytes: Uint8Array): Promise<void>;
}

/** Whether this folder, as this machine sees it, is the one of the coordinator. Paths alone do not tell: other machines have the same. */
export async function seesFolder(folder: string, coordinator: string): Promise<boolean> {
  if (folder === '' || coordinator === '') return false;
  const there = await readFile(join(folder, identityFile), 'utf8').catch(() => '');
  return there.trim() === coordinator;
}

/** The coordinator's own folder: what is put there is stored. */
export function sharedBlobs(path: string): Blobs {
  return { prepare: () => Promise.resolve({ path, upload: () => Promise.resolve(), close: () => Promise.resolve() }) };
}
