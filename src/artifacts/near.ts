/**
 * A store that is far away (S3), with a folder in front of it: what is asked for in chunks is read once and then from disk, and what comes in chunks is gathered on
 * disk and goes out whole. So a coordinator that streams blobs to its workers makes a request a blob, not one a chunk.
 *
 * A blob is there when the far store has it; the near one holds copies, as long as there is room. That the far one has it is remembered, so nobody but this process
 * should delete from it; whoever doubts asks for `verify` or `list`, which always look.
 */
import { NoisefoldError } from '../base/errors.ts';
import type { ArtifactStore, Upload } from './store.ts';

export interface NearOptions {
  /** Uploads that are under way may be there, too. */
  readonly near: ArtifactStore;
  readonly far: ArtifactStore;
  /** Bytes of copies; those used longest ago go first. */
  readonly limit: number;
}

export function nearArtifacts({ near, far, limit }: NearOptions): ArtifactStore {
  /** Sizes of the copies, those used longest ago first. */
  const copies = new Map<string, number>();
  const confirmed = new Set<string>();
  const fetches = new Map<string, Promise<boolean>>();
  /** Copies of an earlier process count, too. */
  const known = near.list().then(async (hashes) => {
    for (const hash of hashes) copies.set(hash, (await near.size(hash)) ?? 0);
  });
  known.catch(() => {});

  /** Makes it the copy that was used last, and makes room. */
  async function used(hash: string, bytes: number): Promise<void> {
    await known;
    copies.delete(hash);
    copies.set(hash, bytes);
    let sum = [...copies.values()].reduce((total, size) => total + size, 0);
    for (const [oldest, size] of copies) {
      if (sum <= limit || oldest === hash) break;
      copies.delete(oldest);
      sum -= size;
      await near.delete(oldest);
    }
  }

  /** The copy is a convenience: without room for it, it is done without. */
  async function keep(hash: string, bytes: Uint8Array): Promise<boolean> {
    if (bytes.length > limit) return false;
    try {
      await near.put(bytes);
    } catch (error) {
      if (error instanceof NoisefoldError && error.code === 'DISK_FULL') return false;
      throw error;
    }
    await used(hash, bytes.length);
    return true;
  }

  /** Whether there is a copy now. */
  function brought(hash: string): Promise<boolean> {
    const under = fetches.get(hash);
    if (under !== undefined) return under;
    const fetch = (async () => {
      const size = await near.size(hash);
      if (size !== undefined) {
        await used(hash, size);
        return true;
      }
      // What will not be kept is not fetched whole for each of its chunks.
      if (((await far.size(hash)) ?? 0) > limit) return false;
      return keep(hash, await far.get(hash));
    })().finally(() => fetches.delete(hash));
    fetches.set(hash, fetch);
    return fetch;
  }

  async function forget(hash: string): Promise<void> {
    confirmed.delete(hash);
    copies.delete(hash);
    await near.delete(hash);
  }

  /** A copy that was damaged, or has just made room, is no copy. */
  const orFar = <T>(copy: Promise<T>, instead: () => Promise<T>): Promise<T> =>
    copy.catch((error: unknown) => {
      if (!(error instanceof NoisefoldError) || !['ARTIFACT_NOT_FOUND', 'ARTIFACT_CORRUPT'].includes(error.code)) throw error;
      return instead();
    });

  return {
    async put(bytes) {
      const hash = await far.put(bytes);
      confirmed.add(hash);
      await keep(hash, bytes);
      return hash;
    },
    async upload(hash, total) {
      // All of it came before, and the far store did not take it.
      if (!confirmed.has(hash) && (await near.verify(hash)) === 'good') return sending(hash, total);
      const upload = await near.upload(hash, total);
      return {
        ...upload,
        async finish() {
          await upload.finish();
          await send(hash, total);
        },
      };
    },
    get: (hash) =>
      orFar(near.get(hash), async () => {
        const bytes = await far.get(hash);
        await keep(hash, bytes);
        return bytes;
      }),
    async read(hash, offset, length) {
      const isNear = await brought(hash);
      const fromFar = (): Promise<Uint8Array> => far.read(hash, offset, length);
      return isNear ? orFar(near.read(hash, offset, length), fromFar) : fromFar();
    },
    async size(hash) {
      const copy = confirmed.has(hash) ? await near.size(hash) : undefined;
      if (copy !== undefined) return copy;
      const size = await far.size(hash);
      if (size === undefined) confirmed.delete(hash);
      else confirmed.add(hash);
      return size;
    },
    async has(hash) {
      return (await this.size(hash)) !== undefined;
    },
    async verify(hash) {
      const found = await far.verify(hash);
      if (found === 'good') confirmed.add(hash);
      else await forget(hash);
      return found;
    },
    async delete(hash) {
      await far.delete(hash);
      await forget(hash);
    },
    list: () => far.list(),
  };

  async function send(hash: string, total: number): Promise<void> {
    await far.put(await near.get(hash));
    confirmed.add(hash);
    await used(hash, total);
  }

  function sending(hash: string, total: number): Upload {
    return {
      received: () => total,
      append: (bytes) =>
        bytes.length === 0 ? Promise.resolve() : Promise.reject(new RangeError(`more than ${total} bytes of ${hash}`)),
      finish: () => send(hash, total),
      abandon: () => forget(hash),
    };
  }
}
