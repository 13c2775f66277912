/** What every artifact store does, wherever the bytes are. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { NoisefoldError, type ErrorCode } from '../../src/base/errors.ts';
import { sha256 } from '../../src/base/hash.ts';

export const rejectsWith =
  (code: ErrorCode) =>
  (error: unknown): boolean =>
    error instanceof NoisefoldError && error.code === code;

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

export function artifactsContract(
  name: string,
  open: () => ArtifactStore | Promise<ArtifactStore>,
  damage: (artifacts: ArtifactStore, hash: string, how: 'flip' | 'truncate') => void,
): void {
  describe(`${name} artifacts`, () => {
    it('give back the bytes, under their SHA-256', async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 5_000 }), async (bytes) => {
          const artifacts = await open();
          const hash = await artifacts.put(bytes);
          assert.equal(hash, sha256(bytes));
          assert.deepEqual(new Uint8Array(await artifacts.get(hash)), bytes);
        }),
        { numRuns: 30 },
      );
    });

    it('hold a part of a larger buffer as that part', async () => {
      const artifacts = await open();
      const hash = await artifacts.put(bytesOf('abcdef').subarray(2, 4));
      assert.equal(new TextDecoder().decode(await artifacts.get(hash)), 'cd');
    });

    it('have what was put, once, until it is deleted', async () => {
      const artifacts = await open();
      const hashes = [];
      for (const text of ['one', 'two', 'two', '']) hashes.push(await artifacts.put(bytesOf(text)));
      assert.deepEqual(await artifacts.list(), [...new Set(hashes)].sort());
      const [one = '', two = ''] = hashes;
      await artifacts.delete(one);
      await artifacts.delete(one);
      assert.deepEqual([await artifacts.has(one), await artifacts.has(two)], [false, true]);
      assert.equal((await artifacts.list()).length, 2);
      await assert.rejects(artifacts.get(one), rejectsWith('ARTIFACT_NOT_FOUND'));
    });

    it('know nothing of what was never put, nor of names that are no hashes', async () => {
      const artifacts = await open();
      await artifacts.put(bytesOf('a neighbour'));
      for (const hash of [sha256('never'), '', '..', '../'.repeat(21) + 'x', sha256('never').toUpperCase()]) {
        assert.equal(await artifacts.has(hash), false);
        await assert.rejects(artifacts.get(hash), rejectsWith('ARTIFACT_NOT_FOUND'));
        await artifacts.delete(hash);
      }
      assert.equal((await artifacts.list()).length, 1);
    });

    it('tell the size of what is there, and nothing of what is not', async () => {
      const artifacts = await open();
      const hash = await artifacts.put(bytesOf('five!'));
      assert.equal(await artifacts.size(hash), 5);
      assert.equal(await artifacts.size(sha256('never')), undefined);
      assert.equal(await artifacts.size('..'), undefined);
      assert.equal(await artifacts.verify(hash), 'good');
      assert.equal(await artifacts.verify(sha256('never')), 'missing');
    });

    it('give any range of a blob, and what there is of one that leads beyond its end', async () => {
      const store = await open();
      const hash = await store.put(Uint8Array.of(1, 2, 3, 4, 5));
      assert.deepEqual([...(await store.read(hash, 1, 3))], [2, 3, 4]);
      assert.deepEqual([...(await store.read(hash, 3, 100))], [4, 5]);
      assert.deepEqual([...(await store.read(hash, 5, 1))], []);
      await assert.rejects(store.read('0'.repeat(64), 0, 1), { code: 'ARTIFACT_NOT_FOUND' });
    });

    it('take a blob in parts of any sizes, with restarts between them', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.boolean()), { maxLength: 6 }), async (parts) => {
          const artifacts = await open();
          const bytes = Buffer.concat(parts.map(([part]) => part));
          const hash = sha256(bytes);
          let upload = await artifacts.upload(hash, bytes.length);
          let sent = 0;
          for (const [part, again] of parts) {
            if (again) upload = await artifacts.upload(hash, bytes.length);
            assert.equal(upload.received(), sent);
            await upload.append(part);
            sent += part.length;
            assert.equal(await artifacts.has(hash), false, 'a blob is there when it is whole');
          }
          await assert.rejects(upload.append(bytesOf('x')), RangeError);
          await upload.finish();
          assert.deepEqual(new Uint8Array(await artifacts.get(hash)), new Uint8Array(bytes));
          assert.deepEqual(await artifacts.list(), [hash]);
        }),
        { numRuns: 20 },
      );
    });

    it('refuse parts that are not the blob, or not all of it, and begin anew', async () => {
      const artifacts = await open();
      const hash = sha256('right');
      for (const wrong of ['wrong', 'righ']) {
        const upload = await artifacts.upload(hash, 5);
        await upload.append(bytesOf(wrong));
        await assert.rejects(upload.finish(), rejectsWith('ARTIFACT_CORRUPT'));
        assert.equal(await artifacts.has(hash), false);
      }
      const upload = await artifacts.upload(hash, 5);
      assert.equal(upload.received(), 0);
      await upload.append(bytesOf('gone'));
      await upload.abandon();
      const again = await artifacts.upload(hash, 5);
      assert.equal(again.received(), 0);
      await again.append(bytesOf('right'));
      await again.finish();
      assert.equal(await artifacts.verify(hash), 'good');
    });

    it('find out what was changed or cut, put it aside, and heal when it is put again', async () => {
      for (const how of ['flip', 'truncate'] as const) {
        const artifacts = await open();
        const hash = await artifacts.put(bytesOf('good bytes'));
        damage(artifacts, hash, how);
        await assert.rejects(artifacts.get(hash), rejectsWith('ARTIFACT_CORRUPT'));
        assert.equal(await artifacts.verify(hash), 'corrupt');
        assert.equal(await artifacts.size(hash), undefined);
        await assert.rejects(artifacts.get(hash), rejectsWith('ARTIFACT_NOT_FOUND'));
        assert.equal(await artifacts.verify(hash), 'missing');
        assert.deepEqual(await artifacts.list(), []);
        await artifacts.put(bytesOf('good bytes'));
        assert.equal(await artifacts.verify(hash), 'good');
      }
    });

    it('take the same blob from many at once', async () => {
      const artifacts = await open();
      const bytes = new Uint8Array(200_000).fill(7);
      const hashes = await Promise.all(Array.from({ length: 20 }, () => artifacts.put(bytes)));
      assert.deepEqual(new Set(hashes), new Set([sha256(bytes)]));
      assert.deepEqual(await artifacts.list(), [sha256(bytes)]);
      assert.deepEqual(new Uint8Array(await artifacts.get(sha256(bytes))), bytes);
    });

    it('do not change with the buffers that went in or came out', async () => {
      const artifacts = await open();
      const bytes = bytesOf('before');
      const hash = await artifacts.put(bytes);
      bytes.fill(0);
      (await artifacts.get(hash)).fill(1);
      assert.equal(new TextDecoder().decode(await artifacts.get(hash)), 'before');
    });
  });
}
