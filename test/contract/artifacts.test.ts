import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { createCollector } from '../../src/artifacts/collector.ts';
import { fileArtifacts } from '../../src/artifacts/files.ts';
import { nearArtifacts } from '../../src/artifacts/near.ts';
import { memoryArtifacts, type MemoryArtifacts } from '../../src/artifacts/memory.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { artifactsContract } from './artifacts.ts';

artifactsContract('memory', memoryArtifacts, (artifacts, hash, how) => (artifacts as MemoryArtifacts).damage(hash, how));

const behind = new WeakMap<ArtifactStore, MemoryArtifacts>();
artifactsContract(
  'garbage-collected',
  () => {
    const store = memoryArtifacts();
    const { artifacts } = createCollector({ artifacts: store, clock: { now: () => 0 }, graceMs: 0 });
    behind.set(artifacts, store);
    return artifacts;
  },
  (artifacts, hash, how) => behind.get(artifacts)?.damage(hash, how),
);

const bothBehind = new WeakMap<ArtifactStore, readonly MemoryArtifacts[]>();
artifactsContract(
  'near',
  () => {
    const [near, far] = [memoryArtifacts(), memoryArtifacts()];
    const artifacts = nearArtifacts({ near, far, limit: 150_000 });
    bothBehind.set(artifacts, [near, far]);
    return artifacts;
  },
  (artifacts, hash, how) => {
    for (const store of bothBehind.get(artifacts) ?? []) store.damage(hash, how);
  },
);

const folder = mkdtempSync(join(tmpdir(), 'noisefold-artifacts-'));
after(() => rmSync(folder, { recursive: true }));
const folders = new WeakMap<ArtifactStore, string>();
artifactsContract(
  'file',
  () => {
    const own = mkdtempSync(join(folder, 'x'));
    const artifacts = fileArtifacts(own);
    folders.set(artifacts, own);
    return artifacts;
  },
  (artifacts, hash, how) => {
    const path = join(folders.get(artifacts) ?? '', hash.slice(0, 2), hash.slice(2));
    const bytes = readFileSync(path);
    if (how === 'truncate') truncateSync(path, bytes.length >> 1);
    else
      writeFileSync(
        path,
        Uint8Array.from(bytes, (byte, i) => (i === 0 ? byte ^ 1 : byte)),
      );
  },
);
