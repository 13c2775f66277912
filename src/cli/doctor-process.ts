/** The process of one check of `noisefold doctor`: a driver that crashes takes only it along, and what libraries print is not seen. */
import { asNoisefoldError } from '../base/errors.ts';
import type { DeviceName, EngineName } from '../config/types.ts';
import type { Engine } from '../engine/engine.ts';
import { loadEngine } from '../engine/registry.ts';
import { selfTest } from '../train/self-test.ts';
import type { EngineFinding } from './doctor.ts';

async function check(name: EngineName, device: DeviceName): Promise<EngineFinding> {
  const asked = { engine: name, device };
  let engine: Engine;
  try {
    engine = await loadEngine(name, { threads: 1, device });
  } catch (thrown) {
    const { code, message, hint } = asNoisefoldError(thrown);
    const reason = message.split('\n')[0] ?? '';
    return {
      ...asked,
      state: code === 'ENGINE_UNAVAILABLE' ? 'missing' : 'broken',
      reason,
      ...(hint === undefined ? {} : { hint }),
    };
  }
  const { version, bitExact, device: found } = engine.capabilities;
  const result = await selfTest(engine);
  const about = { engine: engine.name, device: found, version };
  return result.ok ? { ...about, state: 'works', ms: result.ms, bitExact } : { ...about, state: 'broken', reason: result.reason };
}

const [name = 'auto', device = 'auto'] = process.argv.slice(2) as [EngineName?, DeviceName?];
process.send?.(await check(name, device), undefined, {}, () => process.exit(0));
