import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { fileArtifacts } from '../../src/artifacts/files.ts';
import { memoryArtifacts } from '../../src/artifacts/memory.ts';
import { NoisefoldError, type ErrorCode } from '../../src/base/errors.ts';
import { sha256 } from '../../src/base/hash.ts';
import { silentLog } from '../../src/base/ports.ts';
import { identityFile } from '../../src/wire/messages.ts';
import { seesFolder, type BlobChannel, type Blobs, type Needs } from '../../src/worker/blobs.ts';
import { cachedBlobs } from '../../src/worker/cache.ts';

const root = mkdtempSync(join(tmpdir(), 'noisefold-cache-'));
after(() => rmSync(root, { recursive: true, force: true }));

let folder = '';
let coordinator = memoryArtifacts();
/** What was asked of the connection: `fetch h from 0`. */
let asked: string[] = [];
/** Called before each chunk. */
let onChunk: (hash: string, offset: number) => void = () => {};
let nowMs = 0;
beforeEach(() => {
  folder = mkdtempSync(join(root, 'c-'));
  coordinator = memoryArtifacts();
  asked = [];
  onChunk = () => {};
  nowMs = Date.now();
});

const chunk = 4;
const short = (hash: string): string => hash.slice(0, 6);
const never = new AbortController().signal;

const channel: BlobChannel = {
  async fetch(hash, sink, signal) {
    const bytes = await coordinator.get(hash);
    const from = await sink.begin(bytes.length);
    asked.push(`fetch ${short(hash)} from ${from}`);
    for (let offset = from; offset < bytes.length; offset += chunk) {
      signal.throwIfAborted();
      onChunk(hash, offset);
      await sink.append(bytes.subarray(offset, offset + chunk));
    }
  },
  async put(hash, source) {
    assert.equal(await coordinator.put(await source.read(0, source.size)), hash);
    asked.push(`put ${short(hash)}`);
  },
};

const open = (limit = 1_000, through: BlobChannel = channel): Blobs =>
  cachedBlobs({ folder, limit, openStore: fileArtifacts, channel: through, clock: { now: () => nowMs++ }, log: silentLog });
const needing = (...required: string[]): Needs => ({ required, wanted: [] });
const prepare = (blobs: Blobs, needs: Needs, signal = never) => blobs.prepare(needs, () => {}, signal);
const rejects = (code: ErrorCode) => (error: unknown) => error instanceof NoisefoldError && error.code === code;
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const cached = async (): Promise<string[]> => [...(await fileArtifacts(join(folder, 'blobs')).list())];

describe('a worker’s cache', () => {
  it('fetches what a task needs once, shows how far it is, and gives each task a folder of its own', async () => {
    const hash = await coordinator.put(bytesOf('prepared data'));
    const blobs = open();
    const seen: string[] = [];
    const first = await blobs.prepare(needing(hash), ({ received, total }) => seen.push(`${received}/${total}`), never);
    assert.deepEqual(seen, ['4/13', '8/13', '12/13', '13/13']);
    const second = await prepare(open(), needing(hash));
    assert.deepEqual(asked, [`fetch ${short(hash)} from 0`]);
    assert.notEqual(first.path, second.path);
    for (const { path } of [first, second]) assert.deepEqual(await fileArtifacts(path).get(hash), Buffer.from('prepared data'));
    await first.close();
    assert.ok(!existsSync(first.path));
  });

  it('goes on where it was when the connection, or the worker, comes back', async () => {
    const hash = await coordinator.put(bytesOf('prepared data'));
    onChunk = (_, offset) => {
      if (offset === 8) throw new NoisefoldError('WIRE_MALFORMED', 'cut');
    };
    await assert.rejects(prepare(open(), needing(hash)), rejects('WIRE_MALFORMED'));
    onChunk = () => {};
    await prepare(open(), needing(hash));
    assert.deepEqual(asked, [`fetch ${short(hash)} from 0`, `fetch ${short(hash)} from 8`]);
  });

  it('fetches again what arrives with other bytes, but not for ever; what rotted on its disk it replaces', async () => {
    const hash = await coordinator.put(bytesOf('good'));
    let bad = 1;
    const noisy: BlobChannel = {
      ...channel,
      async fetch(wanted, sink) {
        await sink.begin(4);
        await sink.append(bytesOf(bad-- > 0 ? 'evil' : 'good'));
        asked.push(short(wanted));
      },
    };
    await prepare(open(1_000, noisy), needing(hash));
    assert.equal(asked.length, 2);
    writeFileSync(join(folder, 'blobs', hash.slice(0, 2), hash.slice(2)), 'rot!');
    await prepare(open(1_000, noisy), needing(hash));
    assert.equal(asked.length, 3);
    bad = Infinity;
    const other = sha256(bytesOf('never'));
    await assert.rejects(prepare(open(1_000, noisy), needing(other)), rejects('ARTIFACT_CORRUPT'));
  });

  it('makes room by what was used longest ago, and never takes a running task’s blobs away', async () => {
    const hashes = await Promise.all(['aaaa', 'bbbb', 'cccc', 'dddd'].map((text) => coordinator.put(bytesOf(text))));
    const [a = '', b = '', c = '', d = ''] = hashes;
    const blobs = open(12);
    for (const hash of [a, b, c]) await (await prepare(blobs, needing(hash))).close();
    const running = await prepare(blobs, needing(b));
    await prepare(blobs, needing(d));
    assert.deepEqual((await cached()).toSorted(), [b, c, d].toSorted(), 'b was used after a and c');
    const large = await coordinator.put(bytesOf('larger than all the room'));
    await prepare(blobs, needing(large));
    assert.deepEqual(await cached(), [large]);
    assert.deepEqual(await fileArtifacts(running.path).get(b), Buffer.from('bbbb'));
  });

  it('starts a task without a checkpoint that the coordinator has lost, but not without its data', async () => {
    const hash = await coordinator.put(bytesOf('data'));
    const gone = sha256(bytesOf('gone'));
    await prepare(open(), { required: [hash], wanted: [gone] });
    await assert.rejects(prepare(open(), needing(gone)), rejects('ARTIFACT_NOT_FOUND'));
    assert.equal(readdirSync(join(folder, 'tasks')).length, 1, 'what failed leaves no folder behind');
  });

  it('uploads what a task made, and keeps the newest checkpoint only', async () => {
    const hash = await coordinator.put(bytesOf('data'));
    const task = await prepare(open(), needing(hash));
    const made = fileArtifacts(task.path);
    const one = await made.put(bytesOf('checkpoint 1'));
    await task.upload(one, never);
    const two = await made.put(bytesOf('checkpoint 2'));
    await task.upload(two, never);
    assert.equal(new TextDecoder().decode(await coordinator.get(two)), 'checkpoint 2');
    assert.deepEqual((await made.list()).toSorted(), [hash, two].toSorted());
    await task.close();
    await prepare(open(), { required: [hash], wanted: [two] });
    assert.deepEqual(
      asked.filter((line) => line.startsWith('fetch')),
      [`fetch ${short(hash)} from 0`],
      'it goes on from here without fetching',
    );
  });

  it('lets one worker fetch what several want at once', async () => {
    const hash = await coordinator.put(bytesOf('prepared data'));
    await Promise.all([open(), open(), open()].map((blobs) => prepare(blobs, needing(hash))));
    assert.equal(asked.length, 1);
  });

  it('takes over from one that died while it fetched', async () => {
    const hash = await coordinator.put(bytesOf('data'));
    const blobs = open();
    onChunk = () => {
      throw new NoisefoldError('WIRE_MALFORMED', 'died');
    };
    await assert.rejects(prepare(blobs, needing(hash)));
    onChunk = () => {};
    writeFileSync(join(folder, 'locks', hash), '');
    nowMs += 61_000;
    await prepare(blobs, needing(hash));
    assert.equal(asked.length, 2);
  });

  it('stops fetching when told to', async () => {
    const hash = await coordinator.put(bytesOf('prepared data'));
    const stop = new AbortController();
    onChunk = (_, offset) => {
      if (offset === 4) stop.abort();
    };
    await assert.rejects(prepare(open(), needing(hash), stop.signal), { name: 'AbortError' });
    assert.equal(readdirSync(join(folder, 'tasks')).length, 0);
    assert.equal(readdirSync(join(folder, 'locks')).length, 0);
  });
});

describe('a worker', () => {
  it('sees the coordinator’s folder only where that coordinator’s identity is in it', async () => {
    assert.equal(await seesFolder(folder, 'c1'), false);
    writeFileSync(join(folder, identityFile), 'c1\n');
    assert.deepEqual([await seesFolder(folder, 'c1'), await seesFolder(folder, 'c2')], [true, false]);
    assert.deepEqual([await seesFolder('', 'c1'), await seesFolder(folder, '')], [false, false]);
  });
});
