/** A point of the search space made into the configuration of one trial. */
import { NoisefoldError } from '../base/errors.ts';
import { levelKeyFor } from '../config/levels.ts';
import { isDistribution, parameters } from '../config/parameters.ts';
import { suggestion } from '../config/suggest.ts';
import type {
  FeaturesConfig,
  ModelConfig,
  ModelSpace,
  ParameterValues,
  SwapProbabilitySpace,
  SweepConfig,
  TrialConfig,
} from '../config/types.ts';
import type { EncodedLayout, SourceColumn } from '../dataset/types.ts';

/**
 * The configuration of one trial: every searched parameter takes its value, every source column gets its swap probability.
 * @param values one value for every searched parameter
 * @throws NoisefoldError CONFIG_INVALID if `noise.swapProbability.columns` names what is not an input, or a value is missing;
 * MODEL_SHAPE if the heads do not divide the token size, or a feature layer does not exist
 */
export function fixTrial(config: SweepConfig, values: ParameterValues, layout: EncodedLayout): TrialConfig {
  const fixed = new Map<string, number>();
  for (const { name, space } of parameters(config)) fixed.set(name, isDistribution(space) ? drawn(name, values) : space);
  const value = (name: string): number => fixed.get(name) ?? drawn(name, values);

  requireInputs(config.noise.swapProbability, layout);
  const swapProbability = Object.fromEntries(
    layout.sources.map((source) => [source.name, value(swapParameter(config.noise.swapProbability, source))]),
  );
  const model = fixModel(config.model, value);
  const { layers, inputs } = config.features;
  requireLayers(config.features, model);
  return {
    noise: { flavour: config.noise.flavour, swapProbability },
    model,
    training: {
      epochs: value('training.epochs'),
      batchSize: value('training.batchSize'),
      learningRate: value('training.learningRate'),
      learningRateDecay: value('training.learningRateDecay'),
      loss: config.training.loss,
      checkpointEveryEpochs: config.training.checkpointEveryEpochs,
      ...(config.training.averageLast === 1 ? {} : { averageLast: config.training.averageLast }),
    },
    features: { layers, inputs },
  };
}

/** The name of the parameter that decides a column's swap probability: `columns` before `levels` before the kind. */
export function swapParameter(space: SwapProbabilitySpace, source: SourceColumn): string {
  if (Object.hasOwn(space.columns, source.name)) return `noise.columns.${source.name}`;
  if (source.kind === 'numerical') return 'noise.numerical';
  const key = levelKeyFor(Object.keys(space.levels), source.levels);
  return key === undefined ? 'noise.categorical' : `noise.levels.${key}`;
}

function drawn(name: string, values: ParameterValues): number {
  const value = Object.hasOwn(values, name) ? values[name] : undefined;
  if (typeof value !== 'number')
    throw new NoisefoldError('CONFIG_INVALID', `the searched parameter ${name} has no value in this trial`, { where: name });
  return value;
}

function requireInputs(space: SwapProbabilitySpace, layout: EncodedLayout): void {
  const inputs = layout.sources.map(({ name }) => name);
  const strangers = Object.keys(space.columns).filter((column) => !inputs.includes(column));
  if (strangers.length === 0) return;
  throw new NoisefoldError(
    'CONFIG_INVALID',
    strangers.map((column) => `\`${column}\` is not an input column${suggestion(column, inputs)}`).join('\n'),
    {
      where: 'noise.swapProbability.columns',
      hint: `The inputs are ${inputs.slice(0, 40).join(', ')}${inputs.length > 40 ? ', ...' : ''}.`,
    },
  );
}

function fixModel(space: ModelSpace, value: (name: string) => number): ModelConfig {
  if (space.kind === 'mlp') return { kind: 'mlp', units: value('model.units'), layers: value('model.layers') };
  const [tokenSize, heads] = [value('model.tokenSize'), value('model.heads')];
  if (tokenSize % heads !== 0)
    throw new NoisefoldError('MODEL_SHAPE', `${heads} heads do not divide a tokenSize of ${tokenSize}`, {
      where: 'model.heads',
      hint: 'Choose head counts that divide every token size.',
    });
  return {
    kind: 'transformer',
    tokens: value('model.tokens'),
    tokenSize,
    heads,
    feedForward: value('model.feedForward'),
    layers: value('model.layers'),
  };
}

function requireLayers(features: FeaturesConfig, model: ModelConfig): void {
  if (typeof features.layers === 'string') return;
  const beyond = features.layers.filter((layer) => layer >= model.layers);
  if (beyond.length > 0)
    throw new NoisefoldError(
      'MODEL_SHAPE',
      `there is no hidden layer ${beyond.join(', ')} in a network of ${model.layers} layers`,
      {
        where: 'features.layers',
        hint: `Indices go from 0 to ${model.layers - 1}; or use \`last\`.`,
      },
    );
}
