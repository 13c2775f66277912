/** `noisefold top`: a coordinator, or one of its studies, as it changes; once where standard output is no terminal. */
import type { CommandModule } from 'yargs';
import { frameOf } from '../../report/frame.ts';
import { studiesTable, studyText, tasksTable, workersTable } from '../../report/listing.ts';
import { frameViewOf } from '../../report/remote.ts';
import { realClock, type CommonArguments } from '../context.ts';
import { paintOf, terminalOf } from '../display.ts';
import { createScreen } from '../screen.ts';
import type { Client } from './client.ts';
import { type ConnectionArguments, printJson, withClient, withConnection } from './connection.ts';
import { listingOptions } from './status.ts';

interface TopArguments extends ConnectionArguments {
  study: string | undefined;
}

const everyMs = 1_000;

export const topCommand: CommandModule<CommonArguments, TopArguments> = {
  command: 'top [study]',
  describe: 'Watch a coordinator, or one study, until Ctrl-C or the study’s end',
  builder: (yargs) => withConnection(yargs).positional('study', { type: 'string', describe: 'One study only' }),
  handler: (args) =>
    withClient(args, async (client) => {
      if (args.json) printJson(await look(client, args.study));
      else if (args.study === undefined) await watchAll(client);
      else await watchStudy(client, args.study);
    }),
};

async function look(client: Client, study: string | undefined) {
  const { workers } = await client.ask({ type: 'workers' }, 'workers');
  if (study === undefined) return { studies: (await client.ask({ type: 'list' }, 'studies')).studies, workers };
  const { running, failed, study: summary } = await client.ask({ type: 'status', study }, 'study');
  return { study: summary, running, failed, workers };
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, everyMs));

async function watchAll(client: Client): Promise<void> {
  const { isTTY } = terminalOf(process.stdout, process.env);
  const screen = createScreen(process.stdout);
  for (;;) {
    const { studies } = await client.ask({ type: 'list' }, 'studies');
    const { workers } = await client.ask({ type: 'workers' }, 'workers');
    const width = isTTY ? screen.size().width : Infinity;
    const options = { ...listingOptions(), width };
    const text = `${studiesTable(studies, options)}\n${workersTable(workers, realClock.now(), options)}`;
    if (!isTTY) {
      process.stdout.write(text);
      return;
    }
    const { height } = screen.size();
    const lines = text.trimEnd().split('\n');
    screen.draw(lines.length > height ? [...lines.slice(0, height - 1), `and ${lines.length - height + 1} more lines`] : lines);
    await pause();
  }
}

/** Ends when nothing more will happen to the study by itself. */
export async function watchStudy(client: Client, name: string): Promise<void> {
  const { isTTY, colour } = terminalOf(process.stdout, process.env);
  const screen = createScreen(process.stdout);
  for (;;) {
    const { study, running, failed } = await client.ask({ type: 'status', study: name }, 'study');
    const { workers } = await client.ask({ type: 'workers' }, 'workers');
    if (!isTTY) {
      const options = listingOptions();
      process.stdout.write(studyText(study, options) + (running.length > 0 ? `\n${tasksTable(running, options)}` : ''));
      return;
    }
    screen.draw(frameOf(frameViewOf({ study, running, workers, nowMs: realClock.now() }), screen.size(), paintOf(colour)));
    if (study.status === 'finished' || study.status === 'cancelled') {
      if (failed.length > 0) process.stdout.write(`\n${tasksTable(failed, listingOptions())}`);
      return;
    }
    await pause();
  }
}
