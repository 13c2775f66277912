import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { autoEngines, mayGoOn } from '../../src/config/engine.ts';
import { engineNames } from '../../src/config/types.ts';

describe('the engine of a study', () => {
  it('is anyone before the first result', () => {
    for (const asked of engineNames) assert.ok(mayGoOn(asked, []), asked);
  });

  it('is that of its results from then on', () => {
    for (const asked of engineNames)
      for (const ran of engineNames) if (asked !== 'auto' && ran !== 'auto') assert.equal(mayGoOn(asked, [ran]), asked === ran);
  });

  it('may be left to auto where auto would have chosen it', () => {
    for (const ran of engineNames)
      if (ran !== 'auto') assert.equal(mayGoOn('auto', [ran]), (autoEngines as readonly string[]).includes(ran), ran);
  });

  it('is any of those that it has results of', () => {
    assert.ok(mayGoOn('cpu', ['onnx', 'cpu']));
    assert.ok(!mayGoOn('wasm', ['onnx', 'cpu']));
  });
});
