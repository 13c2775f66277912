import { NoisefoldError } from '../base/errors.ts';
import type { FeaturesConfig, TrialConfig } from '../config/types.ts';
import type { EncodedLayout } from '../dataset/types.ts';
import { hiddenLayers } from '../model/parameters.ts';
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

/** Indices of the hidden layers that are features, ascending. Throws MODEL_SHAPE for one that the network does not have, or none at all. */
export function featureLayers({ layers }: Pick<FeaturesConfig, 'layers'>, network: NetworkSpec): number[] {
  const count = hiddenLayers(network);
  if (layers === 'last') return [count - 1];
  if (layers === 'all') return Array.from({ length: count }, (_, i) => i);
  const chosen = [...new Set(layers)].sort((a, b) => a - b);
  const absent = chosen.find((layer) => !Number.isInteger(layer) || layer < 0 || layer >= count);
  if (absent !== undefined || chosen.length === 0)
    throw new NoisefoldError(
      'MODEL_SHAPE',
      absent === undefined ? 'No layer is a feature' : `There is no hidden layer ${absent}`,
      {
        where: 'features.layers',
        hint: `The network has ${count} hidden layers, 0 to ${count - 1}.`,
      },
    );
  return chosen;
}
