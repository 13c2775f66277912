/**
 * tfjs's WebAssembly backend, the fallback for machines without a compiled engine. Under Node it has one thread.
 *
 * Its matrix product is fast (XNNPACK) only where neither operand is transposed; a gradient transposes one in each product. So the kernels
 * are wrapped: operands are transposed first, which makes a training step of the reference model five times as fast.
 */
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import * as tf from '@tensorflow/tfjs';
import { setThreadsCount, setWasmPaths, version_wasm } from '@tensorflow/tfjs-backend-wasm';
import type { Engine } from '../engine.ts';
import { eagerEngine } from './engine.ts';

const backend = 'wasm';

/** The engine, with its backend initialised. */
export async function wasmEngine(): Promise<Engine> {
  await (ready ??= initialise());
  return eagerEngine({
    name: 'wasm',
    backend,
    capabilities: { bitExact: true, device: 'cpu', version: `tfjs wasm ${version_wasm}` },
  });
}

let ready: Promise<void> | undefined;

/** Not through tf.setBackend: tfjs has no backend at all while it waits for one, and another engine may be at work meanwhile. */
async function initialise(): Promise<void> {
  tf.enableProdMode();
  setWasmPaths(`${dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'))}/`);
  setThreadsCount(1);
  for (const kernelName of ['BatchMatMul', '_FusedMatMul']) transposeFirst(kernelName);
  const started = await tf.findBackendFactory(backend)();
  tf.removeBackend(backend);
  tf.registerBackend(backend, () => started);
}

/** Replaces a product's kernel by one that transposes its operands itself. */
function transposeFirst(kernelName: string): void {
  const product = kernelOf(kernelName);
  const { kernelFunc: transpose } = kernelOf('Transpose');
  tf.unregisterKernel(kernelName, backend);
  tf.registerKernel({
    ...product,
    kernelFunc({ inputs, attrs, backend: on }) {
      const made: tf.TensorInfo[] = [];
      const plain = (name: 'a' | 'b', isTransposed: unknown): tf.TensorInfo => {
        const x = inputs[name] as tf.TensorInfo;
        if (isTransposed !== true) return x;
        const axes = x.shape.map((_, i) => i);
        const perm = [...axes.slice(0, -2), axes.length - 1, axes.length - 2];
        const result = transpose({ inputs: { x }, attrs: { perm }, backend: on }) as tf.TensorInfo;
        made.push(result);
        return result;
      };
      const a = plain('a', attrs?.['transposeA']);
      const b = plain('b', attrs?.['transposeB']);
      const plainAttributes = { ...attrs, transposeA: false, transposeB: false };
      const result = product.kernelFunc({ inputs: { ...inputs, a, b }, attrs: plainAttributes, backend: on });
      for (const { dataId } of made) (on as tf.KernelBackend).disposeData(dataId);
      return result;
    },
  });
}

function kernelOf(name: string): tf.KernelConfig {
  const kernel = tf.getKernel(name, backend) as tf.KernelConfig | undefined;
  if (kernel === undefined) throw new Error(`tfjs wasm has no kernel ${name}`);
  return kernel;
}
