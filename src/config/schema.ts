/**
 * The configuration file, as zod schemas. Checks that span keys sit on the smallest mapping that holds them, so that one problem does not
 * hide another; checks.ts has those that span sections. Descriptions become editor completion and docs/config.md.
 */
import { z } from 'zod';
import { defaults } from './defaults.ts';
import { overlap, parseLevelRange } from './levels.ts';
import { cardinality, valueAt } from './parameters.ts';
import { engineNames, foldKinds, noiseFlavours, samplerNames, type SweepConfig } from './types.ts';

const text = () => z.string().min(1);

/** Runs a check of a mapping as soon as these keys of it are right, so that a problem in another key does not hide one here. */
const once = (...keys: readonly string[]) => ({
  when: ({ issues }: z.core.ParsePayload) =>
    !issues.some(({ code, path }) => {
      const first = path?.[0];
      return first === undefined ? code === 'invalid_type' : keys.includes(String(first));
    }),
});

const ascending = (values: readonly number[]): boolean => values.every((value, i) => i === 0 || value > (values[i - 1] ?? value));

const range = (end: z.ZodNumber) =>
  z
    .tuple([end, end])
    .refine(([low, high]) => low < high, { error: 'the low end must be below the high end (write [low, high])' });

const logRange = (end: z.ZodNumber) =>
  range(end).refine(([low]) => low > 0, { error: 'a logarithmic range starts above 0 (use `uniform` to include 0)' });

const choiceOf = (item: z.ZodNumber) =>
  z.strictObject({
    choice: z
      .array(item)
      .min(1)
      .refine((values) => new Set(values).size === values.length, { error: 'a value is listed twice (keep one)' })
      .describe('One of these values.'),
  });

/** A number, or a distribution of such numbers. */
const searchable = (item: z.ZodNumber) =>
  z.union([
    item,
    choiceOf(item),
    z.strictObject({ uniform: range(item).describe('Uniform between the two ends.') }),
    z.strictObject({ logUniform: logRange(item).describe('Uniform in the logarithm, between the two ends.') }),
  ]);

/** A whole number, or a distribution of whole numbers. */
const searchableWhole = (item: z.ZodNumber) =>
  z.union([
    item,
    choiceOf(item),
    z.strictObject({ integer: range(item).describe('A whole number between the two ends, both included.') }),
  ]);

const probability = () => searchable(z.number().min(0).max(1));
const size = () => searchableWhole(z.int().min(1));

const targetObject = z.strictObject({
  column: text().describe('The column to predict. The autoencoder never sees it.'),
  task: z
    .enum(['regression', 'binary'])
    .default(defaults.target.task)
    .describe('What the ridge on the features predicts; `binary` wants exactly two levels.'),
  transform: z
    .enum(['none', 'log'])
    .default(defaults.target.transform)
    .describe(
      '`log`: predict log(target); errors are then in that unit, predictions are transformed back. The target must be > 0.',
    ),
});

const data = z
  .strictObject({
    train: text().describe('The labelled rows: CSV, CSV.gz or Parquet. Relative to the folder of the configuration file.'),
    test: text().optional().describe('Rows without the target: they take part in training the autoencoder, and get predictions.'),
    target: z
      .union([text().transform((column) => ({ column, ...defaults.target })), targetObject])
      .describe('The column to predict; its name alone is short for `{column: NAME}`.'),
    id: text().optional().describe('A column that identifies a row; never an input.'),
    drop: z
      .array(text())
      .default([...defaults.data.drop])
      .describe('Columns to leave out of the inputs.'),
    kinds: z
      .record(text(), z.enum(['categorical', 'numerical']))
      .default(defaults.data.kinds)
      .describe('The kind of a column by name, where the inferred one is wrong (`noisefold data inspect` shows it).'),
    missing: z
      .array(z.string())
      .default([...defaults.data.missing])
      .describe('Field texts that stand for a missing value, such as `NA`; the empty field always does.'),
    delimiter: z
      .string()
      .length(1)
      .optional()
      .describe('The one character between CSV fields; inferred from the header when left out.'),
    rareBelow: z
      .int()
      .min(1)
      .default(defaults.data.rareBelow)
      .describe('Categorical levels with fewer rows than this share one level; 1 keeps all.'),
  })
  .superRefine(
    ({ target, id, drop, kinds }, ctx) => {
      const clash = (path: (string | number)[], message: string, at?: 'key') => {
        ctx.addIssue({ code: 'custom', path, message, params: { at } });
      };
      if (target.task === 'binary' && target.transform !== 'none')
        clash(['target', 'transform'], 'a binary target is not transformed (remove `transform`)');
      if (id === target.column) clash(['id'], `\`${id}\` is the target already (an id is another column)`);
      drop.forEach((column, i) => {
        if (column === target.column)
          clash(['drop', i], `\`${column}\` is the target and cannot be dropped (it is never an input)`);
      });
      for (const column of new Set([target.column, id]))
        if (column !== undefined && Object.hasOwn(kinds, column))
          clash(['kinds', column], `\`${column}\` is not an input (remove it here)`, 'key');
    },
    once('target', 'id', 'drop', 'kinds'),
  );

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

const noise = z.strictObject({
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

const training = z.strictObject({
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
});

const features = z.strictObject({
  layers: z
    .union([
      z.enum(['all', 'last']),
      z.array(z.int().min(0)).min(1).refine(ascending, { error: 'layer indices ascend, each once (sort them)' }),
    ])
    .default(defaults.features.layers)
    .describe('Hidden layers whose outputs are the features: `all` (as the reference), `last`, or a list of indices from 0.'),
  inputs: z.boolean().default(defaults.features.inputs).describe('Whether the encoded inputs join the features.'),
});

const ridge = z.strictObject({
  alphas: z
    .array(z.number().gt(0))
    .min(1)
    .refine(ascending, { error: 'penalties ascend, each once (sort them)' })
    .default([...defaults.ridge.alphas])
    .describe(
      'Penalties to try, each > 0, ascending. The penalty multiplies |w|^2 where the loss is the sum of squares, as in scikit-learn.',
    ),
  folds: z
    .strictObject({
      count: z
        .int()
        .min(2)
        .default(defaults.ridge.folds.count)
        .describe('Number of cross-validation folds; at most the labelled rows.'),
      kind: z
        .enum(foldKinds)
        .default(defaults.ridge.folds.kind)
        .describe(
          '`plain`: runs of consecutive rows. `shuffled`: by the seed. `grouped`: no value of `column` is split across folds.',
        ),
      column: text().optional().describe('The column that holds the groups; with kind `grouped` only.'),
    })
    .superRefine(
      ({ kind, column }, ctx) => {
        if (kind === 'grouped' && column === undefined)
          ctx.addIssue({ code: 'custom', path: ['kind'], message: 'grouped folds need a column (add `column: NAME` beside it)' });
        if (kind !== 'grouped' && column !== undefined)
          ctx.addIssue({
            code: 'custom',
            path: ['column'],
            message: `a column is for grouped folds, but kind is \`${kind}\` (write \`kind: grouped\`, or remove it)`,
          });
      },
      once('kind', 'column'),
    )
    .prefault({})
    .describe('The cross-validation that scores every trial.'),
  learningCurve: z
    .strictObject({
      labels: z
        .array(z.int().min(2))
        .refine(ascending, { error: 'numbers of labels ascend, each once (sort them)' })
        .default([...defaults.ridge.learningCurve.labels])
        .describe('Numbers of labels to fit on; sizes that the data do not have are left out, and an empty list means no curve.'),
      draws: z.int().min(1).default(defaults.ridge.learningCurve.draws).describe('Random draws a size.'),
    })
    .prefault({})
    .describe('The error against the number of labels.'),
});

const search = z.strictObject({
  sampler: z
    .enum(samplerNames)
    .default(defaults.search.sampler)
    .describe('`sobol`: spread evenly. `random`: independent. `grid`: every combination of `choice` and `integer` values.'),
  trials: z
    .int()
    .min(1)
    .max(9999)
    .default(defaults.search.trials)
    .describe('Configurations to train; for `grid` an upper bound. Fewer where the space has fewer.'),
});

const count = z.union([z.int().min(1), z.literal('auto')]);

const workers = z.strictObject({
  count: count
    .default(defaults.workers.count)
    .describe('Local worker processes; `auto`: one a core, at most the number of trials.'),
  threads: count
    .default(defaults.workers.threads)
    .describe('Engine threads a worker; `auto`: so that workers x threads = cores.'),
  engine: z
    .enum(engineNames)
    .default(defaults.workers.engine)
    .describe('What runs the training steps; `auto`: the fastest that works here.'),
});

/** Names the study and its folder, so no path separator, and no leading dot or dash. */
export const studyName = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

export const sweepSchema = z.strictObject({
  study: z
    .string()
    .regex(studyName, { error: 'use letters, digits, `-`, `_` and `.`, at most 64, starting with a letter, digit or `_`' })
    .optional()
    .describe(
      'Names the study and its folder: letters, digits, `-`, `_` and `.`. When left out, the name of the file, or of its folder if the file is `sweep.yaml`.',
    ),
  seed: z
    .int()
    .min(0)
    .default(defaults.seed)
    .describe('Decides everything random: initial weights, batches, swaps, folds and the search.'),
  protocol: z
    .literal('transductive')
    .default(defaults.protocol)
    .describe('`transductive`: one autoencoder a trial, trained on all rows, labelled or not; the target is never seen.'),
  data: data.describe('The table.'),
  noise: noise.prefault({}).describe('The swap noise that the autoencoder learns to undo.'),
  model: z.discriminatedUnion('kind', [transformer, mlp]).prefault({ kind: 'transformer' }).describe('The network.'),
  training: training.prefault({}).describe('How the network is trained.'),
  features: features.prefault({}).describe('What is taken out of the trained network.'),
  ridge: ridge.prefault({}).describe('The regression that scores the features.'),
  search: search.prefault({}).describe('How values are drawn for what is searched.'),
  workers: workers.prefault({}).describe('The processes that train; without influence on the ranking.'),
  output: text()
    .default(defaults.output)
    .describe("The folder that holds the study's folder; relative to where the command is run."),
}) satisfies z.ZodType<Omit<SweepConfig, 'study'> & { study?: string | undefined }>;
