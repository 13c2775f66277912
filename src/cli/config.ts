/** `noisefold config schema`: the configuration's JSON Schema, for editors. */
import type { CommandModule } from 'yargs';
import { sweepJsonSchema } from '../config/json-schema.ts';

const schemaCommand: CommandModule = {
  command: 'schema',
  describe: "Print the configuration's JSON Schema, for completion and checks in editors",
  handler: () => {
    process.stdout.write(`${JSON.stringify(sweepJsonSchema(), undefined, 2)}\n`);
  },
};

export const configCommand: CommandModule = {
  command: 'config',
  describe: 'About configuration files',
  builder: (yargs) => yargs.command(schemaCommand).demandCommand(1, 'which one: schema?'),
  handler: () => {},
};
