/**
 * Messages as bytes (proto/noisefold.proto), and back. This file and the other *-codec.ts are the only ones that see generated code.
 *
 * Both directions check the whole message against schema.ts, so what a peer sends can be trusted to have its type, and what is sent
 * arrives as it was. Fields that this version does not know are skipped; a message of a kind that it does not know is refused.
 */
import { Reader } from 'protobufjs/minimal.js';
import type { z } from 'zod';
import { NoisefoldError } from '../base/errors.ts';
import { noisefold } from './generated/noisefold.js';
import { isFrequent } from './frequent.ts';
import type { FromCoordinator, ToCoordinator } from './messages.ts';
import { readFromCoordinator, readToCoordinator, writeFromCoordinator, writeToCoordinator } from './message-codec.ts';
import { fromCoordinator, toCoordinator } from './schema.ts';

const { FromCoordinator: Down, ToCoordinator: Up } = noisefold.v1;

/** Longer messages are neither sent nor read: a submission's plan of 10,000 trials takes some 15 MiB. */
export const maxMessageBytes = 32 * 2 ** 20;

/**
 * What a message to the coordinator may take outside a client's request. A result with 2,000 epochs of history takes 0.1 MiB. Requests are long by
 * their strings; in other messages bytes can turn into many times as much memory before they are checked.
 */
export const maxWorkerBytes = 4 * 2 ** 20;

/** The field of a client's request in the envelope: proto/noisefold.proto. */
const requestField = 11;

/** Throws WIRE_MALFORMED, naming the field, for a message that is not what its type says or is out of range. */
export function encodeToCoordinator(message: ToCoordinator): Uint8Array {
  checkUp(message);
  return bounded(Up.encode(writeToCoordinator(message)).finish());
}

/** Throws WIRE_MALFORMED, naming the field, for bytes that are not a well-formed message to the coordinator. */
export function decodeToCoordinator(bytes: Uint8Array): ToCoordinator {
  return checkUp(
    readToCoordinator(
      parse(() => {
        if (bytes.length > maxWorkerBytes) boundParts(bounded(bytes));
        return Up.decode(bytes);
      }),
    ),
  );
}

/** Throws WIRE_MALFORMED, naming the field, for a message that is not what its type says or is out of range. */
export function encodeFromCoordinator(message: FromCoordinator): Uint8Array {
  check(fromCoordinator, message);
  return bounded(Down.encode(writeFromCoordinator(message)).finish());
}

/** Throws WIRE_MALFORMED, naming the field, for bytes that are not a well-formed message from the coordinator. */
export function decodeFromCoordinator(bytes: Uint8Array): FromCoordinator {
  return check(fromCoordinator, readFromCoordinator(parse(() => Down.decode(bounded(bytes)))));
}

/** The message, or why there is none. */
export function decoded<T>(decode: (bytes: Uint8Array) => T, bytes: Uint8Array): T | NoisefoldError {
  try {
    return decode(bytes);
  } catch (error) {
    if (error instanceof NoisefoldError) return error;
    throw error;
  }
}

/** A frame with nothing but a long request in it may be long. */
function boundParts(bytes: Uint8Array): void {
  const reader = Reader.create(bytes);
  let others = 0;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    reader.skipType(tag & 7);
    if (tag >>> 3 !== requestField) others += reader.pos - start;
  }
  if (others > maxWorkerBytes) throw tooLong(others, maxWorkerBytes);
}

function bounded(bytes: Uint8Array): Uint8Array {
  if (bytes.length > maxMessageBytes) throw tooLong(bytes.length, maxMessageBytes);
  return bytes;
}

const tooLong = (length: number, limit: number): NoisefoldError =>
  new NoisefoldError('WIRE_MALFORMED', `a message of ${length} bytes is longer than ${limit}`);

function parse<T>(decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof NoisefoldError) throw cause;
    throw new NoisefoldError('WIRE_MALFORMED', `not a message: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
}

const checkUp = (value: unknown): ToCoordinator => (isFrequent(value) ? value : check(toCoordinator, value));

/** The value itself, not zod's copy, which would be without a column called `__proto__`. */
function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const type =
    typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' ? value.type : undefined;
  if (type === undefined)
    throw new NoisefoldError('WIRE_MALFORMED', 'no message of a known kind', {
      where: 'body',
      hint: 'The peer may be a newer noisefold: run the same version on all machines.',
    });
  const checked = schema.safeParse(value);
  if (checked.success) return value as T;
  const { path, message } = firstIssue(checked.error.issues);
  throw new NoisefoldError('WIRE_MALFORMED', `${type}: ${path} ${message}`, { where: path });
}

/** The first problem and the path to it; where several shapes were possible, that of the first one. */
function firstIssue(issues: readonly z.core.$ZodIssue[]): { path: string; message: string } {
  const issue = issues[0];
  if (!issue) return { path: '', message: 'is not well-formed' };
  const path = issue.path.map(String).join('.');
  if (issue.code !== 'invalid_union' || !issue.errors[0]?.[0]) return { path, message: issue.message };
  const inner = firstIssue(issue.errors[0]);
  return { path: [path, inner.path].filter((part) => part !== '').join('.'), message: inner.message };
}
