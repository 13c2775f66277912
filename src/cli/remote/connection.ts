/** How a command reaches a coordinator: the options that all of them share, and what is done over one connection. */
import type { Argv } from 'yargs';
import { connectPeer } from '../../wire/zmq.ts';
import { createBlobClient, type BlobClient } from '../../wire/blobs/client.ts';
import type { CommonArguments } from '../context.ts';
import { peerSecurity } from '../keys.ts';
import { createClient, type Client } from './client.ts';

export interface ConnectionArguments extends CommonArguments {
  connect: string;
  key: string | undefined;
  insecure: boolean;
  json: boolean;
  timeout: number;
}

/** Where a coordinator of this machine listens by default. */
export const defaultAddress = 'tcp://127.0.0.1:7777';

export function withConnection<T extends CommonArguments>(yargs: Argv<T>): Argv<T & ConnectionArguments> {
  return yargs
    .option('connect', {
      type: 'string',
      default: process.env['NOISEFOLD_CONNECT'] ?? defaultAddress,
      defaultDescription: `NOISEFOLD_CONNECT, or ${defaultAddress}`,
      describe: 'The coordinator’s address',
    })
    .option('key', {
      type: 'string',
      default: process.env['NOISEFOLD_KEY'] || undefined,
      defaultDescription: 'NOISEFOLD_KEY',
      describe: 'The key file by which the coordinator knows you (see noisefold keys)',
    })
    .option('insecure', { type: 'boolean', default: false, describe: 'Connect to another machine without a key, unencrypted' })
    .option('timeout', { type: 'number', default: 10, describe: 'Seconds to wait for an answer' })
    .option('json', { type: 'boolean', default: false, describe: 'Print JSON' });
}

export interface Connection extends Client {
  readonly blobs: BlobClient;
}

/** Connects, does what is to be done, and closes, whatever came of it. */
export async function withClient<T>(args: ConnectionArguments, use: (client: Connection) => Promise<T>): Promise<T> {
  const transport = connectPeer({ address: args.connect, security: peerSecurity(args.key, args.insecure) });
  const blobs = createBlobClient({ send: (message) => transport.send(message) });
  const client = createClient({
    transport,
    address: args.connect,
    timeoutMs: args.timeout * 1000,
    onOther: (message) => blobs.hear(message),
  });
  try {
    return await use({ ...client, blobs });
  } finally {
    blobs.close();
    await client.close();
  }
}

export const printJson = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
