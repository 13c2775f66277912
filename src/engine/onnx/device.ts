/**
 * Where ONNX Runtime computes. A device opens sessions of recorded graphs, and is the only one that touches the tensors that they give: a buffer
 * on a GPU has no data here, and asking onnxruntime-node for it (`getData()`, or `data` of some versions) ends the process. So tensors stay
 * behind `Held`, which can be fed to a session, read through the device and let go, and nothing else.
 */
import './telemetry.ts';
import * as ort from 'onnxruntime-node';
import { NoisefoldError } from '../../base/errors.ts';
import type { DeviceName } from '../../config/types.ts';
import type { Graph } from '../trace/graph.ts';
import { forAnyThreads, mostThreads } from './any-threads.ts';
import { forCpu } from './for-cpu.ts';
import { lower } from './lower.ts';
import { buildModel } from './protobuf.ts';
import { standardise } from './standard.ts';

declare const held: unique symbol;
/** A tensor that a run gave and that the next one may take. */
export interface Held {
  readonly [held]: never;
}

export interface Session {
  /**
   * @param values operands by the graph's names; their shapes are the graph's
   * @returns the results that the session keeps as Held, all others as numbers
   */
  run(values: Readonly<Record<string, Float32Array | Held>>): Promise<Results>;
  /** A copy of a kept result. */
  read(kept: Held): Promise<Float32Array>;
  /** Frees what a run kept. It is not used again. */
  discard(kept: Held): void;
  release(): Promise<void>;
}

export interface Results {
  kept(name: string): Held;
  numbers(name: string): Float32Array;
}

export interface Device {
  readonly name: Exclude<DeviceName, 'auto'>;
  /** Whether the same operands always give the same bytes. */
  readonly bitExact: boolean;
  /** @param keep names of the results that stay on the device for the next run */
  open(graph: Graph, keep: readonly string[]): Promise<Session>;
}

/** @param threads those inside one operation, of which it uses 16 at most; any number gives the same bytes */
export function cpuDevice(threads: number): Device {
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: ['cpu'],
    intraOpNumThreads: Math.min(threads, mostThreads),
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    extra: { optimization: { disable_specified_optimizers: 'GemmTransposeFusion' } },
    logSeverityLevel: 3,
  };
  return { name: 'cpu', bitExact: true, open: (graph, keep) => openOnHost(forCpu(forAnyThreads(graph)), keep, options) };
}

/**
 * NVIDIA's CUDA. Results cross to the host and back with each step: onnxruntime-node can keep buffers on WebGPU devices only.
 * Throws ENGINE_UNAVAILABLE where the provider is not installed or finds no GPU.
 */
export async function cudaDevice(threads: number): Promise<Device> {
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: ['cuda'],
    intraOpNumThreads: threads,
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  };
  await probe(options, 'cuda', cudaHint);
  // Its matrix products may pick another algorithm in another process.
  return { name: 'cuda', bitExact: false, open: (graph, keep) => openOnHost(graph, keep, options) };
}

/**
 * A GPU by WebGPU (Vulkan, Metal, Direct3D 12). Every node runs there; what is kept stays there.
 * Throws ENGINE_UNAVAILABLE where there is no adapter.
 */
export async function webgpuDevice(): Promise<Device> {
  const options: ort.InferenceSession.SessionOptions = {
    executionProviders: ['webgpu'],
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    // A node that silently ran on the CPU would copy its operands out and back in every step.
    extra: { session: { disable_cpu_ep_fallback: '1' } },
  };
  await probe(options, 'webgpu', webgpuHint);
  // Seen to repeat its bytes on one adapter; ONNX Runtime promises it for none.
  return { name: 'webgpu', bitExact: false, open: (graph, keep) => openOnGpu(standardise(graph), keep, options) };
}

const webgpuHint =
  "WebGPU needs a GPU with a Vulkan driver (on Debian: apt install libvulkan1 mesa-vulkan-drivers, or the vendor's driver), Metal or Direct3D 12. Without one, use the device cpu.";
const cudaHint =
  'Linux x64 with an NVIDIA driver of 580 or newer reaches it by ONNX Runtime’s CUDA provider of PyPI, with CUDA 13: the image noisefold-worker-gpu has it, and deploy/README.md ("A GPU for the engine onnx") adds it to an installation. Otherwise use the device cpu.';

/** What ONNX Runtime says is wrong, without its source files and C++ types. */
export const reasonOf = (message: string): string =>
  /CUDA failure \d+: [^;]*/.exec(message)?.[0].trim() ?? message.replace(/^\S*\.cc:.* was false\. /s, '').trim();

/** Adds two numbers there. */
async function probe(options: ort.InferenceSession.SessionOptions, name: string, hint: string): Promise<void> {
  const x = { name: 'x', type: 'float32', shape: [1] } as const;
  try {
    const session = await create(
      buildModel([{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }], [x], [{ ...x, name: 'y' }]),
      options,
    );
    const { y } = await session.run({ x: new ort.Tensor('float32', Float32Array.of(1), [1]) });
    await session.release();
    if (floats(y)[0] !== 2) throw new Error(`1 + 1 is ${floats(y)[0]} there`);
  } catch (cause) {
    const reason = cause instanceof Error ? reasonOf(cause.message) : String(cause);
    throw new NoisefoldError('ENGINE_UNAVAILABLE', `the onnx engine has no ${name} device: ${reason}`, { hint, cause });
  }
}

/** Results lie in the host's memory; feeding one back costs nothing. */
async function openOnHost(graph: Graph, keep: readonly string[], options: ort.InferenceSession.SessionOptions): Promise<Session> {
  const session = await failing(create(lower(graph), options));
  return guarded(session, graph, keep, {
    read: (tensor) => Promise.resolve(floats(tensor).slice()),
    discard() {
      // The garbage collector does it.
    },
    async release() {
      // Nothing beside the session.
    },
  });
}

/** Kept results are buffers of the GPU, read through a session that copies them. */
async function openOnGpu(graph: Graph, keep: readonly string[], options: ort.InferenceSession.SessionOptions): Promise<Session> {
  const locations = Object.keys(graph.outputs).map((name) => [name, keep.includes(name) ? 'gpu-buffer' : 'cpu'] as const);
  const session = await failing(create(lower(graph), { ...options, preferredOutputLocation: Object.fromEntries(locations) }));
  let reader: Promise<ort.InferenceSession> | undefined;
  const openReader = (): Promise<ort.InferenceSession> => {
    const shape = ['length'];
    const node = { op: 'Identity', inputs: ['x'], outputs: ['y'] };
    const bytes = buildModel([node], [{ name: 'x', type: 'float32', shape }], [{ name: 'y', type: 'float32', shape }]);
    return create(bytes, { ...options, graphOptimizationLevel: 'disabled' });
  };
  return guarded(session, graph, keep, {
    async read(tensor) {
      if (tensor.location === 'cpu') return floats(tensor).slice();
      reader ??= openReader();
      const { y } = await failing((await failing(reader)).run({ x: tensor }));
      return floats(y).slice();
    },
    discard: (tensor) => tensor.dispose(),
    release: async () => (await reader)?.release(),
  });
}

interface Memory {
  read(tensor: ort.Tensor): Promise<Float32Array>;
  discard(tensor: ort.Tensor): void;
  release(): Promise<void>;
}

/** A session that reports its failures as ENGINE_FAILED, refuses work after its release, and can be released twice. */
function guarded(session: ort.InferenceSession, graph: Graph, keep: readonly string[], memory: Memory): Session {
  let open = true;
  const check = (): void => {
    if (!open) throw new NoisefoldError('ENGINE_FAILED', 'the session was used after its release');
  };
  const asTensor = (value: Held): ort.Tensor => value as unknown as ort.Tensor;
  return {
    async run(values) {
      check();
      const feeds = Object.entries(values).map(([name, value]) => {
        const tensor =
          value instanceof Float32Array
            ? new ort.Tensor('float32', value, [...(graph.inputs[name]?.shape ?? [])])
            : asTensor(value);
        return [name, tensor] as const;
      });
      const results = await failing(session.run(Object.fromEntries(feeds)));
      return {
        kept(name) {
          if (!keep.includes(name)) throw new NoisefoldError('INTERNAL', `the session does not keep ${name}`);
          return results[name] as unknown as Held;
        },
        numbers(name) {
          if (keep.includes(name)) throw new NoisefoldError('INTERNAL', `the session keeps ${name}: read it`);
          return floats(results[name]);
        },
      };
    },
    async read(kept) {
      check();
      return memory.read(asTensor(kept));
    },
    discard(kept) {
      if (open) memory.discard(asTensor(kept));
    },
    async release() {
      if (!open) return;
      open = false;
      await failing(memory.release());
      await failing(session.release());
    },
  };
}

function create(model: Uint8Array, options: ort.InferenceSession.SessionOptions): Promise<ort.InferenceSession> {
  // What it would print is thrown as well.
  ort.env.logLevel = 'fatal';
  return ort.InferenceSession.create(model, options);
}

async function failing<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new NoisefoldError('ENGINE_FAILED', cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** The numbers of a tensor in the host's memory. */
function floats(value: ort.OnnxValue | undefined): Float32Array {
  const tensor = value as ort.Tensor;
  if (tensor.location !== 'cpu') throw new NoisefoldError('INTERNAL', `a tensor at ${tensor.location} has no numbers here`);
  return tensor.data as Float32Array;
}
