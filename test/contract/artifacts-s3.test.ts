/** Artifacts in S3, against a real server process. */
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { s3Artifacts, type S3Artifacts } from '../../src/artifacts/s3/store.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { artifactsContract } from './artifacts.ts';
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
