/** `noisefold keys`: who may connect to a coordinator, as files (src/wire/keys.ts, docs/security.md). */
import { join } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { addKey, authoriseKey, initKeys, listKeys, readPeerSecurity, revokeKey } from '../wire/keys.ts';
import type { PeerSecurity } from '../wire/security.ts';
import type { CommonArguments } from './context.ts';

interface KeysArguments extends CommonArguments {
  dir: string;
}
interface NamedArguments extends KeysArguments {
  name: string;
}

const withFolder = <T extends CommonArguments>(yargs: Argv<T>): Argv<T & { dir: string }> =>
  yargs.option('dir', { type: 'string', default: 'keys', describe: 'The folder of keys (a coordinator has it at DATA/keys)' });

const withName = <T extends CommonArguments>(yargs: Argv<T>): Argv<T & { dir: string; name: string }> =>
  withFolder(yargs).positional('name', {
    type: 'string',
    demandOption: true,
    describe: 'What the key is called: a machine, a person',
  });

const say = (line: string): void => void process.stdout.write(`${line}\n`);

const initCommand: CommandModule<CommonArguments, KeysArguments> = {
  command: 'init',
  describe: 'Make a coordinator’s keys, and a key for workers and one for people: worker.json and client.json',
  builder: withFolder,
  handler: ({ dir }) => {
    initKeys(dir);
    say(`${join(dir, 'coordinator.json')}: the coordinator’s own; it stays where the coordinator runs`);
    say(`${addKey(dir, 'worker')}: for workers (noisefold worker --key)`);
    say(`${addKey(dir, 'client')}: for people (--key, or NOISEFOLD_KEY)`);
    say(`${join(dir, 'authorised_keys')}: who may connect`);
  },
};

const addCommand: CommandModule<CommonArguments, NamedArguments & { public: string | undefined }> = {
  command: 'add <name>',
  describe: 'Make and authorise one more key: NAME.json',
  builder: (yargs) =>
    withName(yargs).option('public', {
      type: 'string',
      describe: 'Authorise this public key (64 hexadecimal digits) instead: its secret half stays where it was made',
    }),
  handler: ({ dir, name, public: publicKey }) => {
    if (publicKey === undefined) say(addKey(dir, name));
    else authoriseKey(dir, { name, public: publicKey });
  },
};

const revokeCommand: CommandModule<CommonArguments, NamedArguments> = {
  command: 'revoke <name>',
  describe: 'Take a key off the list: it is refused from its next connection on',
  builder: withName,
  handler: ({ dir, name }) => revokeKey(dir, name),
};

const listCommand: CommandModule<CommonArguments, KeysArguments & { json: boolean }> = {
  command: 'list',
  describe: 'Show the authorised keys',
  builder: (yargs) => withFolder(yargs).option('json', { type: 'boolean', default: false, describe: 'Print JSON' }),
  handler: ({ dir, json }) => {
    const keys = listKeys(dir);
    if (json) say(JSON.stringify(keys, undefined, 2));
    else for (const { name, public: publicKey } of keys) say(`${publicKey}  ${name}`);
  },
};

export const keysCommand: CommandModule<CommonArguments, CommonArguments> = {
  command: 'keys',
  describe: 'Make, list and revoke the keys by which a coordinator knows its workers and clients',
  builder: (yargs) =>
    yargs
      .command(initCommand)
      .command(addCommand)
      .command(revokeCommand)
      .command(listCommand)
      .demandCommand(1, 'which one: init, add, revoke or list?'),
  handler: () => {},
};

/** What a worker or a command proves to its coordinator: the key in the file, or nothing. Throws WIRE_KEY. */
export function peerSecurity(keyFile: string | undefined, insecure: boolean): PeerSecurity {
  return keyFile === undefined ? { kind: 'none', insecure } : readPeerSecurity(keyFile);
}
