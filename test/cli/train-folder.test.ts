import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { engineOfRun, openRun } from '../../src/cli/train-folder.ts';
import { version } from '../../src/cli/version.ts';
import { configOf, planOf } from '../coordinator/bench.ts';

const folder = mkdtempSync(join(tmpdir(), 'noisefold-train-'));
after(() => rmSync(folder, { recursive: true }));

const config = configOf('s');
const trial = planOf().trials[0]?.config ?? assert.fail('no trial');
const open = (engine: string) => openRun(join(folder, 'run'), { config, trial, data: 'd', engine });

describe('the folder of a training', () => {
  it('has no engine before there is a training, nor where there can be none', async () => {
    assert.equal(await engineOfRun(join(folder, 'run')), undefined);
    assert.equal(await engineOfRun(join(process.execPath, 'below')), undefined);
  });

  it('is gone on with by the engine that began, and refused to another, which is told', async () => {
    await open('wasm');
    assert.equal(await engineOfRun(join(folder, 'run')), 'wasm');
    assert.deepEqual((await open('wasm')).begunBy, [{ noisefold: version }]);
    await assert.rejects(open('onnx'), ({ code, message }: NoisefoldError) => {
      assert.equal(code, 'CONFIG_CHANGED');
      assert.match(message, /the engine wasm, not onnx/);
      return true;
    });
  });
});
