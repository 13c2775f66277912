import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import { peerSecurity } from '../../src/cli/keys.ts';

function noisefold(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['--import', 'tsx', 'src/main.ts', ...args], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    );
  });
}

describe('noisefold keys', () => {
  it('makes, lists and revokes keys, and a refusal ends with exit code 78', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'noisefold-'));
    const dir = join(parent, 'keys');
    try {
      const made = await noisefold('keys', 'init', '--dir', dir);
      assert.equal(made.code, 0, made.stderr);
      assert.match(made.stdout, /worker\.json/);
      assert.equal((await noisefold('keys', 'add', 'gpu-7', '--dir', dir)).stdout, `${join(dir, 'gpu-7.json')}\n`);
      assert.equal(peerSecurity(join(dir, 'gpu-7.json'), false).kind, 'curve');
      assert.equal((await noisefold('keys', 'revoke', 'client', '--dir', dir)).code, 0);
      const listed = JSON.parse((await noisefold('keys', 'list', '--json', '--dir', dir)).stdout) as { name: string }[];
      assert.deepEqual(
        listed.map(({ name }) => name),
        ['worker', 'gpu-7'],
      );
      const again = await noisefold('keys', 'init', '--dir', dir);
      assert.equal(again.code, 78);
      assert.match(again.stderr, /^WIRE_KEY .*coordinator’s key in it already/);
    } finally {
      rmSync(parent, { recursive: true });
    }
  });

  it('are named by a file, or are none', () => {
    assert.deepEqual(peerSecurity(undefined, true), { kind: 'none', insecure: true });
    assert.throws(
      () => peerSecurity('/nowhere/worker.json', false),
      (error) => error instanceof NoisefoldError && error.code === 'WIRE_KEY',
    );
  });
});
