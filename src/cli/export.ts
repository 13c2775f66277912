/** `noisefold export`: a model bundle for other runtimes. */
import type { CommandModule } from 'yargs';
import { NoisefoldError } from '../base/errors.ts';
import { canonicalJson } from '../base/json.ts';
import { thousands } from '../base/units.ts';
import { readBundle } from '../checkpoint/bundle.ts';
import { writeFileDurably } from '../checkpoint/files.ts';
import { featureLayers } from '../train/network.ts';
import { type CommonArguments, terminalLog } from './context.ts';
import { makeFolderOf } from './output-folder.ts';

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
      .option('model', { type: 'string', demandOption: true, describe: 'A model bundle: the folder best/ of a study' })
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
    const bundle = await readBundle(args.model);
    const [member, ...others] = bundle.members;
    if (member === undefined || others.length > 0)
      throw new NoisefoldError('USAGE', `the bundle holds ${bundle.members.length} networks, one a fold; one can be exported`, {
        where: args.model,
        hint: 'Export a model of the transductive protocol.',
      });
    await makeFolderOf(out);
    // Loaded here, since tfjs takes a second and no other command but those that train needs it.
    const { exportModel, levelMaps, numberColumns } = await import('../engine/onnx/export.ts');
    const { target, config, noisefold, study, trial } = bundle;
    const description = canonicalJson(
      {
        noisefold,
        study,
        trial,
        levels: levelMaps(member.preprocessor),
        numbers: numberColumns(member.preprocessor),
        missing: ['', ...bundle.reading.missing],
        target,
      },
      2,
    );
    const bytes = exportModel(
      {
        ...member,
        layers: featureLayers(config.features, member.network),
        withInputs: config.features.inputs,
        ridgeWeights: bundle.ridgeWeights,
        transform: target.transform,
      },
      { noisefold: description },
    );
    const columns = out.replace(/onnx$/, 'json');
    await writeFileDurably(out, bytes);
    await writeFileDurably(columns, `${description}\n`);
    log.log('info', `${thousands(bytes.length)} bytes, ${thousands(bundle.ridgeWeights.length - 1)} features a row`);
    process.stdout.write(`${out}\n${columns}\n`);
  },
};
