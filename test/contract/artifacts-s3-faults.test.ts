/** Artifacts in S3 while the store, the network or the processes fail. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, describe, it } from 'node:test';
import { loadSdk } from '../../src/artifacts/s3/client.ts';
import { s3Artifacts, type S3Artifacts, type S3Options } from '../../src/artifacts/s3/store.ts';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { sha256 } from '../../src/base/hash.ts';
import { startProxy, startS3, testBucket, useTestCredentials, type Fault } from './s3-server.ts';

useTestCredentials();
const folder = mkdtempSync(join(tmpdir(), 'noisefold-s3-'));
const server = await startS3(folder);
const proxy = await startProxy(server);
const opened: S3Artifacts[] = [];
after(async () => {
  for (const artifacts of opened) artifacts.close();
  await proxy.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  proxy.trouble = () => undefined;
});

let count = 0;
async function open(options: Partial<S3Options> = {}): Promise<S3Artifacts> {
  const prefix = options.prefix ?? `faults/${count++}`;
  const artifacts = await s3Artifacts({ bucket: testBucket, endpoint: proxy.endpoint, partBytes: 1_000, ...options, prefix });
  opened.push(artifacts);
  proxy.requests.length = 0;
  return artifacts;
}

/** The fault for the first so many requests that match. */
function failing(times: number, fault: Fault, which = /./): void {
  let left = times;
  proxy.trouble = (request) => (which.test(request) && left-- > 0 ? fault : undefined);
}

const bytes = new Uint8Array(3_500).map((_, i) => (i * 7) ^ (i >> 8));
const hash = sha256(bytes);
const matching = (which: RegExp): number => proxy.requests.filter((request) => which.test(request)).length;

describe('S3 artifacts in trouble', () => {
  for (const [status, code, times] of [
    [500, 'InternalError', 3],
    [503, 'SlowDown', 1],
    [503, 'ServiceUnavailable', 2],
  ] as const)
    it(`try again what is answered with ${status} ${code}`, async () => {
      const artifacts = await open();
      failing(times, { status, code });
      await artifacts.put(bytes);
      failing(times, { status, code });
      assert.deepEqual(await artifacts.get(hash), bytes);
      failing(times, { status, code });
      assert.deepEqual(await artifacts.list(), [hash]);
      assert.equal(proxy.requests.length, 3 + 3 * times);
    });

  it('give up after so many tries, and say which', async () => {
    const artifacts = await open({ tries: 3 });
    failing(Infinity, { status: 503, code: 'SlowDown' });
    await assert.rejects(artifacts.put(bytes), (error: NoisefoldError) => {
      assert.equal(error.code, 'ARTIFACTS_UNAVAILABLE');
      assert.match(error.format(), /SlowDown \(HTTP 503\).*\n.*up to 3 times/s);
      return true;
    });
    assert.equal(proxy.requests.length, 3);
  });

  it('read again a body that broke off, and never take a part of it for all', async () => {
    const artifacts = await open({ tries: 3 });
    await artifacts.put(bytes);
    failing(2, { cutAfter: 100 }, /^GET/);
    assert.deepEqual(await artifacts.get(hash), bytes);
    failing(2, { cutAfter: 0 }, /^GET/);
    assert.deepEqual(await artifacts.read(hash, 10, 20), bytes.slice(10, 30));
    failing(Infinity, { cutAfter: 100 }, /^GET/);
    await assert.rejects(artifacts.get(hash), { code: 'ARTIFACTS_UNAVAILABLE' });
    await assert.rejects(artifacts.verify(hash), { code: 'ARTIFACTS_UNAVAILABLE' });
    proxy.trouble = () => undefined;
    assert.equal(await artifacts.verify(hash), 'good', 'what cannot be read is not put aside');
  });

  it('do not wait for an answer for ever', async () => {
    const artifacts = await open({ tries: 2, silenceMs: 100 });
    failing(1, 'silence');
    await artifacts.put(bytes);
    failing(Infinity, 'silence');
    await assert.rejects(artifacts.get(hash), { code: 'ARTIFACTS_UNAVAILABLE' });
  });

  it('say what the credentials are not allowed to, at once', async () => {
    const artifacts = await open();
    failing(Infinity, { status: 403, code: 'AccessDenied' });
    await assert.rejects(artifacts.put(bytes), (error: NoisefoldError) => {
      assert.equal(error.code, 'ARTIFACTS_UNAVAILABLE');
      assert.match(
        error.format(),
        /s3:\/\/noisefold-test\/faults.*AccessDenied \(HTTP 403\): made up\n.*need s3:GetObject, PutObject/s,
      );
      return true;
    });
    await assert.rejects(artifacts.size(hash), /403/, 'HEAD has no body that could say so');
    assert.equal(proxy.requests.length, 2);
  });

  it('say that there is no such bucket, instead of that there is no such blob', async () => {
    const artifacts = await open({ bucket: 'not-there' });
    await assert.rejects(artifacts.get(hash), /NoSuchBucket/);
    await assert.rejects(artifacts.put(bytes), /NoSuchBucket/);
  });

  it('count a full store as a full disk', async () => {
    const artifacts = await open();
    failing(1, { status: 507, code: 'XMinioStorageFull' });
    await assert.rejects(artifacts.put(bytes), { code: 'DISK_FULL' });
  });

  it('name the package that is to be installed', async () => {
    await assert.rejects(
      loadSdk(() => Promise.reject(new Error('Cannot find package'))),
      { code: 'ARTIFACTS_UNAVAILABLE', hint: 'npm install @aws-sdk/client-s3' },
    );
  });
});

describe('an upload to S3', () => {
  it('goes on in another process with the parts that are in the store', async () => {
    const prefix = 'faults/resumed';
    const first = await (await open({ prefix })).upload(hash, bytes.length);
    await first.append(bytes.subarray(0, 2_300));
    assert.equal(first.received(), 2_300);
    const artifacts = await open({ prefix });
    const second = await artifacts.upload(hash, bytes.length);
    assert.equal(second.received(), 2_000, 'whole parts');
    await second.append(bytes.subarray(2_000));
    assert.equal(await artifacts.has(hash), false);
    await second.finish();
    assert.equal(await artifacts.verify(hash), 'good');
    assert.equal(matching(/partNumber/), 2, 'only those that were not there');
    assert.equal((await (await open({ prefix })).upload(hash, bytes.length)).received(), 0, 'nothing is left of it');
  });

  it('that is finished with other bytes after a restart leaves no blob', async () => {
    const prefix = 'faults/wrong';
    await (await (await open({ prefix })).upload(hash, bytes.length)).append(bytes.slice().fill(1, 0, 5).subarray(0, 2_000));
    const artifacts = await open({ prefix });
    const upload = await artifacts.upload(hash, bytes.length);
    await upload.append(bytes.subarray(2_000));
    await assert.rejects(upload.finish(), { code: 'ARTIFACT_CORRUPT' });
    assert.equal(await artifacts.has(hash), false);
    const again = await artifacts.upload(hash, bytes.length);
    assert.equal(again.received(), 0);
    await again.append(bytes);
    await again.finish();
    assert.equal(await artifacts.verify(hash), 'good');
  });

  it('outlives the server', async () => {
    // A server that starts on a busy machine takes its time.
    const artifacts = await open({ tries: 12 });
    const upload = await artifacts.upload(hash, bytes.length);
    await upload.append(bytes.subarray(0, 1_500));
    const restarted = server.restart();
    await upload.append(bytes.subarray(1_500, 3_200));
    await restarted;
    await upload.append(bytes.subarray(3_200));
    await upload.finish();
    assert.equal(await artifacts.verify(hash), 'good');
  });

  it('keeps what it had when a part is refused for good, and goes on when there is space', async () => {
    const artifacts = await open();
    const upload = await artifacts.upload(hash, bytes.length);
    await upload.append(bytes.subarray(0, 1_500));
    failing(1, { status: 507, code: 'InsufficientStorage' }, /partNumber/);
    await assert.rejects(upload.append(bytes.subarray(1_500)), { code: 'DISK_FULL' });
    assert.equal(upload.received(), 1_500);
    await upload.append(bytes.subarray(1_500));
    await upload.finish();
    assert.equal(await artifacts.verify(hash), 'good');
  });

  it('is done once, although the answer to its end was lost', async () => {
    const artifacts = await open();
    const upload = await artifacts.upload(hash, bytes.length);
    await upload.append(bytes);
    let ends = 0;
    proxy.trouble = (request) => {
      if (!/^POST .*uploadId/.test(request)) return undefined;
      // Some stores remember what they joined, others do not.
      return ends++ === 0 ? 'lose-answer' : { status: 404, code: 'NoSuchUpload' };
    };
    await upload.finish();
    assert.equal(ends, 2);
    assert.equal(await artifacts.verify(hash), 'good');
  });

  it('begins anew when the store has forgotten its parts', async () => {
    const prefix = 'faults/forgotten';
    await (await (await open({ prefix })).upload(hash, bytes.length)).append(bytes.subarray(0, 2_000));
    const artifacts = await open({ prefix });
    const upload = await artifacts.upload(hash, bytes.length);
    failing(Infinity, { status: 404, code: 'NoSuchUpload' }, /uploadId/);
    await assert.rejects(upload.append(bytes.subarray(2_000)), { code: 'ARTIFACT_CORRUPT' });
    proxy.trouble = () => undefined;
    const again = await artifacts.upload(hash, bytes.length);
    assert.equal(again.received(), 0);
    await again.append(bytes);
    await again.finish();
    assert.equal(await artifacts.verify(hash), 'good');
  });

  it('does not matter to a blob that is put as a whole in parts, some at a time', async () => {
    const artifacts = await open({ singleBytes: 2_000 });
    failing(3, { status: 500, code: 'InternalError' }, /partNumber/);
    await artifacts.put(bytes);
    assert.deepEqual(await artifacts.get(hash), bytes);
    failing(Infinity, { status: 403, code: 'AccessDenied' }, /partNumber=2/);
    await artifacts.delete(hash);
    await assert.rejects(artifacts.put(bytes), { code: 'ARTIFACTS_UNAVAILABLE' });
    assert.equal(await artifacts.has(hash), false);
    assert.equal(matching(/^DELETE .*uploadId/), 1, 'its parts are let go');
  });
});

describe('a prefix', () => {
  it('belongs to the coordinator that claimed it first', async () => {
    const prefix = 'faults/owned';
    const artifacts = await open({ prefix });
    assert.equal(await artifacts.owner(), undefined);
    assert.equal(await artifacts.claim('first'), 'first');
    assert.equal(await (await open({ prefix })).claim('second'), 'first');
    assert.equal(await artifacts.claim('first'), 'first');
    assert.deepEqual(await artifacts.list(), []);
  });

  it('is lost to one that was faster, where the store knows If-None-Match', async () => {
    const artifacts = await open();
    failing(1, { status: 412, code: 'PreconditionFailed' }, /^PUT/);
    assert.equal(await artifacts.claim('me'), 'me', 'the other one is gone again');
    assert.equal(matching(/^PUT/), 1);
  });
});
