/** Which engine a study is trained with: `auto` is settled on each machine, but one study should have one answer. */
import type { EngineName } from './types.ts';

/** What `auto` tries, the fastest first. The tensorflow engines are for those who ask: they are not part of an ordinary installation. */
export const autoEngines = ['onnx', 'wasm', 'cpu'] as const satisfies readonly EngineName[];

/**
 * Whether a study whose results came from these engines may go on with the one that is asked for. Engines agree to rounding, not to the bit, so
 * a ranking of several would depend on which trial met which.
 */
export const mayGoOn = (asked: EngineName, ran: readonly string[]): boolean =>
  ran.length === 0 ||
  (asked === 'auto' ? ran.some((name) => (autoEngines as readonly string[]).includes(name)) : ran.includes(asked));
