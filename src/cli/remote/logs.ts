/** `noisefold logs`: the story of a study or of one task, a line a transition. */
import type { CommandModule } from 'yargs';
import { NoisefoldError } from '../../base/errors.ts';
import { storyText } from '../../report/listing.ts';
import type { StoryLine } from '../../wire/messages.ts';
import { atLeastOne, type CommonArguments } from '../context.ts';
import { type ConnectionArguments, printJson, withClient, withConnection } from './connection.ts';

interface LogsArguments extends ConnectionArguments {
  study: string;
  task: string | undefined;
  last: number;
  follow: boolean;
  checkpoints: boolean;
}

const followMs = 1_000;
/** What a coordinator gives at a time. */
const longest = 100_000;

export const logsCommand: CommandModule<CommonArguments, LogsArguments> = {
  command: 'logs <study>',
  describe: 'Tell what happened to a study’s tasks: leases, checkpoints, failures, and on which worker',
  builder: (yargs) =>
    withConnection(yargs)
      .positional('study', { type: 'string', demandOption: true, describe: 'The name of the study' })
      .option('task', { type: 'string', describe: 'One task only, such as trial-0001/all/0-2240, or all of a trial: trial-0001' })
      .option('checkpoints', { type: 'boolean', default: false, describe: 'Each checkpoint, too' })
      .option('last', { type: 'number', default: 100, coerce: atLeastOne('--last'), describe: 'How many lines, the latest ones' })
      .option('follow', { type: 'boolean', alias: 'f', default: false, describe: 'Go on with what happens from now on' }),
  handler: (args) =>
    withClient(args, async (client) => {
      const trial = args.task === undefined || args.task.includes('/') ? undefined : args.task;
      const isWanted = ({ task, cause }: StoryLine): boolean =>
        (trial === undefined || task.startsWith(`${trial}/`)) && (args.checkpoints || !cause.startsWith('checkpoint at step'));
      const ask = async (last: number): Promise<readonly StoryLine[]> => {
        const task = trial === undefined ? args.task : undefined;
        const { lines } = await client.ask({ type: 'logs', study: args.study, task, last: longest }, 'story');
        return lines.filter(isWanted).slice(-last);
      };
      const print = (lines: readonly StoryLine[]): void => {
        if (args.json) for (const line of lines) process.stdout.write(`${JSON.stringify(line)}\n`);
        else process.stdout.write(storyText(lines));
      };
      let lines = await ask(args.last);
      if (lines.length === 0 && args.task !== undefined && !args.follow)
        throw new NoisefoldError('USAGE', `nothing has happened to ${args.task}, or there is no such task or trial`, {
          hint: `noisefold status ${args.study} --tasks lists them.`,
        });
      if (args.json && !args.follow) printJson(lines);
      else print(lines);
      while (args.follow) {
        await new Promise((resolve) => setTimeout(resolve, followMs));
        const seen = new Set(lines.map((line) => JSON.stringify(line)));
        lines = await ask(Math.max(args.last, 1_000));
        print(lines.filter((line) => !seen.has(JSON.stringify(line))));
      }
    }),
};
