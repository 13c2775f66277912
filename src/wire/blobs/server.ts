/**
 * The coordinator's end of blobs in chunks. It keeps no state of a transfer but what is being worked on: every message says which bytes it is about, and
 * what has arrived of a blob is kept by the artifact store, over reconnections and restarts.
 *
 *     fetch(offset, length)        ->  chunk | refused
 *     put(offset, bytes, total)    ->  stored(received, complete) | refused
 *
 * A put that does not go on where the blob ends so far adds nothing, and its answer says where to go on; so a lost or repeated chunk is mended by the sender.
 * Puts of one blob are done one after the other, whoever sends them: several workers may make the same checkpoint.
 *
 * Memory: a peer has at most `perPeer` messages waiting (more are dropped; it asks again), and `reads` chunks at a time are read for all of them.
 */
import { createHash } from 'node:crypto';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { asNoisefoldError, NoisefoldError } from '../../base/errors.ts';
import { silentLog, type Log } from '../../base/ports.ts';
import { maxChunkBytes } from '../fields.ts';
import type { BlobAnswer, BlobMessage } from '../messages.ts';

export interface BlobServerOptions {
  readonly artifacts: ArtifactStore;
  readonly send: (peer: string, answer: BlobAnswer) => void;
  /** Larger blobs are refused. */
  readonly maxBlobBytes?: number;
  /** Messages of one peer that may wait. */
  readonly perPeer?: number;
  /** Chunks that are read at a time. */
  readonly reads?: number;
  /** A transfer counts as under way for so many milliseconds after its last message. */
  readonly idleMs?: number;
  /** Milliseconds, of any clock that does not go back. */
  readonly now?: () => number;
  readonly log?: Log;
}

export interface BlobServer {
  handle(peer: string, message: BlobMessage): void;
  /** Hashes of transfers under way: nothing that they name may be deleted. */
  inFlight(): Iterable<string>;
  /** Resolves when what has begun is done; nothing more is taken in. */
  close(): Promise<void>;
}

type Fetch = Extract<BlobMessage, { type: 'fetch' }>;
type Put = Extract<BlobMessage, { type: 'put' }>;

/** Blobs remembered as verified. */
const maxVerified = 10_000;
/** Transfers remembered as under way, before those that are over are forgotten. */
const maxActive = 10_000;

export function createBlobServer(options: BlobServerOptions): BlobServer {
  const { artifacts, send, maxBlobBytes = 2 ** 36, perPeer = 32, reads = 16, idleMs = 60_000, log = silentLog } = options;
  const now = options.now ?? (() => performance.now());
  const waiting = new Map<string, number>();
  const fetches: { readonly peer: string; readonly message: Fetch }[] = [];
  const puts = new Map<string, Promise<void>>();
  const active = new Map<string, number>();
  const verified = new Set<string>();
  const verifications = new Map<string, Promise<boolean>>();
  let reading = 0;
  let closed = false;
  let onIdle: () => void = () => {};

  function done(peer: string): void {
    const left = (waiting.get(peer) ?? 1) - 1;
    if (left > 0) waiting.set(peer, left);
    else waiting.delete(peer);
    if (waiting.size === 0) onIdle();
  }

  function refuse(peer: string, { transfer, hash }: BlobMessage, thrown: unknown): void {
    const error = asNoisefoldError(thrown);
    log.log(error.code === 'INTERNAL' ? 'error' : 'warn', 'a blob was refused', {
      peer,
      hash,
      code: error.code,
      message: error.message,
    });
    send(peer, { type: 'refused', transfer, hash, code: error.code, reason: error.message });
  }

  function read(): void {
    while (reading < reads) {
      const next = fetches.shift();
      if (!next) return;
      reading++;
      const { peer, message } = next;
      void chunkOf(message)
        .then(
          (answer) => send(peer, answer),
          (thrown: unknown) => refuse(peer, message, thrown),
        )
        .finally(() => {
          reading--;
          done(peer);
          read();
        });
    }
  }

  async function chunkOf({ transfer, hash, offset, length }: Fetch): Promise<BlobAnswer> {
    const total = await artifacts.size(hash);
    if (total === undefined) throw new NoisefoldError('ARTIFACT_NOT_FOUND', `there is no artifact ${hash}`);
    if (offset > total) throw new NoisefoldError('WIRE_MALFORMED', `${hash} has ${total} bytes, and ${offset} is beyond`);
    if (!(await isGood(hash, total)))
      throw new NoisefoldError('ARTIFACT_CORRUPT', `the coordinator’s copy of ${hash} is damaged, and was put aside`);
    const bytes = await artifacts.read(hash, offset, Math.min(length, maxChunkBytes));
    return { type: 'chunk', transfer, hash, offset, total, bytes };
  }

  /** Whether the blob is what its hash says; reads it by ranges, once in this process's life. A damaged one is put aside. */
  function isGood(hash: string, total: number): Promise<boolean> {
    if (verified.has(hash)) return Promise.resolve(true);
    const under = verifications.get(hash);
    if (under) return under;
    const verification = (async () => {
      const digest = createHash('sha256');
      for (let at = 0; at < total; at += maxChunkBytes) digest.update(await artifacts.read(hash, at, maxChunkBytes));
      const good = digest.digest('hex') === hash;
      if (good) remember(hash);
      else await artifacts.verify(hash);
      return good;
    })().finally(() => verifications.delete(hash));
    verifications.set(hash, verification);
    return verification;
  }

  function remember(hash: string): void {
    if (verified.size >= maxVerified) verified.clear();
    verified.add(hash);
  }

  async function store(message: Put): Promise<BlobAnswer> {
    const { transfer, hash, offset, total, bytes } = message;
    if (total > maxBlobBytes)
      throw new NoisefoldError('WIRE_MALFORMED', `a blob of ${total} bytes is larger than ${maxBlobBytes}`);
    const stored = (received: number, complete: boolean): BlobAnswer => ({ type: 'stored', transfer, hash, received, complete });
    const size = await artifacts.size(hash);
    if (size !== undefined && (await isGood(hash, size))) return stored(total, true);
    const upload = await artifacts.upload(hash, total);
    if (bytes.length > 0 && offset <= upload.received() && offset + bytes.length > upload.received())
      await upload.append(bytes.subarray(upload.received() - offset));
    if (upload.received() < total) return stored(upload.received(), false);
    await upload.finish();
    remember(hash);
    return stored(total, true);
  }

  return {
    handle(peer, message) {
      const count = waiting.get(peer) ?? 0;
      if (closed || count >= perPeer) return;
      waiting.set(peer, count + 1);
      touch(message.hash);
      switch (message.type) {
        case 'fetch':
          fetches.push({ peer, message });
          read();
          return;
        case 'put': {
          const before = puts.get(message.hash) ?? Promise.resolve();
          const mine = before
            .then(() => store(message))
            .then(
              (answer) => send(peer, answer),
              (thrown: unknown) => refuse(peer, message, thrown),
            )
            .finally(() => {
              if (puts.get(message.hash) === mine) puts.delete(message.hash);
              done(peer);
            });
          puts.set(message.hash, mine);
          return;
        }
        default:
          message satisfies never;
      }
    },
    inFlight() {
      forget();
      return [...active.keys()];
    },
    async close() {
      closed = true;
      if (waiting.size > 0) await new Promise<void>((resolve) => (onIdle = resolve));
    },
  };

  function touch(hash: string): void {
    if (active.size >= maxActive) forget();
    active.set(hash, now());
  }

  function forget(): void {
    for (const [hash, at] of active) if (now() - at > idleMs) active.delete(hash);
  }
}
