/** `noisefold export`: a model bundle for other runtimes. */
import { readFile } from 'node:fs/promises';
import type { CommandModule } from 'yargs';
import { NoisefoldError } from '../base/errors.ts';
import { canonicalJson } from '../base/json.ts';
import { thousands } from '../base/units.ts';
import { writeFileDurably } from '../checkpoint/files.ts';
import { levelMaps, numberColumns } from '../engine/onnx/encoding.ts';
import { featureLayers } from '../train/network.ts';
import { type CommonArguments, terminalLog } from './context.ts';
import { readModel } from './model.ts';
import { makeFolderOf, outputRefusal } from './output-folder.ts';

interface ExportArguments extends CommonArguments {
  format: 'onnx';
  model: string;
  out: string;
}

export const exportCommand: CommandModule<CommonArguments, ExportArguments> = {
  command: 'export <format>',
  describe: 'Write a trained model as one ONNX file, for Python, browsers and other runtimes',
  builder: (yargs) =>
    yargs
      .positional('format', { choices: ['onnx'] as const, demandOption: true, describe: 'The only one so far' })
      .option('model', { type: 'string', demandOption: true, describe: 'A model: the folder of a study, or its best/' })
      .option('out', {
        type: 'string',
        demandOption: true,
        describe: 'The file to write, .onnx; its columns and levels go to a .json beside it',
      })
      .example('$0 export onnx --model runs/diamonds/best --out diamonds.onnx', 'docs/export.md has examples that run it'),
  handler: async (args) => {
    const log = terminalLog(args);
    const { out } = args;
    if (!out.endsWith('.onnx')) throw new NoisefoldError('USAGE', `${out} does not end in .onnx`, { where: '--out' });
    const bundle = await readModel(args.model, log);
    const columns = out.replace(/onnx$/, 'json');
    for (const file of [out, columns]) await requireFree(file);
    // Loaded here, since tfjs takes a second and no other command but those that train needs it.
    const { exportModel } = await import('../engine/onnx/export.ts');
    const preprocessors = bundle.members.map(({ preprocessor }) => preprocessor);
    const { target, config, noisefold, study, trial } = bundle;
    const description = canonicalJson(
      {
        noisefold,
        study,
        trial,
        levels: levelMaps(preprocessors),
        numbers: numberColumns(preprocessors),
        missing: ['', ...bundle.reading.missing],
        target,
      },
      2,
    );
    const bytes = exportModel(
      {
        members: bundle.members,
        combine: bundle.combine,
        // Sizes are the configuration's: all folds have as many layers.
        layers: bundle.members.slice(0, 1).flatMap(({ network }) => featureLayers(config.features, network)),
        withInputs: config.features.inputs,
        ridgeWeights: bundle.ridgeWeights,
        transform: target.transform,
      },
      { noisefold: description },
    );
    await writeFileDurably(out, bytes);
    await writeFileDurably(columns, `${description}\n`);
    const networks = bundle.members.length === 1 ? '' : `${bundle.members.length} networks, `;
    log.log('info', `${networks}${thousands(bytes.length)} bytes, ${thousands(bundle.ridgeWeights.length - 1)} features a row`);
    process.stdout.write(`${out}\n${columns}\n`);
  },
};

/**
 * That nothing is lost by writing there: the name is free, or that of an earlier export, which is made anew. Both of its files hold the description, by whose
 * keys it is known. Throws OUTPUT_NOT_WRITABLE.
 */
async function requireFree(file: string): Promise<void> {
  await makeFolderOf(file);
  const there = await readFile(file).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw outputRefusal(file, cause) ?? cause;
  });
  const keys = ['"levels":', '"noisefold":', '"numbers":'];
  if (there === undefined || there.length === 0 || keys.every((key) => there.includes(key))) return;
  throw new NoisefoldError('OUTPUT_NOT_WRITABLE', 'a file is here that no export wrote, and that this one would write over', {
    where: file,
    hint: 'Choose another name with --out (the columns and levels go to the .json beside the .onnx), or remove the file.',
  });
}
