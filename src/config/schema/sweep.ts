/**
 * The configuration file, as zod schemas. Checks that span keys sit on the smallest mapping that holds them, so that one problem does not
 * hide another; checks.ts has those that span sections. Descriptions become editor completion and docs/config.md.
 */
import { z } from 'zod';
import { defaults } from '../defaults.ts';
import {
  deviceNames,
  engineNames,
  foldFeatures,
  foldKinds,
  halvingModes,
  protocolNames,
  samplerNames,
  type SweepConfig,
} from '../types.ts';
import { ascending, once, text } from './common.ts';
import { data } from './data.ts';
import { model, noise, training } from './training.ts';

const features = z.strictObject({
  layers: z
    .union([
      z.enum(['all', 'last']),
      z.array(z.int().min(0)).min(1).refine(ascending, { error: 'layer indices ascend, each once (sort them)' }),
    ])
    .default(defaults.features.layers)
    .describe('Hidden layers whose outputs are the features: `all` (as the reference), `last`, or a list of indices from 0.'),
  inputs: z.boolean().default(defaults.features.inputs).describe('Whether the encoded inputs join the features.'),
  folds: z
    .enum(foldFeatures)
    .default(defaults.features.folds)
    .describe(
      "Protocol `inductive`: how the features of the best trial's autoencoders, one a fold, are put together in best/. `concatenate`: side by side. `average`: their mean.",
    ),
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
  halving: z
    .strictObject({
      factor: z.int().min(2).default(defaults.search.halving.factor).describe('One trial in so many goes on to the next rung.'),
      rungs: z
        .int()
        .min(2)
        .default(defaults.search.halving.rungs)
        .describe(
          'How many rungs: `training.epochs`, a `factor`-th of it, a `factor`-th of that, ... `training.epochs` must be one number.',
        ),
      mode: z
        .enum(halvingModes)
        .default(defaults.search.halving.mode)
        .describe(
          '`deterministic`: a rung is decided when all of its trials are scored, so that the ranking does not depend on the workers. `eager`: a worker that would wait goes on with the best so far.',
        ),
    })
    .optional()
    .describe(
      'Successive halving: every trial is trained for a few epochs and scored, the best ones go on, and few get all epochs (`halving: {}` for the defaults). When left out, all of them do. See docs/halving.md.',
    ),
});

const count = z.union([z.int().min(1), z.literal('auto')]);

const workers = z.strictObject({
  count: count
    .default(defaults.workers.count)
    .describe('Local worker processes; `auto`: one a core, at most the number of trials.'),
  threads: count
    .default(defaults.workers.threads)
    .describe(
      'Engine threads a worker; `auto`: so that workers x threads = cores. Any number gives the same bytes where that was tried (x86-64), but for tensorflow-eager from three on.',
    ),
  engine: z
    .enum(engineNames)
    .default(defaults.workers.engine)
    .describe(
      'What runs the training steps. `auto`: onnx, else wasm, else cpu; the tensorflow engines are installed by deploy/tensorflow/install.mjs. A study keeps the engine of its first result; one that is named is what every worker runs, whatever it was started with; the tasks of a worker whose `--device` it does not have fail, and say so.',
    ),
  device: z
    .enum(deviceNames)
    .default(defaults.workers.device)
    .describe(
      'Where the engine computes. onnx has all of them, `auto`: an NVIDIA GPU that its CUDA or WebGPU provider reaches, else the CPU; wasm and cpu have `cpu`; TensorFlow takes the GPU that it finds (`auto`), and with `cuda` is an error where it finds none. Only on a CPU does a resumed run end in the same bytes. `noisefold doctor` lists what is there. For `sweep` and `train`: of a study that is submitted each worker computes where it was started to (`worker --device`).',
    ),
});

const checkpoints = z.strictObject({
  keep: z
    .union([z.literal('all'), z.strictObject({ best: z.int().min(1).describe('How many.') })])
    .default(defaults.checkpoints.keep)
    .describe(
      'Whose final checkpoints are kept: of `all` trials, or of the `best` so many (`keep: { best: 3 }`); baselines and what is not finished keep theirs. The others would be trained again to be used.',
    ),
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
    .enum(protocolNames)
    .default(defaults.protocol)
    .describe(
      "`transductive`: one autoencoder a trial, trained on all rows, labelled or not. `inductive`: one a trial and fold, which sees the fold's training rows only, and so does the encoding. No autoencoder sees a target.",
    ),
  data: data.describe('The table.'),
  noise: noise.prefault({}).describe('The swap noise that the autoencoder learns to undo.'),
  model: model.prefault({ kind: 'transformer' }).describe('The network.'),
  training: training.prefault({}).describe('How the network is trained.'),
  features: features.prefault({}).describe('What is taken out of the trained network.'),
  ridge: ridge.prefault({}).describe('The regression that scores the features.'),
  search: search.prefault({}).describe('How values are drawn for what is searched.'),
  workers: workers.prefault({}).describe('The processes that train; without influence on the ranking.'),
  checkpoints: checkpoints.prefault({}).describe('What stays on disk; without influence on the ranking.'),
  output: text()
    .default(defaults.output)
    .describe("The folder that holds the study's folder; relative to where the command is run. `--out` names another one."),
}) satisfies z.ZodType<Omit<SweepConfig, 'study'> & { study?: string | undefined }>;
