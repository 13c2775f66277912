/** Asks nvidia-smi: which GPUs there are, and whether one has room for a task. */
import { execFile } from 'node:child_process';
import type { Log } from '../base/ports.ts';
import { memoryQuery, parseGpus, parseMemory, type Device, type Gpu, type GpuMemory } from './devices.ts';

/** Runs it with these arguments. `text` is all that it printed; a machine without it has printed nothing. */
export type NvidiaSmi = (args: readonly string[]) => Promise<{ readonly ok: boolean; readonly text: string }>;

/** A driver in trouble may let it hang. */
const timeoutMs = 10_000;

export const nvidiaSmi: NvidiaSmi = (args) =>
  new Promise((resolve) => {
    execFile('nvidia-smi', args, { timeout: timeoutMs }, (error, stdout, stderr) =>
      resolve({ ok: error === null, text: `${stdout}${stderr}` }),
    );
  });

/** The GPUs of this machine; `trouble` is what nvidia-smi says where it lists none. */
export async function listGpus(smi: NvidiaSmi): Promise<{ readonly gpus: readonly Gpu[]; readonly trouble: string | undefined }> {
  const { text } = await smi(['-L']);
  const gpus = parseGpus(text);
  return { gpus, trouble: gpus.length > 0 || text.trim() === '' ? undefined : text.trim() };
}

/** A GPU's memory; undefined where nobody tells (CPUs, MIG slices, some drivers). */
export async function gpuMemory(smi: NvidiaSmi, device: Device): Promise<GpuMemory | undefined> {
  return device.kind === 'gpu' ? parseMemory((await smi(memoryQuery)).text).get(device.uuid) : undefined;
}

export interface MemoryGate {
  /** Resolves when the device has room for a task: before the worker asks for one. */
  ready(): Promise<void>;
  /** Resolves when the memory of a process that has ended is back, or after some seconds: before its end is reported, which asks for the next task. */
  released(): Promise<void>;
}

export interface MemoryGateOptions {
  readonly smi: NvidiaSmi;
  readonly device: Device;
  readonly wait: (ms: number) => Promise<void>;
  readonly log: Log;
}

/** What of a GPU's memory must be free for a worker to begin: with less somebody else computes there. */
const freeShare = 0.5;
const busyWaitMs = 10_000;
/** What of the memory that was free before must be free again. */
const backShare = 0.9;
const backWaitMs = 500;
const backTries = 20;

export function memoryGate({ smi, device, wait, log }: MemoryGateOptions): MemoryGate {
  let before: number | undefined;
  return {
    async ready() {
      for (let told = false; ; told = true) {
        const memory = await gpuMemory(smi, device);
        before = memory?.free;
        if (memory === undefined || memory.free >= freeShare * memory.total) return;
        if (!told) log.log('warn', 'the GPU’s memory is taken by others; waiting until half of it is free', { ...memory });
        await wait(busyWaitMs);
      }
    },
    async released() {
      if (before === undefined) return;
      for (let tries = 0; tries < backTries; tries++) {
        const memory = await gpuMemory(smi, device);
        if (memory === undefined || memory.free >= backShare * before) return;
        await wait(backWaitMs);
      }
      log.log('warn', 'the GPU’s memory did not come back after a task', { before });
    },
  };
}
