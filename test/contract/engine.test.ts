import { NoisefoldError } from '../../src/base/errors.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { loadEngine } from '../../src/engine/registry.ts';
import { engineContract } from './engine.ts';

/** Why an engine is not tested here, if it is not. */
async function absent(name: Engine['name']): Promise<string | false> {
  try {
    await loadEngine(name, { threads: 1 });
    return false;
  } catch (error) {
    if (error instanceof NoisefoldError && error.code === 'ENGINE_UNAVAILABLE') return error.format().replaceAll(/\s+/g, ' ');
    throw error;
  }
}

const names = ['onnx', 'tensorflow', 'tensorflow-eager', 'wasm', 'cpu'] as const;
// All are asked before any is tested, since a test starts as soon as it is written down.
const reasons = await Promise.all(names.map(absent));
names.forEach((name, i) => engineContract(name, (threads) => loadEngine(name, { threads }), { absent: reasons[i] }));
