/** Engines by name. Each is imported when it is asked for, so that a command that trains nothing loads none. */
import { NoisefoldError } from '../base/errors.ts';
import { silentLog, type Log } from '../base/ports.ts';
import { autoEngines, pairProblem } from '../config/engine.ts';
import type { EngineName } from '../config/types.ts';
import type { Engine, EngineOptions } from './engine.ts';

type Load = (options: EngineOptions) => Promise<Engine>;
type Loaders = Readonly<Record<Engine['name'], Load>>;

const loaders: Loaders = {
  onnx: async (options) => (await import('./onnx/open.ts')).openOnnxEngine(options),
  tensorflow: async (options) => (await import('./tensorflow/engine.ts')).tensorflowEngine(options),
  'tensorflow-eager': async (options) => (await import('./tensorflow/engine.ts')).tensorflowEagerEngine(options),
  wasm: async () => (await import('./eager/wasm.ts')).wasmEngine(),
  cpu: async () => (await import('./eager/engine.ts')).cpuEngine(),
};

/** What is said of those that stand in for the first. */
const slower: Readonly<Record<(typeof autoEngines)[number], string>> = {
  onnx: '',
  wasm: 'about ten times slower',
  cpu: 'a hundred times slower',
};

const hints: Partial<Record<Engine['name'], string>> = {
  onnx: `onnxruntime-node has no build for ${process.platform} ${process.arch}, or its files are missing: run npm ci again, or ask for the engine wasm.`,
  wasm: 'Run npm ci again, or ask for the engine cpu.',
};

/**
 * The engine of a name; `auto` is the compiled one or, where that does not load, the best that does, with a warning.
 * @param replaced how some engines are loaded; a test can let one fail
 * Throws ENGINE_UNAVAILABLE, also for an engine without that device: a task's engine is its study's, and its device the worker's.
 */
export async function loadEngine(
  name: EngineName,
  options: EngineOptions,
  log: Log = silentLog,
  replaced: Partial<Loaders> = {},
): Promise<Engine> {
  const problem = pairProblem({ engine: name, device: options.device ?? 'auto' });
  if (problem !== undefined)
    throw new NoisefoldError('ENGINE_UNAVAILABLE', problem, {
      hint: 'The engine that a study names (workers.engine) is what every worker runs, on the device that the worker was started with (--device).',
    });
  const load = async (wanted: Engine['name']): Promise<Engine> => {
    try {
      return await (replaced[wanted] ?? loaders[wanted])(options);
    } catch (cause) {
      throw cause instanceof NoisefoldError ? cause : unavailable(wanted, cause);
    }
  };
  if (name !== 'auto') return load(name);
  // Who names a GPU does not want the CPU without being told.
  if (options.device === 'webgpu' || options.device === 'cuda') return load('onnx');
  let failure: NoisefoldError | undefined;
  for (const candidate of autoEngines) {
    try {
      const engine = await load(candidate);
      if (failure !== undefined)
        log.log('warn', `${failure.message}; training with the ${candidate} engine, which is ${slower[candidate]}`);
      return engine;
    } catch (error) {
      if (!(error instanceof NoisefoldError) || error.code !== 'ENGINE_UNAVAILABLE') throw error;
      failure ??= error;
    }
  }
  throw failure ?? new NoisefoldError('INTERNAL', 'there is no engine');
}

function unavailable(name: Engine['name'], cause: unknown): NoisefoldError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const hint = hints[name];
  return new NoisefoldError('ENGINE_UNAVAILABLE', `the ${name} engine does not load: ${reason}`, {
    ...(hint && { hint }),
    cause,
  });
}
