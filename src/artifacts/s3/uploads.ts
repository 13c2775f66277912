/**
 * Blobs that arrive in parts, as multipart uploads: nothing is under the blob's name before all of it is.
 *
 * Bytes are gathered until they make a part (at least 5 MiB, which S3 demands of all but the last). After every part, `uploads/<hash>` in the bucket says what
 * there is: the upload's id and the parts' tags. So a process that goes on with it, here or elsewhere, needs one request to know, and no permission or feature
 * beyond reading and writing objects. What was gathered of the next part is lost with the process. A blob of one part is one PutObject, and leaves no trace before.
 *
 * The SHA-256 of everything is taken as it arrives, so that wrong bytes are never joined. After a restart it cannot be: then the joined blob is read back.
 */
import { createHash, type Hash } from 'node:crypto';
import { z } from 'zod';
import { NoisefoldError } from '../../base/errors.ts';
import { sha256 } from '../../base/hash.ts';
import type { Upload } from '../store.ts';
import type { Bucket } from './bucket.ts';

export interface UploadsOptions {
  readonly bucket: Bucket;
  readonly keyOf: (hash: string) => string;
  readonly recordOf: (hash: string) => string;
  readonly partBytes: number;
  /** Puts the blob aside. */
  readonly putAside: (hash: string) => Promise<void>;
}

export interface Uploads {
  open(hash: string, total: number): Promise<Upload>;
}

const recordSchema = z.object({
  upload: z.string().min(1),
  total: z.int().nonnegative(),
  parts: z.array(z.object({ etag: z.string(), sha256: z.string(), bytes: z.int().positive() })),
});
type Record = z.infer<typeof recordSchema>;

/** S3's limit. */
const maxParts = 10_000;
/** What was gathered for an upload that nobody went on with for so long is let go. */
const idleMs = 600_000;

interface Open {
  readonly total: number;
  readonly handle: Upload;
  touchedMs: number;
}

export function createUploads({ bucket, keyOf, recordOf, partBytes, putAside }: UploadsOptions): Uploads {
  const open = new Map<string, Open>();

  async function stored(hash: string, total: number): Promise<Record | undefined> {
    const bytes = await bucket.get(recordOf(hash));
    if (bytes === undefined) return undefined;
    const record = recordSchema.safeParse(parsed(bytes)).data;
    if (record?.total === total) return record;
    // Of another size: what there is is no beginning of it.
    if (record !== undefined) await bucket.abortParts(keyOf(hash), record.upload);
    await bucket.delete(recordOf(hash));
    return undefined;
  }

  function begin(hash: string, total: number, record: Record | undefined): Upload {
    const key = keyOf(hash);
    const size = Math.max(partBytes, Math.ceil(total / maxParts));
    let upload = record?.upload;
    let parts = [...(record?.parts ?? [])];
    let joinable = parts.reduce((sum, { bytes }) => sum + bytes, 0);
    /** Unknown for what another process received. */
    let digest: Hash | undefined = joinable === 0 ? createHash('sha256') : undefined;
    let tail: Uint8Array[] = [];
    let tailBytes = 0;
    const received = (): number => joinable + tailBytes;

    async function putPart(bytes: Uint8Array, isLast: boolean): Promise<void> {
      upload ??= await bucket.beginParts(key);
      const part = await bucket.putPart(key, upload, parts.length, bytes);
      if (part === undefined) return refuse('the store has forgotten what it had of the blob');
      // The last part is joined at once.
      if (!isLast) {
        const now: Record = { upload, total, parts: [...parts, part] };
        await bucket.put(recordOf(hash), new TextEncoder().encode(JSON.stringify(now)));
      }
      parts.push(part);
      joinable += part.bytes;
      tail = [];
      tailBytes = 0;
    }

    async function forget(): Promise<void> {
      open.delete(hash);
      const [old, wasStored] = [upload, parts.length > 0];
      upload = undefined;
      parts = [];
      joinable = tailBytes = 0;
      tail = [];
      digest = createHash('sha256');
      if (old !== undefined) await bucket.abortParts(key, old);
      if (wasStored) await bucket.delete(recordOf(hash));
    }

    async function refuse(why = 'the bytes do not match the hash in the blob’s name'): Promise<never> {
      await forget();
      throw new NoisefoldError('ARTIFACT_CORRUPT', why, {
        where: `${bucket.url}: ${key}`,
        hint: 'Send the blob again.',
      });
    }

    async function join(): Promise<void> {
      if (tailBytes > 0) await putPart(Buffer.concat(tail), true);
      if (digest !== undefined && digest.copy().digest('hex') !== hash) return refuse();
      const joined = upload !== undefined && (await bucket.joinParts(key, upload, parts));
      // The store may have joined them although its answer was lost.
      if (!joined && (await bucket.size(key)) !== total) return refuse();
      if (digest === undefined && sha256((await bucket.get(key)) ?? new Uint8Array(0)) !== hash) {
        await putAside(hash);
        return refuse();
      }
      open.delete(hash);
      await bucket.delete(recordOf(hash));
    }

    return {
      received,
      async append(bytes) {
        if (received() + bytes.length > total) throw new RangeError(`more than ${total} bytes of ${hash}`);
        let rest = bytes;
        while (total > size && tailBytes + rest.length >= size) {
          const taken = rest.subarray(0, size - tailBytes);
          await putPart(Buffer.concat([...tail, taken]), false);
          digest?.update(taken);
          rest = rest.subarray(taken.length);
        }
        tail.push(rest.slice());
        tailBytes += rest.length;
        digest?.update(rest);
      },
      async finish() {
        if (received() !== total) return refuse();
        if (upload !== undefined || total > size) return join();
        const bytes = Buffer.concat(tail);
        if (sha256(bytes) !== hash) return refuse();
        await bucket.put(key, bytes);
        open.delete(hash);
      },
      abandon: forget,
    };
  }

  return {
    async open(hash, total) {
      const now = Date.now();
      for (const [other, { touchedMs }] of open) if (touchedMs < now - idleMs) open.delete(other);
      const known = open.get(hash);
      if (known?.total === total) {
        known.touchedMs = now;
        return known.handle;
      }
      const record = total > partBytes ? await stored(hash, total) : undefined;
      const handle = begin(hash, total, record);
      open.set(hash, { total, handle, touchedMs: now });
      return handle;
    },
  };
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
