/** Engines by name. Each is imported when it is asked for, so that a command that trains nothing loads none. */
import { NoisefoldError } from '../base/errors.ts';
import { silentLog, type Log } from '../base/ports.ts';
import type { EngineName } from '../config/types.ts';
import type { Engine, EngineOptions } from './engine.ts';

type ImportOnnx = () => Promise<{ onnxEngine(options: EngineOptions): Engine }>;

/**
 * The engine of a name; `auto` is the compiled one or, where that does not load, the slow one with a warning.
 * @param importOnnx how the compiled engine's module is loaded; a test can let it fail
 * Throws ENGINE_UNAVAILABLE.
 */
export async function loadEngine(
  name: EngineName,
  options: EngineOptions,
  log: Log = silentLog,
  importOnnx: ImportOnnx = () => import('./onnx/engine.ts'),
): Promise<Engine> {
  switch (name) {
    case 'onnx':
      return loadOnnx(options, importOnnx);
    case 'cpu':
      return (await import('./eager/engine.ts')).cpuEngine();
    case 'auto':
      try {
        return await loadOnnx(options, importOnnx);
      } catch (error) {
        if (!(error instanceof NoisefoldError) || error.code !== 'ENGINE_UNAVAILABLE') throw error;
        log.log('warn', `${error.message}; training with the cpu engine, which is about a hundred times slower`);
        return loadEngine('cpu', options, log);
      }
    default:
      return name satisfies never;
  }
}

async function loadOnnx(options: EngineOptions, importOnnx: ImportOnnx): Promise<Engine> {
  try {
    return (await importOnnx()).onnxEngine(options);
  } catch (cause) {
    throw new NoisefoldError(
      'ENGINE_UNAVAILABLE',
      `the onnx engine does not load: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        hint: `onnxruntime-node has no build for ${process.platform} ${process.arch}, or its files are missing: run npm ci again, or ask for the engine cpu.`,
        cause,
      },
    );
  }
}
