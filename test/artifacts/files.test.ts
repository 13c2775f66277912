import assert from 'node:assert/strict';
import {
  promises as fs,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileArtifacts } from '../../src/artifacts/files.ts';
import { sha256 } from '../../src/base/hash.ts';
import { bytesOf, rejectsWith } from '../contract/artifacts.ts';

const root = mkdtempSync(join(tmpdir(), 'noisefold-files-'));
after(() => rmSync(root, { recursive: true }));
const newFolder = (): string => mkdtempSync(join(root, 'x'));
const pathOf = (folder: string, hash: string): string => join(folder, hash.slice(0, 2), hash.slice(2));

describe('artifacts in a folder', () => {
  it('are found again by another process, in folders by the first two digits', async () => {
    const folder = newFolder();
    const hash = await fileArtifacts(folder).put(bytesOf('blob'));
    assert.equal(readFileSync(pathOf(folder, hash), 'utf8'), 'blob');
    assert.ok(await fileArtifacts(folder).has(hash));
  });

  it('make the folder, with its parents', async () => {
    const folder = join(newFolder(), 'runs', 'study', 'artifacts');
    await fileArtifacts(folder).put(bytesOf('blob'));
    assert.ok(existsSync(folder));
  });

  it('refuse bytes that changed or were cut, and heal when the blob is put again', async () => {
    const folder = newFolder();
    const artifacts = fileArtifacts(folder);
    const hash = await artifacts.put(bytesOf('good bytes'));
    writeFileSync(pathOf(folder, hash), 'bad  bytes');
    await assert.rejects(artifacts.get(hash), rejectsWith('ARTIFACT_CORRUPT'));
    truncateSync(pathOf(folder, hash), 4);
    await assert.rejects(artifacts.get(hash), rejectsWith('ARTIFACT_CORRUPT'));
    await artifacts.put(bytesOf('good bytes'));
    assert.equal((await artifacts.get(hash)).toString(), 'good bytes');
  });

  it('keep what fitted of an upload when the disk is full, and go on with it', async (test) => {
    const folder = newFolder();
    const bytes = bytesOf('first second');
    const upload = await fileArtifacts(folder).upload(sha256(bytes), bytes.length);
    await upload.append(bytes.subarray(0, 6));
    const full = test.mock.method(fs, 'appendFile', (path: string, part: Uint8Array) => {
      writeFileSync(path, part.subarray(0, 2), { flag: 'a' });
      return Promise.reject(Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' }));
    });
    await assert.rejects(upload.append(bytes.subarray(6)), rejectsWith('DISK_FULL'));
    full.mock.restore();
    assert.equal(upload.received(), 6);
    const later = await fileArtifacts(folder).upload(sha256(bytes), bytes.length);
    assert.equal(later.received(), 6);
    await later.append(bytes.subarray(6));
    await later.finish();
    assert.deepEqual(readdirSync(join(folder, 'tmp')), []);
  });

  it('report a full disk as such, and leave nothing of the blob', async (test) => {
    const folder = newFolder();
    const artifacts = fileArtifacts(folder);
    const kept = await artifacts.put(bytesOf('kept'));
    for (const code of ['ENOSPC', 'EDQUOT']) {
      // Half of it is written when the space ends.
      const full = test.mock.method(fs, 'writeFile', (path: string, bytes: Uint8Array) => {
        writeFileSync(path, bytes.subarray(0, bytes.length / 2));
        return Promise.reject(Object.assign(new Error(`${code}: no space left`), { code }));
      });
      await assert.rejects(artifacts.put(bytesOf('does not fit')), rejectsWith('DISK_FULL'));
      full.mock.restore();
      assert.deepEqual(await artifacts.list(), [kept]);
      assert.deepEqual(readdirSync(join(folder, 'tmp')), []);
    }
    await artifacts.put(bytesOf('does not fit'));
  });

  it('lose the temporary files of processes that died long ago, but not those being written', () => {
    const folder = newFolder();
    fileArtifacts(folder);
    const names = ['old', 'young', 'old.part', 'waiting.part'];
    for (const name of names) writeFileSync(join(folder, 'tmp', name), 'half a bl');
    const age = (name: string, hours: number): void =>
      utimesSync(join(folder, 'tmp', name), Date.now() / 1_000 - 3_600 * hours, Date.now() / 1_000 - 3_600 * hours);
    age('old', 2);
    age('old.part', 25);
    // A worker may be away for some hours and go on with its upload.
    age('waiting.part', 23);
    fileArtifacts(folder);
    assert.deepEqual(readdirSync(join(folder, 'tmp')).sort(), ['waiting.part', 'young']);
  });

  it('do not list what is no artifact', async () => {
    const folder = newFolder();
    const artifacts = fileArtifacts(folder);
    const hash = await artifacts.put(bytesOf('blob'));
    writeFileSync(join(folder, 'README'), '');
    writeFileSync(join(folder, 'tmp', sha256('x')), '');
    assert.deepEqual(await artifacts.list(), [hash]);
  });
});
