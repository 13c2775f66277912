/** The engine that a script of the contract was told to load. Arguments: engine, threads, and a device where the engine has a choice. */
import type { Engine, EngineOptions } from '../../src/engine/engine.ts';
import type { EngineName } from '../../src/config/types.ts';
import { loadEngine } from '../../src/engine/registry.ts';

export function engineOfArguments(): Promise<Engine> {
  const [name, threads, device = ''] = process.argv.slice(2);
  return loadEngine(name as EngineName, { threads: Number(threads), ...(device !== '' && { device }) } as EngineOptions);
}
