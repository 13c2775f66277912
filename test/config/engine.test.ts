import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { engineOf, pairProblem } from '../../src/config/engine.ts';
import { deviceNames, engineNames } from '../../src/config/types.ts';

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

describe('an engine and a device', () => {
  it('go together where the engine can be told so; auto goes with every engine', () => {
    const pairs = engineNames.flatMap((engine) =>
      deviceNames.flatMap((device) =>
        device !== 'auto' && pairProblem({ engine, device }) === undefined ? [`${engine} ${device}`] : [],
      ),
    );
    assert.deepEqual(pairs, [
      ...['auto cpu', 'auto webgpu', 'auto cuda', 'onnx cpu', 'onnx webgpu', 'onnx cuda'],
      ...['tensorflow cuda', 'tensorflow-eager cuda', 'wasm cpu', 'cpu cpu'],
    ]);
    for (const engine of engineNames) assert.equal(pairProblem({ engine, device: 'auto' }), undefined);
  });
});
