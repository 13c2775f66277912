/**
 * The requests that the store makes, each tried again within bounds: the SDK does so for what fails before the answer's body (500, 503, SlowDown, timeouts,
 * broken connections; exponential, full jitter, with a budget over all requests), this file for bodies that break off.
 *
 * Only requests that every S3-compatible store has: PutObject, GetObject, HeadObject, CopyObject, DeleteObject, ListObjectsV2, and multipart uploads without
 * ListParts and UploadPartCopy. The SDK's default checksums are off, since not all stores know its trailers; uploads carry x-amz-checksum-sha256 instead, and what
 * is read is verified by who reads it, by the blob's name.
 */
import { createHash, randomInt } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createClient, loadSdk } from './client.ts';
import { isMissing, nameOf, statusOf, storeError } from './errors.ts';
import { s3Url, type S3Location } from './location.ts';

export interface Part {
  readonly etag: string;
  /** base64, as the store wants it. */
  readonly sha256: string;
  readonly bytes: number;
}

export interface Bucket {
  /** For messages. */
  readonly url: string;
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Writes what is not there yet, where the store knows If-None-Match; otherwise it writes. Resolves to whether it did. */
  putIfAbsent(key: string, bytes: Uint8Array): Promise<boolean>;
  /** The object's bytes, or those of the range [from, to); undefined where there is no object. A range beyond the end is empty. */
  get(key: string, range?: { readonly from: number; readonly to: number }): Promise<Uint8Array | undefined>;
  size(key: string): Promise<number | undefined>;
  copy(from: string, to: string): Promise<void>;
  delete(key: string): Promise<void>;
  /** Keys that begin with it, page by page. */
  list(prefix: string): AsyncIterable<readonly string[]>;
  beginParts(key: string): Promise<string>;
  /** Undefined when there is no such upload any more. */
  putPart(key: string, upload: string, index: number, bytes: Uint8Array): Promise<Part | undefined>;
  /** Resolves to whether there was such an upload. */
  joinParts(key: string, upload: string, parts: readonly Part[]): Promise<boolean>;
  /** Tries to; what is left of an upload is for the bucket's lifecycle rule. Never throws. */
  abortParts(key: string, upload: string): Promise<void>;
  close(): void;
}

export interface BucketOptions extends S3Location {
  /** Requests for one thing, with the first. */
  readonly tries?: number;
  readonly connectMs?: number;
  /** From a request to its answer, and between two pieces of a body. */
  readonly silenceMs?: number;
  /** Keys a page; at most 1000. */
  readonly pageSize?: number;
}

const isForgotten = (error: unknown): boolean => nameOf(error) === 'NoSuchUpload';

const sha256Base64 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('base64');

/** A body that broke off: the request is made again. */
const bodyBackoff = { baseMs: 100, capMs: 5_000 };

export async function openBucket(options: BucketOptions): Promise<Bucket> {
  const {
    bucket: Bucket,
    checksums = true,
    tries = 6,
    connectMs = 5_000,
    silenceMs = 60_000,
    pageSize: MaxKeys = 1000,
  } = options;
  const sdk = await loadSdk();
  const client = createClient(sdk, options, { tries, connectMs, silenceMs });
  const url = s3Url({ bucket: Bucket, prefix: options.prefix });

  const checked = (bytes: Uint8Array): { ChecksumSHA256?: string } => (checksums ? { ChecksumSHA256: sha256Base64(bytes) } : {});

  /** Errors in the table's words; what `expected` answers is no error. */
  async function asked<T, E = never>(
    key: string,
    request: () => Promise<T>,
    expected: (error: unknown) => E | undefined = () => undefined,
  ): Promise<T | E> {
    try {
      return await request();
    } catch (error) {
      const answer = expected(error);
      if (answer !== undefined) return answer;
      throw storeError(error, `s3://${Bucket}/${key}`, tries);
    }
  }

  async function get(key: string, range: { from: number; to: number } | undefined): Promise<Uint8Array> {
    for (let attempt = 1; ; attempt++) {
      const Range = range === undefined ? {} : { Range: `bytes=${range.from}-${range.to - 1}` };
      const { Body, ContentLength } = await client.send(new sdk.GetObjectCommand({ Bucket, Key: key, ...Range }));
      try {
        return await bytesOf(Body as Readable | undefined, ContentLength, silenceMs);
      } catch (error) {
        if (attempt >= tries) throw error;
        await sleep(randomInt(Math.min(bodyBackoff.capMs, bodyBackoff.baseMs * 2 ** attempt)));
      }
    }
  }

  return {
    url,
    async put(key, bytes) {
      await asked(key, () => client.send(new sdk.PutObjectCommand({ Bucket, Key: key, Body: bytes, ...checked(bytes) })));
    },
    putIfAbsent: (key, bytes) =>
      asked(
        key,
        async () => {
          await client.send(new sdk.PutObjectCommand({ Bucket, Key: key, Body: bytes, IfNoneMatch: '*', ...checked(bytes) }));
          return true;
        },
        // 409: another one writes it at this moment.
        (error) => ([409, 412].includes(statusOf(error) ?? 0) ? false : undefined),
      ),
    async get(key, range) {
      const found = await asked(
        key,
        () => get(key, range),
        (error) => (isMissing(error) ? ('missing' as const) : statusOf(error) === 416 ? ('beyond' as const) : undefined),
      );
      return found === 'missing' ? undefined : found === 'beyond' ? new Uint8Array(0) : found;
    },
    async size(key) {
      const found = await asked(
        key,
        async () => (await client.send(new sdk.HeadObjectCommand({ Bucket, Key: key }))).ContentLength ?? 0,
        (error) => (isMissing(error) ? ('missing' as const) : undefined),
      );
      return found === 'missing' ? undefined : found;
    },
    async copy(from, to) {
      const CopySource = encodeURIComponent(`${Bucket}/${from}`).replaceAll('%2F', '/');
      await asked(from, () => client.send(new sdk.CopyObjectCommand({ Bucket, Key: to, CopySource })));
    },
    async delete(key) {
      await asked(
        key,
        () => client.send(new sdk.DeleteObjectCommand({ Bucket, Key: key })),
        (error) => (isMissing(error) ? ('gone' as const) : undefined),
      );
    },
    async *list(prefix) {
      let ContinuationToken: string | undefined;
      do {
        const token = ContinuationToken === undefined ? {} : { ContinuationToken };
        const page = await asked(prefix, () =>
          client.send(new sdk.ListObjectsV2Command({ Bucket, Prefix: prefix, MaxKeys, ...token })),
        );
        yield (page.Contents ?? []).flatMap(({ Key }) => (Key === undefined ? [] : [Key]));
        ContinuationToken = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      } while (ContinuationToken !== undefined);
    },
    async beginParts(key) {
      const algorithm = checksums ? { ChecksumAlgorithm: 'SHA256' as const } : {};
      const { UploadId } = await asked(key, () =>
        client.send(new sdk.CreateMultipartUploadCommand({ Bucket, Key: key, ...algorithm })),
      );
      return UploadId ?? '';
    },
    async putPart(key, UploadId, index, bytes) {
      const command = new sdk.UploadPartCommand({
        ...{ Bucket, Key: key, UploadId, PartNumber: index + 1, Body: bytes },
        ...checked(bytes),
      });
      const answer = await asked(
        key,
        () => client.send(command),
        (error) => (isForgotten(error) ? ('forgotten' as const) : undefined),
      );
      if (answer === 'forgotten') return undefined;
      return { etag: answer.ETag ?? '', sha256: sha256Base64(bytes), bytes: bytes.length };
    },
    joinParts: (key, UploadId, parts) =>
      asked(
        key,
        async () => {
          const Parts = parts.map(({ etag, sha256 }, i) => ({
            ...{ ETag: etag, PartNumber: i + 1 },
            ...(checksums ? { ChecksumSHA256: sha256 } : {}),
          }));
          await client.send(new sdk.CompleteMultipartUploadCommand({ Bucket, Key: key, UploadId, MultipartUpload: { Parts } }));
          return true;
        },
        (error) => (isForgotten(error) ? false : undefined),
      ),
    async abortParts(key, UploadId) {
      await client.send(new sdk.AbortMultipartUploadCommand({ Bucket, Key: key, UploadId })).catch(() => {});
    },
    close: () => client.destroy(),
  };
}

/** Throws when the body breaks off, stalls, or is shorter than it was said to be. */
async function bytesOf(body: Readable | undefined, total: number | undefined, silenceMs: number): Promise<Uint8Array> {
  if (body === undefined) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  const timer = setTimeout(() => body.destroy(new Error(`nothing came for ${silenceMs} ms`)), silenceMs);
  try {
    for await (const chunk of body) {
      chunks.push(chunk as Uint8Array);
      timer.refresh();
    }
  } finally {
    clearTimeout(timer);
  }
  const bytes = Buffer.concat(chunks);
  if (total !== undefined && bytes.length !== total) throw new Error(`${bytes.length} of ${total} bytes came`);
  // A view of its own: small buffers share one pool.
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
