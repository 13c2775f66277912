import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
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

  it('has the fields of the process and of the line on each, what is undefined left out, and no lines for developers', async () => {
    const path = join(folder, 'new', 'fields.jsonl');
    const log = fileLog(path, { process: 'test' });
    log.log('debug', 'not for a file');
    log.log('warn', 'two\nlines', { task: 'a', level: 'of the task', worker: undefined });
    await log.close();
    log.log('info', 'too late');
    await log.close();
    const { timestamp, ...line } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    assert.deepEqual(line, { process: 'test', task: 'a', level: 'warn', message: 'two\nlines' });
    assert.equal(new Date(String(timestamp)).toISOString(), timestamp);
  });

  it('goes on where others append too', async () => {
    const path = join(folder, 'shared.jsonl');
    const logs = [fileLog(path, { process: 'a' }), fileLog(path, { process: 'b' })];
    for (let i = 0; i < 100; i++) {
      for (const log of logs) log.log('info', 'a line', { i });
      await nextTurn();
    }
    for (const log of logs) await log.close();
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    assert.equal(lines.filter((line) => (JSON.parse(line) as { process: string }).process === 'a').length, 100);
    assert.equal(lines.length, 200);
  });

  it('on a full disk loses lines, and nothing else', { skip: !existsSync('/dev/full') }, async () => {
    const log = fileLog('/dev/full');
    for (let i = 0; i < 3; i++) {
      log.log('info', 'a line');
      await nextTurn();
    }
    await log.close();
  });
});
