/** The one way to say how far a study is: trials are those that are trained, and baselines are counted apart. */
import type { Trial } from '../plan/types.ts';

/** `3 of 12 trials and 2 of 2 baselines`. */
export function countsText(trials: readonly Pick<Trial, 'id' | 'kind'>[], isDone: (trial: string) => boolean): string {
  const share = (own: typeof trials): string => `${own.filter(({ id }) => isDone(id)).length} of ${own.length}`;
  const trained = trials.filter(({ kind }) => kind === 'trained');
  const baselines = trials.filter(({ kind }) => kind !== 'trained');
  return `${share(trained)} trials and ${share(baselines)} baselines`;
}
