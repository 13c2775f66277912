import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { memoryArtifacts } from '../../src/artifacts/memory.ts';
import { nearArtifacts } from '../../src/artifacts/near.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { NoisefoldError } from '../../src/base/errors.ts';
import { sha256 } from '../../src/base/hash.ts';

/** Counts calls, and fails while told so. */
function watched(store: ArtifactStore) {
  const calls: string[] = [];
  const trouble = { away: false };
  const told = new Proxy(store, {
    get(target, name, receiver) {
      const method: unknown = Reflect.get(target, name, receiver);
      if (typeof method !== 'function') return method;
      return (...given: readonly unknown[]): unknown => {
        calls.push(String(name));
        if (trouble.away) return Promise.reject(new NoisefoldError('ARTIFACTS_UNAVAILABLE', 'away'));
        return Reflect.apply(method, target, given) as unknown;
      };
    },
  });
  return { store: told, calls, trouble };
}

const bytes = new Uint8Array(1_000).map((_, i) => i);
const hash = sha256(bytes);

function setUp(limit = 10_000) {
  const near = memoryArtifacts();
  const behind = memoryArtifacts();
  const { store: far, calls, trouble } = watched(behind);
  return { near, behind, calls, trouble, artifacts: nearArtifacts({ near, far, limit }) };
}

describe('a far store with a folder in front', () => {
  it('is asked once for a blob that is read in chunks', async () => {
    const { artifacts, behind, calls } = setUp();
    await behind.put(bytes);
    for (let at = 0; at < 1_000; at += 100) {
      assert.equal(await artifacts.size(hash), 1_000);
      assert.deepEqual(await artifacts.read(hash, at, 100), bytes.slice(at, at + 100));
    }
    assert.deepEqual(calls, ['size', 'size', 'get']);
  });

  it('takes a blob that came in chunks as one, when it is whole', async () => {
    const { artifacts, behind, calls } = setUp();
    for (let at = 0; at < 1_000; at += 100) await (await artifacts.upload(hash, 1_000)).append(bytes.subarray(at, at + 100));
    assert.equal(await artifacts.size(hash), undefined);
    await (await artifacts.upload(hash, 1_000)).finish();
    assert.deepEqual(calls, ['size', 'put']);
    assert.equal(await behind.verify(hash), 'good');
  });

  it('does not have what it did not take, and takes it later without its bytes', async () => {
    const { artifacts, behind, trouble } = setUp();
    const upload = await artifacts.upload(hash, 1_000);
    await upload.append(bytes);
    trouble.away = true;
    await assert.rejects(upload.finish(), { code: 'ARTIFACTS_UNAVAILABLE' });
    trouble.away = false;
    assert.equal(await artifacts.has(hash), false);
    const again = await artifacts.upload(hash, 1_000);
    assert.equal(again.received(), 1_000);
    await again.finish();
    assert.equal(await artifacts.has(hash), true);
    assert.equal(await behind.verify(hash), 'good');
  });

  it('lends copies only as there is room, those used longest ago going first', async () => {
    const { artifacts, near } = setUp(2_500);
    const hashes: string[] = [];
    for (let i = 0; i < 3; i++) hashes.push(await artifacts.put(new Uint8Array(1_000).fill(i)));
    assert.deepEqual(await near.list(), hashes.slice(1).sort());
    const large = await artifacts.put(new Uint8Array(3_000));
    assert.equal((await artifacts.read(large, 2_990, 100)).length, 10);
    assert.deepEqual([await near.has(large), (await artifacts.list()).length], [false, 4]);
    // The one that went comes back, for the one that was used before the other.
    await artifacts.read(hashes[1] ?? '', 0, 1);
    await artifacts.read(hashes[0] ?? '', 0, 1);
    assert.deepEqual(await near.list(), hashes.slice(0, 2).sort());
  });

  it('reads past a copy that was damaged', async () => {
    const { artifacts, near } = setUp();
    await artifacts.put(bytes);
    near.damage(hash, 'flip');
    assert.deepEqual(await artifacts.get(hash), bytes);
    assert.equal(await near.verify(hash), 'good');
  });

  it('has no copy of what the far store lost or deleted', async () => {
    const { artifacts, near, behind } = setUp();
    await artifacts.put(bytes);
    await behind.delete(hash);
    assert.equal(await artifacts.verify(hash), 'missing');
    assert.equal(await artifacts.has(hash), false);
    assert.deepEqual(await near.list(), []);
  });
});
