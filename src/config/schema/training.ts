/** What a trial trains: noise, network, optimisation. Nearly all of it may be searched. */
import { z } from 'zod';
import { defaults } from '../defaults.ts';
import { overlap, parseLevelRange } from '../levels.ts';
import { cardinality, valueAt } from '../parameters.ts';
import { noiseFlavours } from '../types.ts';
import { once, probability, searchable, size, text } from './common.ts';

const levels = z
  .record(text(), probability().describe('For columns with this many levels.'))
  .superRefine((map, ctx) => {
    const ranges = Object.keys(map).map((key) => ({ key, range: parseLevelRange(key) }));
    ranges.forEach(({ key, range }, i) => {
      const problem = (message: string) => {
        ctx.addIssue({ code: 'custom', path: [key], message, params: { at: 'key' } });
      };
      if (range === undefined) {
        problem(`\`${key}\` is not a number of levels (write \`2\`, \`3-8\` or \`9+\`)`);
        return;
      }
      const earlier = ranges.slice(0, i).find((other) => other.range !== undefined && overlap(other.range, range));
      if (earlier !== undefined)
        problem(`\`${key}\` overlaps \`${earlier.key}\` (a number of levels may be in one of them only)`);
    });
  }, once())
  .default(defaults.noise.swapProbability.levels)
  .describe('For categorical columns by their number of levels: `2`, `3-8`, `9+`. Beats `categorical`.');

export const noise = z.strictObject({
  flavour: z
    .enum(noiseFlavours)
    .default(defaults.noise.flavour)
    .describe(
      '`group`: the cells of a source column are swapped together, from a row of their own. `reference`: one permutation of the batch serves all cells, each encoded column swapped on its own.',
    ),
  swapProbability: z
    .strictObject({
      numerical: probability()
        .default(defaults.noise.swapProbability.numerical)
        .describe('For numerical columns: the probability that a cell takes the value of another row.'),
      categorical: probability().default(defaults.noise.swapProbability.categorical).describe('For categorical columns.'),
      levels,
      columns: z
        .record(text(), probability().describe('For this column.'))
        .default(defaults.noise.swapProbability.columns)
        .describe('For columns by name. Beats everything else.'),
    })
    .prefault({})
    .describe('How often a cell is swapped (the noise ratio): fixed, or searched.'),
});

const transformer = z
  .strictObject({
    kind: z
      .literal('transformer')
      .describe('`transformer`: the inputs as tokens, attention among them. `mlp`: plain hidden layers.'),
    tokens: size().default(defaults.transformer.tokens).describe('`transformer`: tokens that a row is projected to.'),
    tokenSize: size()
      .default(defaults.transformer.tokenSize)
      .describe('`transformer`: units a token. A layer has tokens x tokenSize features.'),
    heads: size().default(defaults.transformer.heads).describe('`transformer`: attention heads; divides `tokenSize`.'),
    feedForward: size()
      .default(defaults.transformer.feedForward)
      .describe('`transformer`: units of the feed-forward part of a layer.'),
    layers: size().default(defaults.transformer.layers).describe('Encoder layers, or hidden layers of an `mlp`.'),
  })
  .superRefine(
    ({ tokenSize, heads }, ctx) => {
      // Every pair that could be drawn; spaces of thousands are left to the plan, which checks the drawn ones.
      if (cardinality(tokenSize) * cardinality(heads) > 10_000) return;
      for (let i = 0; i < cardinality(tokenSize); i++)
        for (let j = 0; j < cardinality(heads); j++) {
          const [units, parts] = [Number(valueAt(tokenSize, i)), Number(valueAt(heads, j))];
          if (units % parts === 0) continue;
          ctx.addIssue({
            code: 'custom',
            path: ['heads'],
            message: `${parts} heads do not divide a tokenSize of ${units} (choose a divisor)`,
          });
          return;
        }
    },
    once('tokenSize', 'heads'),
  );

const mlp = z.strictObject({
  kind: z.literal('mlp').describe('Plain hidden layers.'),
  units: size().default(defaults.mlp.units).describe('`mlp`: units a hidden layer.'),
  layers: size().default(defaults.mlp.layers).describe('Hidden layers.'),
});

export const training = z.strictObject({
  epochs: size().default(defaults.training.epochs).describe('Passes over all rows.'),
  batchSize: size()
    .default(defaults.training.batchSize)
    .describe('Rows a step; the last partial batch of an epoch is dropped. At most the number of rows.'),
  learningRate: searchable(z.number().gt(0).max(1))
    .default(defaults.training.learningRate)
    .describe('Step size of Adam in the first epoch.'),
  learningRateDecay: searchable(z.number().gt(0).max(1))
    .default(defaults.training.learningRateDecay)
    .describe('The learning rate is multiplied by this after each epoch. The reference has 0.998 over 2,001 epochs.'),
  loss: z
    .strictObject({
      emphasis: z
        .number()
        .min(0)
        .max(1)
        .default(defaults.training.loss.emphasis)
        .describe('Weight of the corrupted cells in the reconstruction loss; the clean ones get 1 - emphasis.'),
      maskWeight: z
        .number()
        .min(0)
        .default(defaults.training.loss.maskWeight)
        .describe('Weight of the loss for telling which cells were corrupted.'),
    })
    .prefault({})
    .describe('The parts of the loss.'),
  checkpointEveryEpochs: z
    .int()
    .min(1)
    .default(defaults.training.checkpointEveryEpochs)
    .describe('A checkpoint is written after every so many epochs, and on a stop.'),
  averageLast: z
    .int()
    .min(1)
    .max(100)
    .default(defaults.training.averageLast)
    .describe(
      'Features come from the mean of the weights at the ends of the last so many epochs; 1: from the last weights. Each checkpoint then holds so many weight vectors more.',
    ),
});

export const model = z.discriminatedUnion('kind', [transformer, mlp]);
