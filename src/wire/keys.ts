/**
 * Key files. A folder of a coordinator's keys has
 *
 *     coordinator.json    its pair; nobody else needs it
 *     authorised_keys     who may connect: a line each, public key and name; read at every handshake
 *     NAME.json           a peer's key file: its pair and the coordinator's public key, which is all that a worker or a client needs
 *
 * All of mode 0600 in a folder of mode 0700. A key file is short JSON, so it fits a Kubernetes Secret, a systemd credential or an environment's file.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { asNoisefoldError, NoisefoldError } from '../base/errors.ts';
import type { CoordinatorSecurity, KeyPair, PeerSecurity } from './security.ts';

const key = z.string().regex(/^[0-9a-f]{64}$/, 'is not 64 lower-case hexadecimal digits');
const pair = z.object({ public: key, secret: key });
const coordinatorFile = z.object({ role: z.literal('coordinator'), ...pair.shape });
const peerFile = z.object({ role: z.literal('peer'), name: z.string(), ...pair.shape, coordinator: key });

/** A worker or a client that may connect. */
export interface AuthorisedKey {
  readonly name: string;
  readonly public: string;
}

export const keyName = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/;

const secretMode = 0o600;
const paths = (folder: string) => ({
  coordinator: join(folder, 'coordinator.json'),
  list: join(folder, 'authorised_keys'),
  peer: (name: string) => join(folder, `${name}.json`),
});

/** A new X25519 pair. */
export function makeKeyPair(): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('x25519');
  const hex = (jwkPart: string | undefined): string => Buffer.from(jwkPart ?? '', 'base64url').toString('hex');
  const jwk = privateKey.export({ format: 'jwk' });
  return { public: hex(publicKey.export({ format: 'jwk' }).x), secret: hex(jwk.d) };
}

/** Makes the folder, the coordinator's pair and an empty list. Throws WIRE_KEY if there is a coordinator's pair already, OUTPUT_NOT_WRITABLE, DISK_FULL. */
export function initKeys(folder: string): void {
  const { coordinator, list } = paths(folder);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeFileSync(coordinator, json({ role: 'coordinator', ...makeKeyPair() }), { mode: secretMode, flag: 'wx' });
    writeFileSync(
      list,
      '# Who may connect to the coordinator: public key and name. `noisefold keys revoke NAME`, or delete a line.\n',
      {
        mode: secretMode,
        flag: 'a',
      },
    );
  } catch (error) {
    throw writeError(
      error,
      folder,
      'there is a coordinator’s key in it already: its peers know that one, and a new one would shut them out',
    );
  }
}

/** Makes a pair for a worker or a client, authorises it and writes its key file, whose path is returned. Throws WIRE_KEY, OUTPUT_NOT_WRITABLE, DISK_FULL. */
export function addKey(folder: string, name: string): string {
  requireName(name);
  const { public: coordinator } = readCoordinatorKeys(folder);
  requireNew(folder, name);
  const keys = makeKeyPair();
  const path = paths(folder).peer(name);
  try {
    writeFileSync(path, json({ role: 'peer', name, ...keys, coordinator }), { mode: secretMode, flag: 'wx' });
  } catch (error) {
    throw writeError(error, path, 'there is such a file already');
  }
  appendKey(folder, { name, public: keys.public });
  return path;
}

/** Authorises a key whose secret half was made elsewhere, and stays there. Throws WIRE_KEY, OUTPUT_NOT_WRITABLE, DISK_FULL. */
export function authoriseKey(folder: string, { name, public: publicKey }: AuthorisedKey): void {
  requireName(name);
  if (!key.safeParse(publicKey).success)
    throw new NoisefoldError('WIRE_KEY', `${publicKey} is not a public key: 64 lower-case hexadecimal digits`);
  readCoordinatorKeys(folder);
  requireNew(folder, name);
  appendKey(folder, { name, public: publicKey });
}

/** Takes a key off the list, and deletes its file if it is here. It is refused from its next handshake on. Throws WIRE_KEY for a name that is not listed. */
export function revokeKey(folder: string, name: string): void {
  const { list, peer } = paths(folder);
  if (!listKeys(folder).some((listed) => listed.name === name))
    throw new NoisefoldError('WIRE_KEY', `there is no key called ${name}`, { where: list, hint: 'See `noisefold keys list`.' });
  const lines = readFileSync(list, 'utf8').split('\n');
  replaceFile(list, lines.filter((line) => parseLine(line)?.name !== name).join('\n'));
  // It was made by name, so the name leads to no other file.
  if (keyName.test(name)) rmSync(peer(name), { force: true });
}

/** Throws WIRE_KEY for a list that is missing or has a line that is no key. */
export function listKeys(folder: string): readonly AuthorisedKey[] {
  const { list } = paths(folder);
  return readText(list)
    .split('\n')
    .flatMap((line, index) => {
      if (line.trim() === '' || line.startsWith('#')) return [];
      const parsed = parseLine(line);
      if (!parsed)
        throw new NoisefoldError('WIRE_KEY', 'this line is not a public key and a name', { where: `${list}:${index + 1}` });
      return [parsed];
    });
}

/** What a coordinator with this folder of keys asks of its peers: a key on the list, as it is at the time. Throws WIRE_KEY. */
export function coordinatorSecurity(folder: string): CoordinatorSecurity {
  const keys = readCoordinatorKeys(folder);
  listKeys(folder);
  return {
    kind: 'curve',
    keys,
    authorised: (publicKey) => listKeys(folder).find((listed) => listed.public === publicKey)?.name,
  };
}

/** What a worker or a client with this key file proves, and asks for. Throws WIRE_KEY. */
export function readPeerSecurity(file: string): PeerSecurity & { kind: 'curve' } {
  const { coordinator, public: publicKey, secret } = readKeyFile(file, peerFile);
  return { kind: 'curve', keys: { public: publicKey, secret }, coordinator };
}

export function hasKeys(folder: string): boolean {
  try {
    readFileSync(paths(folder).coordinator);
    return true;
  } catch {
    return false;
  }
}

function readCoordinatorKeys(folder: string): KeyPair {
  const { public: publicKey, secret } = readKeyFile(paths(folder).coordinator, coordinatorFile);
  return { public: publicKey, secret };
}

function readKeyFile<T>(path: string, schema: z.ZodType<T>): T {
  const text = readText(path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NoisefoldError('WIRE_KEY', 'this is not a key file', {
      where: path,
      hint: 'Key files are made by `noisefold keys`.',
    });
  }
  const checked = schema.safeParse(value);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  throw new NoisefoldError('WIRE_KEY', `this is not such a key file: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`, {
    where: path,
    hint: 'A coordinator has a folder of keys with coordinator.json in it, a worker or a client a file such as worker.json.',
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new NoisefoldError('WIRE_KEY', `the keys cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`, {
      where: path,
      hint: 'Make keys with `noisefold keys init`; to a coordinator on this machine (127.0.0.1) leave the key out.',
      cause,
    });
  }
}

function parseLine(line: string): AuthorisedKey | undefined {
  const found = /^([0-9a-f]{64})\s+(\S+)\s*$/.exec(line);
  return found ? { public: found[1] ?? '', name: found[2] ?? '' } : undefined;
}

function requireName(name: string): void {
  if (keyName.test(name) && name !== 'coordinator') return;
  throw new NoisefoldError('WIRE_KEY', `${name} cannot name a key`, {
    hint: 'Use letters, digits, `-`, `_` and `.`, at most 64, and not `coordinator`.',
  });
}

function requireNew(folder: string, name: string): void {
  if (!listKeys(folder).some((listed) => listed.name === name)) return;
  throw new NoisefoldError('WIRE_KEY', `there is a key called ${name} already`, {
    where: paths(folder).list,
    hint: `Take another name, or first run: noisefold keys revoke ${name}`,
  });
}

function appendKey(folder: string, { name, public: publicKey }: AuthorisedKey): void {
  const { list } = paths(folder);
  const before = readText(list);
  replaceFile(list, `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${publicKey} ${name}\n`);
}

/** At once, so that no handshake meets half a list. */
function replaceFile(path: string, text: string): void {
  const draft = `${path}.${process.pid}.tmp`;
  try {
    writeFileSync(draft, text, { mode: secretMode, flush: true });
    chmodSync(draft, secretMode);
    renameSync(draft, path);
  } catch (error) {
    throw writeError(error, path, 'it cannot be replaced');
  }
}

const json = (value: object): string => `${JSON.stringify(value, undefined, 2)}\n`;

function writeError(error: unknown, where: string, exists: string): NoisefoldError {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (error instanceof NoisefoldError || code === 'ENOSPC') return asNoisefoldError(error);
  if (code === 'EEXIST') return new NoisefoldError('WIRE_KEY', exists, { where, cause: error });
  return new NoisefoldError('OUTPUT_NOT_WRITABLE', error instanceof Error ? error.message : String(error), {
    where,
    cause: error,
  });
}
