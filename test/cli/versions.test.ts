import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { keepVersions, versionsNote } from '../../src/cli/versions.ts';

const folder = mkdtempSync(join(tmpdir(), 'noisefold-versions-'));
after(() => rmSync(folder, { recursive: true }));

const first = { noisefold: '0.1.0', node: '20.20.2' };
const second = { noisefold: '0.2.0', node: '22.1.0' };

describe('the versions that ran a study', () => {
  const file = join(folder, 'versions.json');
  const kept = (): unknown => JSON.parse(readFileSync(file, 'utf8'));

  it('are kept one after the other, the first one and the last one too', async () => {
    assert.deepEqual(await keepVersions(file, undefined, first), []);
    assert.deepEqual(await keepVersions(file, '0.1.0', first), [first]);
    assert.deepEqual(kept(), [first]);
    assert.deepEqual(await keepVersions(file, '0.1.0', second), [first]);
    assert.deepEqual(await keepVersions(file, '0.2.0', first), [first, second]);
    assert.deepEqual(kept(), [first, second, first]);
  });

  it('begin with the one that the study’s database names where the file was not kept, or cannot be read', async () => {
    for (const text of [undefined, '{', '{}']) {
      const other = join(folder, `${text ?? 'none'}.json`);
      if (text !== undefined) writeFileSync(other, text);
      assert.deepEqual(await keepVersions(other, '0.0.9', second), [{ noisefold: '0.0.9' }]);
      assert.deepEqual(JSON.parse(readFileSync(other, 'utf8')), [{ noisefold: '0.0.9' }, second]);
    }
  });

  it('are told in one line where another noisefold is among them; another Node is kept alone', () => {
    assert.equal(versionsNote([], second), undefined);
    assert.equal(versionsNote([{ ...second, node: '24.0.0' }], second), undefined);
    assert.equal(
      versionsNote([first, second, first], second),
      'noisefold 0.1.0 ran it before, and this is 0.2.0: its bytes may differ from those of a run by one version',
    );
  });
});
