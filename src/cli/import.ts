/** `noisefold import`: weights that were trained elsewhere, such as in PyTorch, as a model bundle. */
import { readdir, readFile } from 'node:fs/promises';
import type { CommandModule } from 'yargs';
import { NoisefoldError } from '../base/errors.ts';
import { hashOf } from '../base/hash.ts';
import { plusMinus } from '../base/units.ts';
import { readBundle } from '../checkpoint/bundle.ts';
import { readStateDict } from '../checkpoint/state-dict.ts';
import { type EngineName, engineNames } from '../config/types.ts';
import { fixTrial } from '../plan/fix.ts';
import { networkOf } from '../train/network.ts';
import { scoreFeatures } from '../train/score.ts';
import { featuresOf, type FeatureSource, type Member, widthOf } from '../train/ensemble.ts';
import { exportBest } from './best.ts';
import { atLeastOne, type CommonArguments, loadConfig, loadData, openMachine, terminalLog } from './context.ts';
import { makeOutputFolder } from './output-folder.ts';
import { mainMetric, metricName, overFolds } from './ridge.ts';
import { middleOf, requireFixedValues } from './train.ts';

interface ImportArguments extends CommonArguments {
  file: string;
  config: string;
  set: string[];
  out: string;
  engine: EngineName | undefined;
  threads: number | undefined;
}

export const importCommand: CommandModule<CommonArguments, ImportArguments> = {
  command: 'import <file>',
  describe: 'Make a model bundle of a PyTorch state_dict, saved as safetensors',
  builder: (yargs) =>
    yargs
      .positional('file', { type: 'string', demandOption: true, describe: "The weights, under docs/model.md's names" })
      .option('config', {
        type: 'string',
        demandOption: true,
        describe: 'The YAML file of a sweep: its data, model and features are those of the weights',
      })
      .option('out', { type: 'string', demandOption: true, describe: 'Folder of the bundle' })
      .option('set', {
        type: 'string',
        array: true,
        nargs: 1,
        default: [] as string[],
        describe: 'Replace a value of the configuration: path=value; repeatable',
      })
      .option('engine', { choices: engineNames, describe: 'What runs the network (default: as configured)' })
      .option('threads', { type: 'number', coerce: atLeastOne('--threads'), describe: 'Engine threads (default: one a core)' })
      .example('$0 import model.safetensors --config sweep.yaml --out runs/imported', 'Then: features --model runs/imported'),
  handler: async (args) => {
    const log = terminalLog(args);
    const { file, out } = args;
    const { config, given } = await loadConfig(args.config, args.set);
    const bytes = await readFile(file).catch((cause: unknown) => {
      throw new NoisefoldError('DATA_NOT_FOUND', 'the file of the weights is not there or cannot be read', {
        where: file,
        cause,
      });
    });
    // Noise and training are over: what a sweep would search there does not matter.
    requireFixedValues({ model: config.model });
    if (config.protocol !== 'transductive')
      throw new NoisefoldError('CONFIG_INVALID', `the file holds one network; protocol \`${config.protocol}\` has one a fold`, {
        where: 'protocol',
        hint: 'Add --set protocol=transductive; the score then holds for rows that were there when the network was trained.',
      });
    const prepared = await loadData(config, given, log);
    const { data } = prepared;
    const trial = fixTrial(config, middleOf({ noise: config.noise, training: config.training }), data.layout);
    const network = networkOf(data.layout, trial);
    const weights = readStateDict(bytes, network, file);
    await requireFree(out, { network, weights });
    await makeOutputFolder(out);

    const { workers } = config;
    const machine = await openMachine(args.engine ?? workers.engine, args.threads ?? workers.threads, log, workers.device);
    const { engine, linearAlgebra } = machine;
    const source: FeatureSource = { engine, features: trial.features, combine: 'concatenate', members: [{ network, weights }] };
    const { alphas } = config.ridge;
    const score = await scoreFeatures({
      stream: (inputs) => featuresOf(source, [inputs]),
      width: widthOf(source),
      data,
      alphas,
      linearAlgebra,
    });
    const { mean, standardError } = overFolds(score, score.best, mainMetric(data.task));
    const alpha = alphas[score.best] ?? 1;
    log.log('info', `Ridge on its features: ${metricName(data.task)} ${plusMinus(mean, standardError)} at alpha ${alpha}`);
    const files = await exportBest({
      folder: out,
      sweep: config,
      prepared,
      trial: { id: importedTrial, config: trial, members: [{ network, weights }], alpha },
      engine,
      linearAlgebra,
      log,
    });
    for (const path of Object.values(files)) process.stdout.write(`${path}\n`);
  },
};

/** What a bundle names as its trial where the weights were trained elsewhere. */
const importedTrial = 'imported';

/**
 * That nothing is lost by writing there: the folder is new or empty, or holds an earlier import of the same weights, which is made anew. What an import that was
 * killed left behind does not count. Throws OUTPUT_NOT_WRITABLE.
 */
async function requireFree(folder: string, member: Member): Promise<void> {
  // What keeps a folder from being read keeps it from being written: that is said by whoever makes it.
  const entries = await readdir(folder).catch(() => []);
  const files = entries.filter((name) => !name.startsWith('.') && !name.includes('.partial-')).sort();
  if (files.length === 0) return;
  const there = await whatIsIn(folder, files, member);
  if (there === undefined) return;
  throw new NoisefoldError('OUTPUT_NOT_WRITABLE', `this folder holds ${there}, which the import would write over`, {
    where: folder,
    hint: `Choose another folder with --out, or remove ${folder} to have the import there.`,
  });
}

/** In words; undefined where it is an import of the same weights. */
async function whatIsIn(folder: string, files: readonly string[], { network, weights }: Member): Promise<string | undefined> {
  const bundle = await readBundle(folder).catch((thrown: unknown) => {
    if (thrown instanceof NoisefoldError) return undefined;
    throw thrown;
  });
  if (bundle === undefined) {
    const names = files.slice(0, 3).join(', ');
    return `files that are no import (${names}${files.length > 3 ? `, and ${files.length - 3} more` : ''})`;
  }
  const { study, trial, members } = bundle;
  if (trial !== importedTrial) return `the model of ${trial} of the study ${study}`;
  const [member] = members;
  const same = member !== undefined && hashOf(member.network) === hashOf(network) && isSame(member.weights, weights);
  return same ? undefined : 'an import of other weights';
}

const isSame = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length && a.every((value, i) => Object.is(value, b[i]));
