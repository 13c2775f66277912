/** Which engine a study is trained with: `auto` is settled on each machine, but one study should have one answer. And which devices go with it. */
import type { DeviceName, EngineName } from './types.ts';

/** What may be named beside an engine, next to `auto`. TensorFlow takes the GPU that it finds, and cannot be told to leave it; where it finds none, `cuda` is refused. */
const devicesOf: Readonly<Record<EngineName, readonly DeviceName[]>> = {
  auto: ['cpu', 'webgpu', 'cuda'],
  onnx: ['cpu', 'webgpu', 'cuda'],
  tensorflow: ['cuda'],
  'tensorflow-eager': ['cuda'],
  wasm: ['cpu'],
  cpu: ['cpu'],
};

/** What is wrong with an engine and a device that do not go together, with those that do; undefined where they do. */
export function pairProblem({
  engine,
  device,
}: {
  readonly engine: EngineName;
  readonly device: DeviceName;
}): string | undefined {
  const devices = devicesOf[engine];
  if (device === 'auto' || devices.includes(device)) return undefined;
  const fitting = Object.entries(devicesOf).flatMap(([name, known]) => (known.includes(device) ? [name] : []));
  return `the engine ${engine} takes the device ${['auto', ...devices].join(' or ')}, not ${device} (${device} goes with the engines ${fitting.join(', ')})`;
}

/** What `auto` tries, the fastest first. The tensorflow engines are for those who ask: they are not part of an ordinary installation. */
export const autoEngines = ['onnx', 'wasm', 'cpu'] as const satisfies readonly EngineName[];

/**
 * The engine that a study goes on with, which is that of its first results: engines agree to rounding, not to the bit, so a ranking of several would depend on which trial
 * met which. Undefined where another one is asked for by name.
 * @param ran the engines of its results, the first one first
 */
export function engineOf(asked: EngineName, ran: readonly EngineName[]): EngineName | undefined {
  const [first] = ran;
  if (first === undefined || ran.includes(asked)) return asked;
  return asked === 'auto' ? first : undefined;
}
