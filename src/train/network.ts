import type { TrialConfig } from '../config/types.ts';
import type { EncodedLayout } from '../dataset/types.ts';
import type { NetworkSpec } from '../model/types.ts';

/** The network that a trial trains on data of this layout. The losses are weighted by source columns, not by encoded ones, as in the reference. */
export function networkOf(layout: EncodedLayout, config: Pick<TrialConfig, 'model' | 'training'>): NetworkSpec {
  const categoricalSources = layout.sources.filter(({ kind }) => kind === 'categorical').length;
  return {
    model: config.model,
    binary: layout.binary,
    numerical: layout.numerical,
    categoricalSources,
    numericalSources: layout.sources.length - categoricalSources,
    loss: config.training.loss,
  };
}
