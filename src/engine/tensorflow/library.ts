/**
 * TensorFlow's library for Node: @tensorflow/tfjs-node-gpu or @tensorflow/tfjs-node, an optional package of some hundred megabytes, whichever
 * is found first. It is looked for in the folder that NOISEFOLD_TENSORFLOW names, else in this package's node_modules, else where
 * deploy/tensorflow/install.mjs puts it.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs';
import { NoisefoldError } from '../../base/errors.ts';

/** tfjs's name of the backend that the library registers. */
export const backend = 'tensorflow';

/** One signature of a SavedModel. Signatures of one file share its variables; the last one to be disposed ends its session. */
export interface SavedModel {
  predict(inputs: tf.NamedTensorMap): tf.NamedTensorMap;
  dispose(): void;
}

/** As much of the package as is used here. */
interface Package {
  readonly version: Readonly<Record<string, string>>;
  readonly node: { loadSavedModel(folder: string, tags: readonly string[], signature: string): Promise<SavedModel> };
}

export interface Library {
  readonly loadSavedModel: Package['node']['loadSavedModel'];
  readonly device: 'cpu' | 'gpu';
  /** Of the package and of the TensorFlow that it was built against. */
  readonly version: string;
  /** Whether XLA compiles graphs here. */
  readonly xla: boolean;
}

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;
const root = fileURLToPath(new URL('../../../', import.meta.url));
const onCpuToo = '--tf_xla_cpu_global_jit';

/**
 * What TensorFlow reads from the environment, once, when it is loaded. What is set already stays.
 *
 * XLA compiles what runs on a GPU; on a CPU it wins little, and its bytes differ with the number of threads. Sums are made in one order and
 * products in full float32 (not TF32), so that a run can be repeated and compared with other engines.
 */
export const tensorflowEnvironment = (threads: number): Readonly<Record<string, string>> => ({
  TF_CPP_MIN_LOG_LEVEL: '2',
  TF_NUM_INTRAOP_THREADS: String(threads),
  TF_NUM_INTEROP_THREADS: '1',
  TF_XLA_FLAGS: '--tf_xla_auto_jit=2',
  TF_DETERMINISTIC_OPS: '1',
  TF_FORCE_GPU_ALLOW_GROWTH: 'true',
  NVIDIA_TF32_OVERRIDE: '0',
});

let loaded: Library | undefined;

/**
 * Loads the library, once a process: the first caller's number of threads holds for all. Throws ENGINE_UNAVAILABLE with the command that adds it.
 * @param folders where to look, each a folder that has or sees a node_modules
 */
export function loadLibrary(threads: number, folders: readonly string[] = searched()): Library {
  if (loaded !== undefined) return loaded;
  const failures: string[] = [];
  for (const folder of folders)
    for (const name of packages) {
      const require = createRequire(join(folder, 'package.json'));
      let file: string;
      try {
        file = require.resolve(name);
      } catch {
        continue;
      }
      try {
        return (loaded = start(require, file, name, threads));
      } catch (cause) {
        failures.push(`${name} does not load: ${firstLine(cause)}`);
      }
    }
  throw new NoisefoldError(
    'ENGINE_UNAVAILABLE',
    failures.length > 0 ? failures.join('; ') : `neither ${packages.join(' nor ')} is installed`,
    {
      hint: 'node deploy/tensorflow/install.mjs adds it, with the TensorFlow of a Python wheel (--cuda: for NVIDIA GPUs); NOISEFOLD_TENSORFLOW names the folder if it is not the one that the script chooses.',
    },
  );
}

const searched = (): string[] => {
  const named = process.env['NOISEFOLD_TENSORFLOW'];
  return named === undefined || named === '' ? [root, join(root, '.cache/tensorflow')] : [named];
};

function start(require: NodeJS.Require, file: string, name: string, threads: number): Library {
  tf.enableProdMode();
  for (const [key, value] of Object.entries(tensorflowEnvironment(threads))) process.env[key] ??= value;
  // The package calls what Node 23 took away.
  const util = require('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
  util.isNullOrUndefined ??= (value) => value === null || value === undefined;
  const previous = tf.getBackend() as string | undefined;
  const { node, version } = require(file) as Package;
  const { binding, isUsingGpuDevice } = tf.backend() as unknown as { binding: { TF_Version: string }; isUsingGpuDevice: boolean };
  void tf.setBackend(previous ?? 'cpu');
  return {
    loadSavedModel: (...args) => node.loadSavedModel(...args),
    device: isUsingGpuDevice ? 'gpu' : 'cpu',
    version: `${name.replace('@tensorflow/', '')} ${version['tfjs-node'] ?? '?'}, TensorFlow ${binding.TF_Version}`,
    xla: isUsingGpuDevice || (process.env['TF_XLA_FLAGS'] ?? '').includes(onCpuToo),
  };
}

const firstLine = (cause: unknown): string =>
  (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]?.trim() ?? '';
