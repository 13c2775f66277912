/** Which engine a study is trained with: `auto` is settled on each machine, but one study should have one answer. */
import type { EngineName } from './types.ts';

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
