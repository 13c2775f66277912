import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { engineOf } from '../../src/config/engine.ts';
import { engineNames } from '../../src/config/types.ts';

describe('the engine of a study', () => {
  it('is the one that is asked for, before the first result', () => {
    for (const asked of engineNames) assert.equal(engineOf(asked, []), asked);
  });

  it('is that of its results from then on: another one by name is refused, and auto is it', () => {
    for (const ran of engineNames) {
      if (ran === 'auto') continue;
      for (const asked of engineNames)
        assert.equal(engineOf(asked, [ran]), asked === ran || asked === 'auto' ? ran : undefined, `${asked} after ${ran}`);
    }
  });

  it('is any of those that it has results of', () => {
    assert.equal(engineOf('cpu', ['onnx', 'cpu']), 'cpu');
    assert.equal(engineOf('auto', ['onnx', 'cpu']), 'onnx');
    assert.equal(engineOf('wasm', ['onnx', 'cpu']), undefined);
  });
});
