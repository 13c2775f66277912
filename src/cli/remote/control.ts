/** `noisefold pause`, `resume`, `cancel` and `retry`: what a person may do to a study. */
import type { Argv, CommandModule } from 'yargs';
import type { CommonArguments } from '../context.ts';
import { type ConnectionArguments, withClient, withConnection } from './connection.ts';
import { printStudy } from './status.ts';

interface ControlArguments extends ConnectionArguments {
  study: string;
}

const verbs = {
  pause: 'Hand out nothing more of a study; what runs checkpoints and comes back',
  resume: 'Go on with a paused study',
  cancel: 'End a study for good; what is done stays',
  retry: 'Give what failed new attempts, where another attempt may end differently',
} as const;

type Verb = keyof typeof verbs;

const control = (verb: Verb): CommandModule<CommonArguments, ControlArguments> => ({
  command: `${verb} <study>`,
  describe: verbs[verb],
  builder: (yargs: Argv<CommonArguments>) =>
    withConnection(yargs).positional('study', { type: 'string', demandOption: true, describe: 'The name of the study' }),
  handler: (args) =>
    withClient(args, async (client) => {
      await client.ask({ type: verb, study: args.study }, 'accepted');
      printStudy(await client.ask({ type: 'status', study: args.study }, 'study'), args);
      if (verb === 'retry' && !args.json)
        process.stdout.write(
          '\nIts checkpoints are being read, too: a result whose checkpoint is damaged or lost is made again.\n',
        );
    }),
});

export const controlCommands = (Object.keys(verbs) as Verb[]).map(control);
