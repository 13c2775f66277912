import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { fileArtifacts } from '../../src/artifacts/files.ts';
import { memoryArtifacts } from '../../src/artifacts/memory.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { NoisefoldError } from '../../src/base/errors.ts';
import { sha256 } from '../../src/base/hash.ts';
import { createBlobClient } from '../../src/wire/blobs/client.ts';
import { createBlobServer, type BlobServer, type BlobServerOptions } from '../../src/wire/blobs/server.ts';
import type { BlobAnswer, BlobMessage } from '../../src/wire/messages.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const bytesOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => (index * 7 + (index >> 8)) & 255);

/** A client and a server; what they say waits in `up` and `down` until somebody delivers it. Chunks have 10 bytes. */
function connected(artifacts: ArtifactStore, options: Partial<BlobServerOptions> & { patienceMs?: number } = {}) {
  const up: BlobMessage[] = [];
  const down: BlobAnswer[] = [];
  /** What the server was told, in flow(). */
  const heard: BlobMessage[] = [];
  let tick: () => void = () => {};
  const start = (): BlobServer => createBlobServer({ artifacts, send: (_peer, answer) => down.push(answer), ...options });
  let server = start();
  const client = createBlobClient({
    send: (message) => up.push(message),
    every: (_ms, callback) => {
      tick = callback;
      return () => (tick = () => {});
    },
    limits: { chunkBytes: 10, window: 4, ...(options.patienceMs === undefined ? {} : { patienceMs: options.patienceMs }) },
  });
  return {
    client,
    up,
    down,
    heard,
    server: () => server,
    tick: (times: number) => {
      for (let n = 0; n < times; n++) tick();
    },
    restart: () => (server = start()),
    hearUp: (message: BlobMessage) => server.handle('peer', message),
    hearDown: (answer: BlobAnswer) => client.hear(answer),
    /** Delivers everything, until nothing more is said. */
    async flow(): Promise<void> {
      for (let quiet = 0; quiet < 20; quiet++) {
        if (up.length + down.length > 0) quiet = 0;
        for (const message of up.splice(0)) {
          heard.push(message);
          server.handle('peer', message);
        }
        for (const answer of down.splice(0)) client.hear(answer);
        await turn();
      }
    },
  };
}

const failsWith = (code: string) => (error: unknown) => error instanceof NoisefoldError && error.code === code;

describe('blobs in chunks', () => {
  it('arrive as they were, whatever their size', async () => {
    for (const length of [0, 1, 9, 10, 11, 40, 41, 1_000]) {
      const artifacts = memoryArtifacts();
      const bytes = bytesOf(length);
      const hash = sha256(bytes);
      const there = connected(artifacts);
      const seen: number[] = [];
      const put = there.client.put(hash, bytes, undefined, ({ received }) => seen.push(received));
      await there.flow();
      await put;
      assert.equal(seen.at(-1), length);
      const got = there.client.get(hash);
      await there.flow();
      assert.deepEqual(await got, bytes);
    }
  });

  it('are not sent when the coordinator has them, or the part that it has', async () => {
    const artifacts = memoryArtifacts();
    const bytes = bytesOf(100);
    const hash = sha256(bytes);
    await (await artifacts.upload(hash, 100)).append(bytes.subarray(0, 63));
    const there = connected(artifacts);
    const sent = () =>
      there.heard.flatMap((message) => (message.type === 'put' && message.bytes.length > 0 ? [message.offset] : []));
    const put = there.client.put(hash, bytes);
    await there.flow();
    await put;
    assert.deepEqual(sent(), [63, 73, 83, 93]);
    const again = there.client.put(hash, bytes);
    await there.flow();
    await again;
    assert.equal(sent().length, 4);
  });

  it('come from where the sink wants them', async () => {
    const artifacts = memoryArtifacts();
    const hash = await artifacts.put(bytesOf(55));
    const there = connected(artifacts);
    const got: number[] = [];
    const fetched = there.client.fetch(hash, {
      begin: (total) => Promise.resolve(total - 23),
      append: (bytes) => Promise.resolve(void got.push(...bytes)),
    });
    await there.flow();
    await fetched;
    assert.deepEqual(got, [...bytesOf(55).subarray(32)]);
  });

  it('wait for a sink that is slow: no more than a window is asked for ahead of it', async () => {
    const artifacts = memoryArtifacts();
    const hash = await artifacts.put(bytesOf(1_000));
    const there = connected(artifacts);
    let release: () => void = () => {};
    const fetched = there.client.fetch(hash, {
      begin: () => Promise.resolve(0),
      append: () => new Promise<void>((resolve) => (release = resolve)),
    });
    await there.flow();
    there.tick(100);
    await there.flow();
    const furthest = Math.max(...there.heard.map(({ offset }) => offset));
    assert.ok(furthest <= 40, `${furthest}`);
    for (let n = 0; n < 100; n++) {
      release();
      await there.flow();
    }
    await fetched;
  });

  it('go on after a restart of the coordinator in the middle, without what it had', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'noisefold-'));
    try {
      const bytes = bytesOf(100);
      const hash = sha256(bytes);
      const there = connected(fileArtifacts(folder));
      const put = there.client.put(hash, bytes);
      for (let n = 0; n < 3; n++) {
        await turn();
        for (const message of there.up.splice(0, 2)) there.hearUp(message);
        await there.server().close();
        for (const answer of there.down.splice(0)) there.hearDown(answer);
        there.restart();
      }
      const kept = (await fileArtifacts(folder).upload(hash, 100)).received();
      assert.ok(kept > 0 && kept < 100, `${kept}`);
      there.up.length = 0;
      there.tick(10);
      // The disk takes its time.
      const ends = put.then(() => 'there');
      while ((await Promise.race([ends, sleep(1)])) !== 'there') {
        there.tick(1);
        await there.flow();
      }
      assert.deepEqual(new Uint8Array(await fileArtifacts(folder).get(hash)), bytes);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('begin anew when what the coordinator had of them is damaged; and are refused when they are not what their hash says', async () => {
    const artifacts = memoryArtifacts();
    const bytes = bytesOf(50);
    const hash = sha256(bytes);
    await (await artifacts.upload(hash, 50)).append(new Uint8Array(30));
    const there = connected(artifacts);
    const put = there.client.put(hash, bytes);
    await there.flow();
    await put;
    assert.deepEqual(await artifacts.get(hash), bytes);

    const lie = there.client.put('a'.repeat(64), bytes);
    const refused = assert.rejects(lie, failsWith('ARTIFACT_CORRUPT'));
    await there.flow();
    await refused;
    assert.deepEqual(await artifacts.list(), [hash]);
  });

  it('are refused when they are not there, damaged, too large, or the disk is full', async () => {
    const artifacts = memoryArtifacts();
    const bytes = bytesOf(50);
    const there = connected(artifacts, { maxBlobBytes: 60 });
    const refusedWith = async (code: string, transfer: Promise<unknown>) => {
      const refused = assert.rejects(transfer, failsWith(code));
      await there.flow();
      await refused;
    };
    await refusedWith('ARTIFACT_NOT_FOUND', there.client.get(sha256(bytes)));
    const hash = await artifacts.put(bytes);
    artifacts.damage(hash, 'flip');
    await refusedWith('ARTIFACT_CORRUPT', there.client.get(hash));
    await refusedWith('ARTIFACT_NOT_FOUND', there.client.get(hash));
    await refusedWith('WIRE_MALFORMED', there.client.put(sha256(bytesOf(61)), bytesOf(61)));
    const full = connected({
      ...artifacts,
      upload: async (of, total) => ({
        ...(await artifacts.upload(of, total)),
        append: () => Promise.reject(new NoisefoldError('DISK_FULL', 'no space left')),
      }),
    });
    const refused = assert.rejects(full.client.put(hash, bytes), failsWith('DISK_FULL'));
    await full.flow();
    await refused;
  });

  it('end when the signal says so, when the coordinator is silent for too long, and when the client closes', async () => {
    const there = connected(memoryArtifacts(), { patienceMs: 60_000 });
    const hash = sha256('x');
    const abort = new AbortController();
    const aborted = assert.rejects(there.client.get(hash, undefined, abort.signal), /enough/);
    abort.abort(new Error('enough'));
    await aborted;
    await assert.rejects(there.client.get(hash, undefined, abort.signal), /enough/);
    const silent = assert.rejects(there.client.get(hash), failsWith('WIRE_UNREACHABLE'));
    there.tick(240);
    await silent;
    const cut = assert.rejects(there.client.put(hash, bytesOf(5)), failsWith('WIRE_UNREACHABLE'));
    there.client.close();
    await cut;
  });

  it('say again what is not answered, ever more seldom', () => {
    const there = connected(memoryArtifacts());
    const transfer = there.client.get(sha256('x'));
    there.tick(4 * 60);
    // At 0, 1, 3, 7, 15, 30 and 45 s; the next one at 60 s.
    assert.equal(there.up.length, 8);
    there.client.close();
    return assert.rejects(transfer);
  });

  it('take in only what goes on where they end so far; the answer says where that is', async () => {
    const artifacts = memoryArtifacts();
    const bytes = bytesOf(50);
    const hash = sha256(bytes);
    const there = connected(artifacts);
    const put = (offset: number, end: number): void =>
      there.hearUp({ type: 'put', transfer: 1, hash, offset, total: 50, bytes: bytes.subarray(offset, end) });
    put(20, 30);
    put(0, 10);
    put(0, 10);
    put(5, 15);
    put(20, 30);
    await there.server().close();
    assert.deepEqual(
      there.down.map((answer) => answer.type === 'stored' && answer.received),
      [0, 10, 10, 15, 15],
    );
  });

  it('are taken from no one who asks for too much at a time', async () => {
    const artifacts = memoryArtifacts();
    const hash = await artifacts.put(bytesOf(100));
    const there = connected(artifacts, { perPeer: 5, reads: 2 });
    for (let n = 0; n < 1_000; n++) there.hearUp({ type: 'fetch', transfer: 1, hash, offset: 0, length: 10 });
    await there.server().close();
    assert.equal(there.down.length, 5);
  });

  it('name the transfers under way until they have been idle for a while', () => {
    let now = 0;
    const there = connected(memoryArtifacts(), { idleMs: 1_000, now: () => now });
    const [one, two] = [sha256('1'), sha256('2')];
    there.hearUp({ type: 'fetch', transfer: 1, hash: one, offset: 0, length: 1 });
    now = 900;
    there.hearUp({ type: 'put', transfer: 2, hash: two, offset: 0, total: 5, bytes: new Uint8Array(0) });
    assert.deepEqual([...there.server().inFlight()], [one, two]);
    now = 1_500;
    assert.deepEqual([...there.server().inFlight()], [two]);
  });

  it('survive a channel that loses, repeats and reorders, and coordinators that restart: what arrives is what was sent', async () => {
    const fate = fc.record({
      up: fc.boolean(),
      index: fc.nat(30),
      what: fc.constantFrom('deliver', 'deliver', 'deliver', 'deliver', 'repeat', 'lose', 'tick', 'restart'),
    });
    await fc.assert(
      fc.asyncProperty(fc.nat(130), fc.array(fate, { maxLength: 150 }), fc.boolean(), async (length, fates, isPut) => {
        const artifacts = memoryArtifacts();
        const bytes = bytesOf(length);
        const hash = sha256(bytes);
        const there = connected(artifacts);
        if (!isPut) await artifacts.put(bytes);
        let got: Uint8Array | undefined;
        const transfer = isPut
          ? there.client.put(hash, bytes).then(async () => (got = await artifacts.get(hash)))
          : there.client.get(hash).then((arrived) => (got = arrived));
        for (const { up, index, what } of fates) {
          const queue = up ? there.up : there.down;
          const at = index % Math.max(1, queue.length);
          const message = queue[at];
          if (what === 'tick') there.tick(5);
          else if (what === 'restart') {
            await there.server().close();
            there.restart();
          } else if (message) {
            if (what !== 'repeat') queue.splice(at, 1);
            if (what !== 'lose') {
              if (up) there.hearUp(message as BlobMessage);
              else there.hearDown(message as BlobAnswer);
            }
          }
          await turn();
          assert.ok(there.up.length <= 200 && there.down.length <= 400, 'nobody talks without end');
        }
        // The channel is well again.
        for (let n = 0; n < 10 && got === undefined; n++) {
          await there.flow();
          there.tick(100);
        }
        await there.flow();
        assert.ok(got !== undefined, 'the transfer ends when the channel is well');
        await transfer;
        assert.deepEqual(new Uint8Array(got), bytes);
      }),
      { numRuns: 150 },
    );
  });
});
