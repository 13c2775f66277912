import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { after, describe, it } from 'node:test';
import { fileLog } from '../../src/cli/log.ts';

const folder = mkdtempSync(join(tmpdir(), 'noisefold-log-'));
after(() => rmSync(folder, { recursive: true }));

describe('a log file', () => {
  it('has every line when it is closed, also of a burst just before', async () => {
    const path = join(folder, 'log.jsonl');
    const log = fileLog(path, { process: 'test' });
    const count = 20_000;
    for (let i = 0; i < count; i++) {
      log.log('info', 'a line', { i, filler: 'x'.repeat(2_000) });
      // Turns between, so that the file falls behind.
      if (i % 40 === 0) await nextTurn();
    }
    await log.close();
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    assert.equal(lines.length, count);
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { i: number }).i),
      Array.from({ length: count }, (_, i) => i),
    );
  });
});
