/**
 * Blobs in a bucket of an S3-compatible store, in the layout of artifacts/files.ts: `prefix/ab/cdef...` for the hash `abcdef...`, so that a folder and a bucket can be
 * copied to each other. Beside them `quarantine/` (corrupt blobs), `uploads/` (what there is of blobs on their way, uploads.ts) and `coordinator.id`.
 *
 * A blob is written without a condition: under one name there is only one content, so whoever writes last changes nothing, and heals what was damaged.
 */
import { NoisefoldError } from '../../base/errors.ts';
import { sha256 } from '../../base/hash.ts';
import type { ArtifactStore } from '../store.ts';
import { openBucket, type Bucket, type BucketOptions, type Part } from './bucket.ts';
import { createUploads } from './uploads.ts';

export interface S3Options extends BucketOptions {
  /** At least 5 MiB with S3 itself, and most others. */
  readonly partBytes?: number;
  /** Larger blobs are put in parts, several at a time. */
  readonly singleBytes?: number;
}

export interface S3Artifacts extends ArtifactStore {
  /** The identity of the coordinator that the prefix belongs to; undefined for none. */
  owner(): Promise<string | undefined>;
  /** Makes the prefix the coordinator's. Resolves to the owner's identity, which is another's where there was one. */
  claim(identity: string): Promise<string>;
  close(): void;
}

const hashPattern = /^[0-9a-f]{64}$/;
const keyPattern = /^[0-9a-f]{2}\/[0-9a-f]{62}$/;
const ownerFile = 'coordinator.id';
/** Parts of a blob on their way at a time. */
const abreast = 4;

/** Throws ARTIFACTS_UNAVAILABLE when the SDK is not installed. Makes no request. */
export async function s3Artifacts(options: S3Options): Promise<S3Artifacts> {
  return bucketArtifacts(await openBucket(options), options);
}

function bucketArtifacts(bucket: Bucket, options: S3Options): S3Artifacts {
  const { prefix, partBytes = 8 * 2 ** 20, singleBytes = 64 * 2 ** 20 } = options;
  const base = prefix === '' ? '' : `${prefix}/`;
  const placeOf = (hash: string): string => `${base}${hash.slice(0, 2)}/${hash.slice(2)}`;
  /** Undefined for what is no hash, so that a name from elsewhere never leads out of the prefix. */
  const keyOf = (hash: string): string | undefined => (hashPattern.test(hash) ? placeOf(hash) : undefined);
  const missing = (hash: string): NoisefoldError =>
    new NoisefoldError('ARTIFACT_NOT_FOUND', `there is no artifact ${hash}`, { where: bucket.url });

  const forgotten = (key: string): NoisefoldError =>
    new NoisefoldError('ARTIFACTS_UNAVAILABLE', 'the store forgot the parts of a blob while they came', {
      where: `${bucket.url}: ${key}`,
    });

  async function putAside(hash: string): Promise<void> {
    await bucket.copy(placeOf(hash), `${base}quarantine/${hash}`);
    await bucket.delete(placeOf(hash));
  }

  const uploads = createUploads({ bucket, keyOf: placeOf, recordOf: (hash) => `${base}uploads/${hash}`, partBytes, putAside });

  async function putInParts(key: string, bytes: Uint8Array): Promise<void> {
    const size = Math.max(partBytes, Math.ceil(bytes.length / 10_000));
    const upload = await bucket.beginParts(key);
    const count = Math.ceil(bytes.length / size);
    const parts: Part[] = [];
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let i = next++; i < count; i = next++) {
        const part = await bucket.putPart(key, upload, i, bytes.subarray(i * size, (i + 1) * size));
        if (part === undefined) throw forgotten(key);
        parts[i] = part;
      }
    };
    try {
      await Promise.all(Array.from({ length: abreast }, lane));
      if (!(await bucket.joinParts(key, upload, parts)) && (await bucket.size(key)) !== bytes.length) throw forgotten(key);
    } catch (error) {
      await bucket.abortParts(key, upload).catch(() => {});
      throw error;
    }
  }

  const owner = async (): Promise<string | undefined> => {
    const bytes = await bucket.get(`${base}${ownerFile}`);
    return bytes === undefined ? undefined : new TextDecoder().decode(bytes).trim();
  };

  return {
    async put(bytes) {
      const hash = sha256(bytes);
      const key = placeOf(hash);
      if (bytes.length > singleBytes) await putInParts(key, bytes);
      else await bucket.put(key, bytes);
      return hash;
    },
    async upload(hash, total) {
      if (!hashPattern.test(hash)) throw new NoisefoldError('ARTIFACT_NOT_FOUND', `${hash} is no hash`, { where: bucket.url });
      return uploads.open(hash, total);
    },
    async get(hash) {
      const key = keyOf(hash);
      const bytes = key === undefined ? undefined : await bucket.get(key);
      if (bytes === undefined) throw missing(hash);
      if (sha256(bytes) !== hash)
        throw new NoisefoldError('ARTIFACT_CORRUPT', 'the bytes do not match the hash in the object’s name', {
          where: `${bucket.url}: ${key ?? ''}`,
          hint: 'Delete the object; what it held is made again where it can be.',
        });
      return bytes;
    },
    async read(hash, offset, length) {
      const key = keyOf(hash);
      if (key === undefined) throw missing(hash);
      if (length === 0) return new Uint8Array(0);
      const bytes = await bucket.get(key, { from: offset, to: offset + length });
      if (bytes === undefined) throw missing(hash);
      return bytes;
    },
    async size(hash) {
      const key = keyOf(hash);
      return key === undefined ? undefined : bucket.size(key);
    },
    async has(hash) {
      return (await this.size(hash)) !== undefined;
    },
    async verify(hash) {
      const key = keyOf(hash);
      const bytes = key === undefined ? undefined : await bucket.get(key);
      if (bytes === undefined) return 'missing';
      if (sha256(bytes) === hash) return 'good';
      await putAside(hash);
      return 'corrupt';
    },
    async delete(hash) {
      const key = keyOf(hash);
      if (key !== undefined) await bucket.delete(key);
    },
    async list() {
      const hashes: string[] = [];
      for await (const keys of bucket.list(base))
        for (const key of keys) {
          const name = key.slice(base.length);
          if (keyPattern.test(name)) hashes.push(name.replace('/', ''));
        }
      return hashes.sort();
    },
    owner,
    async claim(identity) {
      const before = await owner();
      if (before !== undefined) return before;
      await bucket.putIfAbsent(`${base}${ownerFile}`, new TextEncoder().encode(`${identity}\n`));
      return (await owner()) ?? identity;
    },
    close: () => bucket.close(),
  };
}
