import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryArtifacts } from '../../src/artifacts/memory.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { NoisefoldError } from '../../src/base/errors.ts';
import { sha256 } from '../../src/base/hash.ts';
import { silentLog } from '../../src/base/ports.ts';
import type { BlobChannel } from '../../src/worker/blobs.ts';
import { directBlobs } from '../../src/worker/direct.ts';

const bytes = new Uint8Array(1_000).map((_, i) => i);
const hash = sha256(bytes);
const away = (): Promise<never> => Promise.reject(new NoisefoldError('ARTIFACTS_UNAVAILABLE', 'away'));
const { signal } = new AbortController();

/** A store, a wire that hands over `bytes`, and a sink that keeps what it gets. */
function setUp(trouble: Partial<ArtifactStore> = {}) {
  const behind = memoryArtifacts();
  const wired: string[] = [];
  const kept: number[] = [];
  const sink = {
    begin: () => Promise.resolve(kept.length),
    append: (piece: Uint8Array) => Promise.resolve(void kept.push(...piece)),
  };
  const wire: BlobChannel = {
    async fetch(_, to) {
      wired.push('fetch');
      const at = await to.begin(bytes.length);
      await to.append(bytes.subarray(at));
    },
    put: () => Promise.resolve(void wired.push('put')),
  };
  const channel = directBlobs({ store: { ...behind, ...trouble }, wire, log: silentLog, pieceBytes: 300 });
  const source = { size: 1_000, read: (at: number, length: number) => Promise.resolve(bytes.subarray(at, at + length)) };
  return { behind, channel, wired, kept, sink, source };
}

describe('a worker that reaches the coordinator’s store', () => {
  it('reads and writes there, and the wire has nothing to do', async () => {
    const { behind, channel, wired, kept, sink, source } = setUp();
    await channel.put(hash, source, signal);
    assert.equal(await behind.verify(hash), 'good');
    await channel.fetch(hash, sink, signal);
    assert.deepEqual(Uint8Array.from(kept), bytes);
    assert.deepEqual(wired, []);
  });

  it('goes on over the wire where the store left off', async () => {
    let reads = 0;
    const { behind, channel, wired, kept, sink } = setUp({
      read: (...given) => (++reads < 3 ? behind.read(...given) : away()),
    });
    await behind.put(bytes);
    await channel.fetch(hash, sink, signal);
    assert.deepEqual([Uint8Array.from(kept), wired], [bytes, ['fetch']]);
  });

  it('asks the coordinator for what is not there, or does not answer', async () => {
    for (const size of [() => Promise.resolve(undefined), away]) {
      const { channel, wired, sink } = setUp({ size });
      await channel.fetch(hash, sink, signal);
      assert.deepEqual(wired, ['fetch']);
    }
  });

  it('hands to the coordinator what it may not write itself', async () => {
    const { channel, wired, source } = setUp({
      upload: async (...given) => ({ ...(await memoryArtifacts().upload(...given)), finish: away }),
    });
    await channel.put(hash, source, signal);
    assert.deepEqual(wired, ['put']);
  });

  it('does not take its own full disk, or its end, for the store’s trouble', async () => {
    const { behind, channel, wired, sink } = setUp();
    await behind.put(bytes);
    const full = { ...sink, append: () => Promise.reject(new NoisefoldError('DISK_FULL', 'full')) };
    await assert.rejects(channel.fetch(hash, full, signal), { code: 'DISK_FULL' });
    await assert.rejects(channel.fetch(hash, sink, AbortSignal.abort(new Error('leaving'))), /leaving/);
    assert.deepEqual(wired, []);
  });
});
