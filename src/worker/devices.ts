/**
 * The devices of this machine, as nvidia-smi tells of them: GPUs and MIG slices by UUID, which stay what they are when indices move; CPU slots otherwise.
 *
 * A GPU in MIG mode is its slices (CUDA does not run on the whole then). CUDA_VISIBLE_DEVICES is respected as CUDA reads it: indices or the beginnings of UUIDs, in
 * that order, up to the first that is no device.
 */
import { NoisefoldError } from '../base/errors.ts';

export interface Gpu {
  readonly kind: 'gpu' | 'mig';
  /** Of the card, in nvidia-smi's order. */
  readonly index: number;
  readonly uuid: string;
  /** `NVIDIA H100 80GB HBM3`; for a slice with its profile, `NVIDIA A100-SXM4-40GB MIG 3g.20gb`. */
  readonly name: string;
}

export type Device = Gpu | { readonly kind: 'cpu'; /** From 1. */ readonly slot: number };

const mib = 2 ** 20;
const gib = 2 ** 30;

/** What `nvidia-smi -L` lists. Lines that name no device (a card that does not answer) are passed over. */
export function parseGpus(listing: string): Gpu[] {
  const found: Gpu[] = [];
  let card: Gpu | undefined;
  for (const line of listing.split('\n')) {
    const whole = /^GPU (\d+): (.+) \(UUID: (GPU-[^)]+)\)/.exec(line);
    const slice = /^\s+MIG (\S+)\s+Device\s+\d+: \(UUID: (MIG-[^)]+)\)/.exec(line);
    if (whole !== null) {
      const [, index, name = '', uuid = ''] = whole;
      found.push((card = { kind: 'gpu', index: Number(index), uuid, name }));
    } else if (slice !== null && card !== undefined) {
      const [, profile = '', uuid = ''] = slice;
      found.push({ kind: 'mig', index: card.index, uuid, name: `${card.name} MIG ${profile}` });
    }
  }
  return found.filter((gpu) => gpu.kind === 'mig' || !found.some(({ kind, index }) => kind === 'mig' && index === gpu.index));
}

export interface GpuMemory {
  /** Bytes. */
  readonly free: number;
  readonly total: number;
}

export const memoryQuery: readonly string[] = ['--query-gpu=uuid,memory.free,memory.total', '--format=csv,noheader,nounits'];

/** What nvidia-smi answers to `memoryQuery`, by UUID. Cards that do not tell (`[N/A]`) are left out, and so are MIG slices, which it does not know. */
export function parseMemory(csv: string): Map<string, GpuMemory> {
  const rows = csv.split('\n').map((line) => line.split(',').map((field) => field.trim()));
  return new Map(
    rows.flatMap(([uuid = '', free = '', total = '']) =>
      /^\d+$/.test(free) && /^\d+$/.test(total)
        ? [[uuid, { free: Number(free) * mib, total: Number(total) * mib }] as const]
        : [],
    ),
  );
}

/** Bytes of a slice by its profile's name: `3g.20gb`. 0 for a whole GPU, whose memory nvidia-smi tells. */
export const sliceMemory = ({ kind, name }: Gpu): number => (kind === 'mig' ? Number(/\.(\d+)gb/.exec(name)?.[1] ?? 0) * gib : 0);

/** Those that CUDA_VISIBLE_DEVICES lets this process see, in its order; all where it is not set. */
export function visibleGpus(gpus: readonly Gpu[], cudaVisibleDevices: string | undefined): readonly Gpu[] {
  if (cudaVisibleDevices === undefined) return gpus;
  const seen: Gpu[] = [];
  for (const entry of cudaVisibleDevices.split(',').map((part) => part.trim())) {
    const named = gpusNamed(gpus, entry);
    if (named.length === 0) break;
    for (const gpu of named) if (!seen.includes(gpu)) seen.push(gpu);
  }
  return seen;
}

/** An index names a card with all its slices; a UUID, or its beginning, one device. None where it is not clear which. */
function gpusNamed(gpus: readonly Gpu[], entry: string): readonly Gpu[] {
  if (/^\d+$/.test(entry)) return gpus.filter(({ index }) => index === Number(entry));
  if (!/^(GPU|MIG)-./.test(entry)) return [];
  const named = gpus.filter(({ uuid }) => uuid.startsWith(entry));
  return named.length === 1 ? named : [];
}

export interface Machine {
  /** Those that this process may see. */
  readonly gpus: readonly Gpu[];
  /** Why no GPU could be listed, where that is not for want of them. */
  readonly trouble: string | undefined;
  /** CPU slots where no number is given. */
  readonly cpuSlots: number;
}

/**
 * The devices that `--devices` names: `all` (every GPU, or CPU slots where there is none), `gpu`, `cpu`, `cpu:4`, UUIDs or their beginnings; several with commas.
 * Throws USAGE for what is not such a list, ENGINE_UNAVAILABLE for GPUs that are not there.
 */
export function chosenDevices(list: string, { gpus, trouble, cpuSlots }: Machine): Device[] {
  const cpus = (count: number): Device[] => Array.from({ length: count }, (_, i) => ({ kind: 'cpu', slot: i + 1 }));
  const chosen = list.split(',').flatMap((entry): readonly Device[] => {
    const term = entry.trim();
    const slots = /^cpu:([1-9]\d{0,2})$/.exec(term)?.[1];
    if (slots !== undefined) return cpus(Number(slots));
    if (term === 'cpu') return cpus(cpuSlots);
    if (term === 'all') return gpus.length > 0 ? gpus : cpus(cpuSlots);
    if (term !== 'gpu' && !/^(GPU|MIG)-/.test(term))
      throw new NoisefoldError('USAGE', `${JSON.stringify(term)} names no device`, {
        where: '--devices',
        hint: 'Devices are all, gpu, cpu, cpu:4, or UUIDs as nvidia-smi -L lists them, several with commas.',
      });
    const named = term === 'gpu' ? gpus : gpusNamed(gpus, term);
    if (named.length === 0) throw noGpu(term, gpus, trouble);
    return named;
  });
  return chosen.filter((device, i) => chosen.findIndex((other) => sameDevice(other, device)) === i);
}

function noGpu(term: string, gpus: readonly Gpu[], trouble: string | undefined): NoisefoldError {
  const there = gpus.map(({ uuid, name }) => `${uuid} (${name})`).join(', ');
  return new NoisefoldError(
    'ENGINE_UNAVAILABLE',
    term === 'gpu'
      ? 'there is no GPU that this process may use'
      : `there is no GPU ${term}, or more than one whose UUID begins so`,
    {
      where: '--devices',
      hint: trouble ?? (there === '' ? 'nvidia-smi -L lists none, or CUDA_VISIBLE_DEVICES hides them.' : `There are ${there}.`),
    },
  );
}

const sameDevice = (a: Device, b: Device): boolean => deviceId(a) === deviceId(b);

/** What a supervisor tells a process that is to own it: `cpu-1`, or the UUID. */
export const deviceId = (device: Device): string => (device.kind === 'cpu' ? `cpu-${device.slot}` : device.uuid);

/** The device of an id, which may have been listed by another process. Undefined where it is not there. */
export function deviceOf(id: string, gpus: readonly Gpu[]): Device | undefined {
  const slot = /^cpu-(\d+)$/.exec(id)?.[1];
  return slot === undefined ? gpus.find(({ uuid }) => uuid === id) : { kind: 'cpu', slot: Number(slot) };
}

/** Part of a worker's name, the same after every restart: `cpu-1`, `gpu-5d5ba0d6`, `mig-c7384736`. */
export function deviceName(device: Device): string {
  if (device.kind === 'cpu') return deviceId(device);
  const [uuid = '', ...instance] = device.uuid.replace(/^(MIG-)?(GPU-)?/, '').split('/');
  return [device.kind, uuid.slice(0, 8), ...instance].join('-');
}

/** What a process must see, to use this device and no other. */
export const deviceEnvironment = (device: Device): Record<string, string> => ({
  CUDA_VISIBLE_DEVICES: device.kind === 'cpu' ? '' : device.uuid,
});
