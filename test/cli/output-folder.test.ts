import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { makeFolderOf, makeOutputFolder, outputRefusal } from '../../src/cli/output-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'noisefold-output-'));
after(() => rmSync(folder, { recursive: true }));

describe('a folder for results', () => {
  it('is made with those above it, may be there already, and holds nothing', async () => {
    const path = join(folder, 'a/b');
    await makeOutputFolder(path);
    await makeOutputFolder(path);
    assert.deepEqual(readdirSync(path), []);
  });

  it('is refused where a file is in its way', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    await assert.rejects(makeOutputFolder(file), {
      code: 'OUTPUT_NOT_WRITABLE',
      exit: 2,
      where: file,
      message: /a file has this name/,
    });
    await assert.rejects(makeOutputFolder(join(file, 'x')), { code: 'OUTPUT_NOT_WRITABLE', message: /folder above/ });
    await assert.rejects(makeFolderOf(join(file, 'x.npy')), { code: 'OUTPUT_NOT_WRITABLE' });
  });

  it('is refused where the system lets nobody write', { skip: !existsSync('/proc/self/stat') }, async () => {
    await assert.rejects(makeOutputFolder('/proc/noisefold'), { code: 'OUTPUT_NOT_WRITABLE', where: '/proc/noisefold' });
    // It is there already: only trying tells.
    await assert.rejects(makeOutputFolder('/proc/self'), { code: 'OUTPUT_NOT_WRITABLE' });
  });

  it('says why in words for every such error, and leaves others alone', () => {
    const refusal = (code: string) => outputRefusal('x', Object.assign(new Error(code), { code }));
    for (const code of ['EACCES', 'EPERM', 'EROFS', 'EEXIST', 'ENOTDIR', 'ENOENT'])
      assert.match(
        refusal(code)?.format() ?? '',
        /^OUTPUT_NOT_WRITABLE x: no results can be written here: \w.*\n {2}Name another/,
      );
    assert.match(refusal('EACCES')?.message ?? '', /may not write/);
    assert.match(refusal('EROFS')?.message ?? '', /read-only/);
    assert.equal(refusal('ENOSPC'), undefined);
    assert.equal(outputRefusal('x', undefined), undefined);
  });
});

describe('a file of results', () => {
  it('may replace a file, not a folder', async () => {
    mkdirSync(join(folder, 'taken.npy'));
    await assert.rejects(makeFolderOf(join(folder, 'taken.npy')), {
      code: 'OUTPUT_NOT_WRITABLE',
      message: /a folder has this name/,
    });
    await makeFolderOf(join(folder, 'c/new.npy'));
    assert.deepEqual(readdirSync(join(folder, 'c')), []);
  });
});
