/** Artifacts in S3, against a real server process. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { createCollector } from '../../src/artifacts/collector.ts';
import { s3Artifacts, type S3Artifacts } from '../../src/artifacts/s3/store.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { artifactsContract, bytesOf } from './artifacts.ts';
import { startS3, testBucket, useTestCredentials } from './s3-server.ts';

useTestCredentials();
const folder = mkdtempSync(join(tmpdir(), 'noisefold-s3-'));
const server = await startS3(folder);
const opened: S3Artifacts[] = [];
const prefixes = new WeakMap<ArtifactStore, string>();
after(async () => {
  for (const artifacts of opened) artifacts.close();
  await server.stop();
  rmSync(folder, { recursive: true });
});

let count = 0;
const opening = (partBytes: number) => async (): Promise<ArtifactStore> => {
  const prefix = `contract/${count++}`;
  // Small pages and parts, so that there are several of them.
  const artifacts = await s3Artifacts({ bucket: testBucket, prefix, endpoint: server.endpoint, partBytes, pageSize: 2 });
  opened.push(artifacts);
  prefixes.set(artifacts, prefix);
  return artifacts;
};

const damage = (artifacts: ArtifactStore, hash: string, how: 'flip' | 'truncate'): void => {
  const path = server.fileOf(`${prefixes.get(artifacts) ?? ''}/${hash.slice(0, 2)}/${hash.slice(2)}`);
  const bytes = readFileSync(path);
  if (how === 'truncate') truncateSync(path, bytes.length >> 1);
  else
    writeFileSync(
      path,
      Uint8Array.from(bytes, (byte, i) => (i === 0 ? byte ^ 1 : byte)),
    );
};

artifactsContract('S3', opening(8 * 2 ** 20), damage);
artifactsContract('S3 (in parts)', opening(100), damage);

describe('garbage in a bucket', () => {
  it('is deleted when nothing has referred to it for long enough, whoever put it there', async () => {
    let now = 0;
    const behind = await opening(100)();
    const { artifacts, collect, discard } = createCollector({ artifacts: behind, clock: { now: () => now }, graceMs: 1_000 });
    const [kept = '', old = '', young = '', released = ''] = await Promise.all(
      ['kept', 'old', 'young', 'released'].map((text) => (text === 'young' ? behind : artifacts).put(bytesOf(text))),
    );
    await behind.delete(young);
    const isReferred = (hash: string): boolean => hash === kept;
    assert.equal(await discard(released, isReferred), true);
    assert.equal(await collect(isReferred), 0, 'seen for the first time');
    now = 900;
    await behind.put(bytesOf('young'));
    assert.equal(await collect(isReferred), 0);
    now = 1_000;
    assert.equal(await collect(isReferred), 1);
    assert.deepEqual(await behind.list(), [kept, young].sort());
    now = 1_900;
    assert.equal(await collect(isReferred), 1);
    assert.deepEqual([await behind.list(), await behind.has(old)], [[kept], false]);
  });
});
