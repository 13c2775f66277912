/** `noisefold ls`, `status` and `workers`: a coordinator's studies, one of them, and who works for it. */
import type { CommandModule } from 'yargs';
import { studiesTable, studyText, tasksTable, workersTable, type ListingOptions } from '../../report/listing.ts';
import { taskStatuses, type TaskStatus } from '../../scheduler/types.ts';
import type { ClientAnswer, TaskSummary } from '../../wire/messages.ts';
import { realClock, terminalLog, type CommonArguments } from '../context.ts';
import { paintOf, terminalOf } from '../display.ts';
import type { Client } from './client.ts';
import { type ConnectionArguments, printJson, withClient, withConnection } from './connection.ts';

export const listCommand: CommandModule<CommonArguments, ConnectionArguments> = {
  command: 'ls',
  describe: 'List the studies of a coordinator',
  builder: (yargs) => withConnection(yargs),
  handler: (args) =>
    withClient(args, async (client) => {
      const { studies } = await client.ask({ type: 'list' }, 'studies');
      if (args.json) printJson(studies);
      else process.stdout.write(studiesTable(studies, listingOptions()));
    }),
};

interface StatusArguments extends ConnectionArguments {
  study: string;
  tasks: boolean;
  only: TaskStatus[];
}

export const statusCommand: CommandModule<CommonArguments, StatusArguments> = {
  command: 'status <study>',
  describe: 'Show a study: how far it is, its best score, what runs, what failed',
  builder: (yargs) =>
    withConnection(yargs)
      .positional('study', { type: 'string', demandOption: true, describe: 'The name of the study' })
      .option('tasks', { type: 'boolean', default: false, describe: 'List every task' })
      .option('only', {
        choices: taskStatuses,
        array: true,
        default: [] as TaskStatus[],
        describe: 'With --tasks: those of these statuses',
      })
      .implies('only', 'tasks'),
  handler: (args) =>
    withClient(args, async (client) => {
      const answer = await client.ask({ type: 'status', study: args.study }, 'study');
      const tasks = args.tasks || args.only.length > 0 ? await allTasks(client, args.study, args.only) : undefined;
      if (args.json) printJson(tasks === undefined ? answer : { ...answer, tasks });
      else if (tasks === undefined) {
        printStudy(answer, args);
        await noteIdle(client, answer, args);
      } else process.stdout.write(studyText(answer.study, listingOptions()) + `\n${tasksTable(tasks, listingOptions())}`);
    }),
};

export const workersCommand: CommandModule<CommonArguments, ConnectionArguments> = {
  command: 'workers',
  describe: 'List the workers of a coordinator',
  builder: (yargs) => withConnection(yargs),
  handler: (args) =>
    withClient(args, async (client) => {
      const { workers } = await client.ask({ type: 'workers' }, 'workers');
      if (args.json) printJson(workers);
      else process.stdout.write(workersTable(workers, realClock.now(), listingOptions()));
    }),
};

/** As text, or as JSON where that was asked for. */
export function printStudy(answer: Extract<ClientAnswer, { type: 'study' }>, { json }: Pick<ConnectionArguments, 'json'>): void {
  if (json) {
    printJson(answer);
    return;
  }
  const options = listingOptions();
  const { study, running, failed } = answer;
  const parts = [studyText(study, options)];
  if (running.length > 0) parts.push(tasksTable(running, options));
  if (failed.length > 0) parts.push(tasksTable(failed, options));
  process.stdout.write(parts.join('\n'));
}

/** Says so where work is left and nobody is there to do it. */
export async function noteIdle(
  client: Client,
  { study, running }: Extract<ClientAnswer, { type: 'study' }>,
  args: ConnectionArguments,
): Promise<void> {
  if (study.status !== 'running' || running.length > 0) return;
  const { workers } = await client.ask({ type: 'workers' }, 'workers');
  if (workers.length === 0)
    terminalLog(args).log(
      'info',
      `no worker is connected: noisefold worker --connect ${args.connect} starts one, with a key if the coordinator has keys`,
    );
}

export const listingOptions = (): ListingOptions => ({
  width: process.stdout.isTTY ? process.stdout.columns : Infinity,
  paint: paintOf(terminalOf(process.stdout, process.env).colour),
});

const page = 1_000;

async function allTasks(client: Client, study: string, statuses: readonly TaskStatus[]): Promise<readonly TaskSummary[]> {
  const all: TaskSummary[] = [];
  for (;;) {
    const { tasks, total } = await client.ask({ type: 'tasks', study, statuses, offset: all.length, limit: page }, 'tasks');
    all.push(...tasks);
    if (tasks.length === 0 || all.length >= total) return all;
  }
}
