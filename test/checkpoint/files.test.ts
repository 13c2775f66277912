import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { sha256 } from '../../src/base/hash.ts';
import { readCheckpointFiles, writeCheckpointFiles, writeFileDurably } from '../../src/checkpoint/files.ts';

const root = mkdtempSync(join(tmpdir(), 'noisefold-checkpoint-'));
after(() => rmSync(root, { recursive: true }));
const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
const corrupt = (text: RegExp) => (error: NoisefoldError) =>
  error.code === 'CHECKPOINT_CORRUPT' && text.test(error.message) && error.where !== undefined;

describe('writeFileDurably', () => {
  it('writes and replaces a file, and leaves nothing beside it', async () => {
    const folder = mkdtempSync(join(root, 'durable-'));
    const path = join(folder, 'name');
    await writeFileDurably(path, 'first');
    await writeFileDurably(path, bytes);
    assert.deepEqual(new Uint8Array(readFileSync(path)), bytes);
    assert.deepEqual(readdirSync(folder), ['name']);
  });

  it('leaves what was there, and no temporary file, when it fails', async () => {
    const folder = mkdtempSync(join(root, 'failing-'));
    await assert.rejects(writeFileDurably(join(folder, 'missing', 'name'), bytes), { code: 'ENOENT' });
    await writeFileDurably(join(folder, 'kept'), 'kept');
    // A folder cannot be replaced by a file, so the rename is what fails.
    const taken = mkdtempSync(join(folder, 'taken-'));
    await assert.rejects(writeFileDurably(taken, bytes));
    assert.equal(readFileSync(join(folder, 'kept'), 'utf8'), 'kept');
    assert.ok(readdirSync(folder).every((name) => !name.endsWith('.tmp')));
  });

  it('never shows half a file to writers and readers at the same time', async () => {
    const path = join(mkdtempSync(join(root, 'racing-')), 'name');
    const contents = Array.from({ length: 8 }, (_, i) => String(i).repeat(200_000));
    await writeFileDurably(path, contents[0]!);
    const writing = Promise.all(contents.map((content) => writeFileDurably(path, content)));
    for (let i = 0; i < 20; i++) {
      assert.ok(contents.includes(readFileSync(path, 'utf8')));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await writing;
  });
});

describe("a checkpoint's files", () => {
  it('are the bytes and a manifest with their hash', async () => {
    const folder = join(root, 'deep', 'trial');
    const manifest = await writeCheckpointFiles(folder, bytes);
    assert.deepEqual(manifest, { version: 1, file: 'model.safetensors', bytes: 1000, sha256: sha256(bytes) });
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8')), manifest);
    assert.deepEqual(readdirSync(folder).sort(), ['manifest.json', 'model.safetensors']);
    assert.deepEqual(new Uint8Array(await readCheckpointFiles(folder)), bytes);
  });

  it('are corrupt when one byte changed, or one of them is missing or is something else', async () => {
    const folder = join(root, 'broken');
    await writeCheckpointFiles(folder, bytes);
    writeFileSync(join(folder, 'model.safetensors'), bytes.with(500, 1));
    await assert.rejects(readCheckpointFiles(folder), corrupt(/SHA-256/));
    rmSync(join(folder, 'model.safetensors'));
    await assert.rejects(readCheckpointFiles(folder), corrupt(/model\.safetensors cannot be read/));
    writeFileSync(join(folder, 'manifest.json'), '{');
    await assert.rejects(readCheckpointFiles(folder), corrupt(/not a checkpoint's manifest/));
    rmSync(join(folder, 'manifest.json'));
    await assert.rejects(readCheckpointFiles(folder), corrupt(/manifest\.json cannot be read/));
  });
});
