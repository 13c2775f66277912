/** `noisefold submit`: hands a sweep to a coordinator. The tables are read and prepared here; the coordinator never sees the files. */
import type { CommandModule } from 'yargs';
import { canonicalJson } from '../../base/json.ts';
import { configHash } from '../../config/parse.ts';
import { loadStudyInputs, terminalLog, type CommonArguments } from '../context.ts';
import { studyContents } from '../study-folder.ts';
import { version } from '../version.ts';
import { type Connection, type ConnectionArguments, printJson, withClient, withConnection } from './connection.ts';
import { noteIdle, printStudy } from './status.ts';
import { watchStudy } from './top.ts';
import { waitFor } from './wait.ts';

interface SubmitArguments extends ConnectionArguments {
  config: string;
  set: string[];
  watch: boolean | undefined;
  wait: boolean | undefined;
}

export const submitCommand: CommandModule<CommonArguments, SubmitArguments> = {
  command: 'submit <config>',
  describe: 'Hand a sweep to a coordinator; submitting it again does nothing, or adds the trials that are new',
  builder: (yargs) =>
    withConnection(yargs)
      .positional('config', { type: 'string', demandOption: true, describe: 'The YAML file of the sweep' })
      .option('set', { type: 'string', array: true, default: [], describe: 'Replace a value of the configuration: path=value' })
      // Without defaults: `false` counts as given when conflicts are looked for.
      .option('watch', { type: 'boolean', describe: 'Then watch it, as top does' })
      .option('wait', { type: 'boolean', describe: 'Then wait for its end, for scripts' })
      .conflicts('wait', 'watch')
      .example('$0 submit sweep.yaml --connect tcp://host:7777 --key client.json', 'Hand it over, and leave')
      .example('$0 fetch diamonds', 'Bring its ranking and its best model here when it is done'),
  handler: (args) => submit(args),
};

async function submit(args: SubmitArguments): Promise<void> {
  const log = terminalLog(args);
  const say = (line: string): void => log.log('info', line);
  const { config, prepared } = await loadStudyInputs(args.config, log, args.set);
  const { plan, dataHash, data, table, blobs } = studyContents(config, prepared);
  const { device } = config.workers;
  if (device !== 'auto')
    log.log(
      'warn',
      `workers.device: ${device} is not handed over: each worker computes where it was started to (worker --device)`,
    );
  await withClient(args, async (client) => {
    // An upload waits for a coordinator as long as it takes; whoever named the wrong address is to hear of it.
    await client.ask({ type: 'list' }, 'studies');
    for (const [hash, bytes] of blobs) await put(client, hash, bytes(), say);
    const hashes = { configHash: configHash(config), dataHash, table, data };
    const request = { type: 'submit', config: canonicalJson(config), plan: canonicalJson(plan), version, ...hashes } as const;
    const { study, existed } = await client.ask(request, 'accepted');
    if (args.json && !args.wait) printJson({ study, existed });
    else if (!args.json)
      process.stdout.write(
        existed ? `${study} is there already; trials that it lacked, if any, are added\n` : `submitted ${study}\n`,
      );
    if (args.watch) await watchStudy(client, study);
    else if (args.wait) printStudy(await waitFor(client, study, say), args);
    else if (!args.json) {
      const answer = await client.ask({ type: 'status', study }, 'study');
      printStudy(answer, args);
      await noteIdle(client, answer, args);
      process.stdout.write(`\nwatch it with: noisefold top ${study}; bring it here with: noisefold fetch ${study}\n`);
    }
  });
}

const sayMs = 2_000;

/** Does nothing where the coordinator has the blob. */
async function put({ blobs }: Connection, hash: string, bytes: Uint8Array, say: (line: string) => void): Promise<void> {
  let saidAt = Date.now();
  await blobs.put(hash, bytes, undefined, ({ received, total }) => {
    if (Date.now() - saidAt < sayMs) return;
    saidAt = Date.now();
    say(`uploading data: ${Math.floor((100 * received) / total)} % of ${Math.ceil(total / 2 ** 20)} MiB`);
  });
}
