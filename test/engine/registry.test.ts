import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { loadEngine } from '../../src/engine/registry.ts';

describe('loadEngine', () => {
  it('gives the engine of a name, and the compiled one for auto', async () => {
    assert.equal((await loadEngine('cpu', { threads: 1 })).name, 'cpu');
    const onnx = await loadEngine('onnx', { threads: 1 });
    assert.equal(onnx.name, 'onnx');
    assert.match(onnx.capabilities.version, /^onnxruntime-node \d+\.\d+/);
    assert.ok(onnx.capabilities.bitExact);
    assert.equal((await loadEngine('auto', { threads: 1 })).name, 'onnx');
  });
});
