#!/usr/bin/env node
/** The command line: commands, their common options, and what an error looks like. Results go to standard output, all else to standard error. */
import yargs, { type CommandModule } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { asNoisefoldError, type NoisefoldError } from './base/errors.ts';
import { configCommand } from './cli/config.ts';
import type { CommonArguments } from './cli/context.ts';
import { dataCommand } from './cli/data.ts';
import { doctorCommand } from './cli/doctor.ts';
import { exportCommand } from './cli/export.ts';
import { featuresCommand } from './cli/features.ts';
import { keysCommand } from './cli/keys.ts';
import { importCommand } from './cli/import.ts';
import { controlCommands } from './cli/remote/control.ts';
import { coordinatorCommand } from './cli/remote/coordinator.ts';
import { fetchCommand } from './cli/remote/fetch.ts';
import { logsCommand } from './cli/remote/logs.ts';
import { listCommand, statusCommand, workersCommand } from './cli/remote/status.ts';
import { submitCommand } from './cli/remote/submit.ts';
import { topCommand } from './cli/remote/top.ts';
import { ridgeCommand } from './cli/ridge.ts';
import { sweepCommand } from './cli/sweep.ts';
import { trainCommand } from './cli/train.ts';
import { usageError } from './cli/usage.ts';
import { version } from './cli/version.ts';
import { workerCommand } from './cli/worker.ts';

const args = hideBin(process.argv);

const commands = [
  sweepCommand,
  trainCommand,
  featuresCommand,
  ridgeCommand,
  importCommand,
  exportCommand,
  dataCommand,
  configCommand,
  coordinatorCommand,
  workerCommand,
  keysCommand,
  submitCommand,
  listCommand,
  statusCommand,
  topCommand,
  workersCommand,
  logsCommand,
  ...controlCommands,
  fetchCommand,
  doctorCommand,
] as readonly CommandModule<CommonArguments>[];

const usage = (message: string): NoisefoldError =>
  usageError(
    message,
    args,
    commands.map(({ command }) => String(command)),
  );

/** Options that take several values. */
const listed = ['--data', '--drop', '--missing', '--only', '--set'];

/** Of an option that has two names, the second. */
const aliases: Readonly<Record<string, string>> = { '--output': '--out' };

/** yargs makes a list of an option that is given twice; whoever reads it expects one value. Throws USAGE. */
function requireOnce(): void {
  const given = new Set<string>();
  for (const arg of args) {
    if (arg === '--') return;
    const name = /^--[a-z][\w-]*/.exec(arg)?.[0];
    if (name === undefined || listed.includes(name)) continue;
    const option = aliases[name] ?? name;
    if (given.has(option)) throw usage(`${option} is given twice`);
    given.add(option);
  }
}

const cli = yargs(args)
  .scriptName('noisefold')
  .usage(
    '$0 <command>\n\nLearns features from a table with denoising autoencoders, and ranks noise ratios by what the features are worth.',
  )
  .option('quiet', {
    type: 'boolean',
    alias: 'q',
    default: false,
    global: true,
    describe: 'Only warnings and errors on standard error',
  })
  .option('verbose', { type: 'boolean', default: false, global: true, describe: 'More messages, and the stack of a defect' })
  .command([...commands])
  .completion('completion', 'Print a script for tab completion in bash or zsh')
  .demandCommand(1, 'which command?')
  .recommendCommands()
  .strict()
  .parserConfiguration({ 'greedy-arrays': true, 'camel-case-expansion': true })
  .version(version)
  .help()
  .alias('help', 'h')
  .wrap(process.stdout.isTTY ? Math.min(120, process.stdout.columns) : 100)
  .epilogue('Error codes are explained in docs/errors.md.')
  .fail((message: string | null, thrown: unknown) => {
    // What a handler throws comes without a message; all else is about the command line.
    throw message === null || message === '' ? thrown : usage(message);
  })
  .exitProcess(false);

// A reader that leaves early, such as head, is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  requireOnce();
  await cli.parseAsync();
} catch (thrown) {
  const error = asNoisefoldError(thrown);
  const brief = error.code === 'INTERNAL' && !args.includes('--verbose');
  const shown = brief
    ? `INTERNAL: ${error.message.split('\n')[0]}\n  This is a defect in noisefold. Run again with --verbose for the details to report.`
    : error.format();
  process.stderr.write(`${shown}\n`);
  process.exitCode = error.exit;
}
