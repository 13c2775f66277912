import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { silentLog, type Log } from '../../src/base/ports.ts';
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

  it('does not give an engine for a device that it does not have, as where a study names the one and a worker has the other', async () => {
    for (const [engine, device] of [
      ['wasm', 'webgpu'],
      ['cpu', 'cuda'],
      ['tensorflow', 'cpu'],
    ] as const)
      await assert.rejects(loadEngine(engine, { threads: 1, device }), (error: NoisefoldError) => {
        const says = new RegExp(`^the engine ${engine} takes the device auto.*, not ${device} `);
        return error.code === 'ENGINE_UNAVAILABLE' && says.test(error.message) && /--device/.test(error.hint ?? '');
      });
    assert.equal((await loadEngine('wasm', { threads: 1, device: 'cpu' })).name, 'wasm');
  });

  it('says why an engine does not load and what to do, and makes do with the next best for auto, with a warning', async () => {
    const absent = (): Promise<never> => Promise.reject(new Error('Cannot find module onnxruntime_binding.node'));
    await assert.rejects(loadEngine('onnx', { threads: 1 }, silentLog, { onnx: absent }), (error: NoisefoldError) => {
      return error.code === 'ENGINE_UNAVAILABLE' && /onnxruntime_binding/.test(error.message) && /npm ci/.test(error.hint ?? '');
    });
    for (const [replaced, name] of [
      [{ onnx: absent }, 'wasm'],
      [{ onnx: absent, wasm: absent }, 'cpu'],
    ] as const) {
      const lines: string[] = [];
      const log: Log = { log: (level, message) => lines.push(`${level} ${message}`) };
      assert.equal((await loadEngine('auto', { threads: 1 }, log, replaced)).name, name);
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? '', new RegExp(`^warn .*onnxruntime_binding.*${name} engine.*slower`));
    }
    await assert.rejects(
      loadEngine('auto', { threads: 1 }, silentLog, { onnx: absent, wasm: absent, cpu: absent }),
      (error: NoisefoldError) => error.code === 'ENGINE_UNAVAILABLE',
    );
  });
});
