/** The onnx engine on the device of a name. */
import { existsSync } from 'node:fs';
import { NoisefoldError } from '../../base/errors.ts';
import type { Engine, EngineOptions } from '../engine.ts';
import { cpuDevice, cudaDevice, type Device, webgpuDevice } from './device.ts';
import { onnxEngineOn } from './engine.ts';

/**
 * `auto` is a GPU where NVIDIA's driver shows one and a provider reaches it, else the CPU. Other GPUs are taken when they are asked for: an
 * integrated one is often slower than the CPU beside it, and on a CPU a resumed run ends in the same bytes.
 * Throws ENGINE_UNAVAILABLE for a named device that is not there.
 */
export async function openOnnxEngine({ threads, device = 'cpu' }: EngineOptions): Promise<Engine> {
  return onnxEngineOn(await openDevice(device, threads));
}

async function openDevice(name: NonNullable<EngineOptions['device']>, threads: number): Promise<Device> {
  switch (name) {
    case 'cpu':
      return cpuDevice(threads);
    case 'webgpu':
      return webgpuDevice();
    case 'cuda':
      return cudaDevice(threads);
    case 'auto': {
      const gpus = hasNvidiaGpu() ? (['cuda', 'webgpu'] as const) : [];
      for (const gpu of gpus) {
        const device = await openDevice(gpu, threads).catch((error: unknown) => {
          if (error instanceof NoisefoldError && error.code === 'ENGINE_UNAVAILABLE') return undefined;
          throw error;
        });
        if (device !== undefined) return device;
      }
      return cpuDevice(threads);
    }
    default:
      return name satisfies never;
  }
}

/** By what the driver leaves in the file system: no process is started for it. */
const hasNvidiaGpu = (): boolean => process.platform === 'linux' && existsSync('/dev/nvidia0');
