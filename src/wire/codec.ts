/**
 * Messages as bytes (proto/noisefold.proto), and back. This file and task-codec.ts are the only ones that see generated code.
 *
 * Both directions check the whole message against schema.ts, so what a peer sends can be trusted to have its type, and what is sent
 * arrives as it was. Fields that this version does not know are skipped.
 */
import type { z } from 'zod';
import { NoisefoldError } from '../base/errors.ts';
import { noisefold } from './generated/noisefold.js';
import type { CoordinatorMessage, WorkerMessage } from './messages.ts';
import { coordinatorMessage, workerMessage } from './schema.ts';
import {
  readProgress,
  readTaskResult,
  readTaskSpec,
  writeProgress,
  writeTaskResult,
  writeTaskSpec,
  integer,
} from './task-codec.ts';

const { CoordinatorEnvelope, WorkerEnvelope } = noisefold.v1;

/** Longer messages are neither sent nor read; a result with 2,000 epochs of history takes 0.1 MB. */
export const maxMessageBytes = 16 * 2 ** 20;

/** Throws WIRE_MALFORMED, naming the field, for a message that is not what its type says or is out of range. */
export function encodeWorkerMessage(message: WorkerMessage): Uint8Array {
  check(workerMessage, message);
  return bounded(WorkerEnvelope.encode(writeWorkerMessage(message)).finish());
}

/** Throws WIRE_MALFORMED, naming the field, for bytes that are not a well-formed worker's message. */
export function decodeWorkerMessage(bytes: Uint8Array): WorkerMessage {
  return check(workerMessage, readWorkerMessage(parse(() => WorkerEnvelope.decode(bounded(bytes)))));
}

/** Throws WIRE_MALFORMED, naming the field, for a message that is not what its type says or is out of range. */
export function encodeCoordinatorMessage(message: CoordinatorMessage): Uint8Array {
  check(coordinatorMessage, message);
  return bounded(CoordinatorEnvelope.encode(writeCoordinatorMessage(message)).finish());
}

/** Throws WIRE_MALFORMED, naming the field, for bytes that are not a well-formed coordinator's message. */
export function decodeCoordinatorMessage(bytes: Uint8Array): CoordinatorMessage {
  return check(coordinatorMessage, readCoordinatorMessage(parse(() => CoordinatorEnvelope.decode(bounded(bytes)))));
}

function writeWorkerMessage(message: WorkerMessage): noisefold.v1.WorkerEnvelope.$Properties {
  switch (message.type) {
    case 'hello':
      return { hello: message };
    case 'heartbeat': {
      const { running } = message;
      return { heartbeat: { running: running ? { lease: leaseOf(running), progress: writeProgress(running.progress) } : null } };
    }
    case 'checkpointed':
      return { checkpointed: { lease: leaseOf(message), hash: message.hash, step: message.step } };
    case 'done':
      return { done: { lease: leaseOf(message), result: writeTaskResult(message.result) } };
    case 'failed':
      return {
        failed: { lease: leaseOf(message), failure: { ...message.failure, message: mended(message.failure.message) } },
      };
    case 'returned':
      return { returned: leaseOf(message) };
    case 'goodbye':
      return { goodbye: {} };
    default:
      return message satisfies never;
  }
}

function readWorkerMessage(envelope: noisefold.v1.WorkerEnvelope.$Shape): unknown {
  const type = envelope.body;
  switch (type) {
    case 'hello': {
      const { protocol, version, name, pid, engine, device, threads } = envelope.hello;
      return { type, protocol, version, name, pid, engine, device, threads };
    }
    case 'heartbeat': {
      const { running } = envelope.heartbeat;
      return { type, running: running ? { ...readLease(running.lease), progress: readProgress(running.progress) } : undefined };
    }
    case 'checkpointed': {
      const { lease, hash, step } = envelope.checkpointed;
      return { type, ...readLease(lease), hash, step: integer(step) };
    }
    case 'done':
      return { type, ...readLease(envelope.done.lease), result: readTaskResult(envelope.done.result) };
    case 'failed': {
      const { lease, failure } = envelope.failed;
      return {
        type,
        ...readLease(lease),
        failure: failure && { code: failure.code, message: failure.message, retryable: failure.retryable },
      };
    }
    case 'returned':
      return { type, ...readLease(envelope.returned) };
    case 'goodbye':
      return { type };
    case undefined:
      return unknownBody();
    default:
      return type satisfies never;
  }
}

function writeCoordinatorMessage(message: CoordinatorMessage): noisefold.v1.CoordinatorEnvelope.$Properties {
  switch (message.type) {
    case 'welcome':
      return { welcome: message };
    case 'refuse':
      return { refuse: { code: message.code, reason: mended(message.reason) } };
    case 'assign':
      return { assign: { attempt: message.attempt, spec: writeTaskSpec(message.spec) } };
    case 'acknowledge':
      return { acknowledge: leaseOf(message) };
    case 'cancel':
      return { cancel: leaseOf(message) };
    case 'drain':
      return { drain: {} };
    case 'introduce':
      return { introduce: {} };
    default:
      return message satisfies never;
  }
}

function readCoordinatorMessage(envelope: noisefold.v1.CoordinatorEnvelope.$Shape): unknown {
  const type = envelope.body;
  switch (type) {
    case 'welcome': {
      const { study, heartbeatMs, leaseMs, artifacts } = envelope.welcome;
      return { type, study, heartbeatMs, leaseMs, artifacts };
    }
    case 'refuse':
      return { type, code: envelope.refuse.code, reason: envelope.refuse.reason };
    case 'assign':
      return { type, attempt: envelope.assign.attempt, spec: readTaskSpec(envelope.assign.spec) };
    case 'acknowledge':
      return { type, ...readLease(envelope.acknowledge) };
    case 'cancel':
      return { type, ...readLease(envelope.cancel) };
    case 'drain':
    case 'introduce':
      return { type };
    case undefined:
      return unknownBody();
    default:
      return type satisfies never;
  }
}

const leaseOf = ({ task, attempt }: { task: string; attempt: number }): noisefold.v1.Lease.$Shape => ({ task, attempt });

const readLease = (lease: noisefold.v1.Lease.$Shape | null | undefined): object => ({
  task: lease?.task,
  attempt: lease?.attempt,
});

/** Human text may have been cut in the middle of a surrogate pair; the half becomes U+FFFD, as in String.prototype.toWellFormed. */
const mended = (text: string): string => text.replace(/\p{Surrogate}/gu, '\ufffd');

function bounded(bytes: Uint8Array): Uint8Array {
  if (bytes.length <= maxMessageBytes) return bytes;
  throw new NoisefoldError('WIRE_MALFORMED', `a message of ${bytes.length} bytes is longer than ${maxMessageBytes}`);
}

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

function unknownBody(): never {
  throw new NoisefoldError('WIRE_MALFORMED', 'no message of a known kind', {
    where: 'body',
    hint: 'The peer may be a newer noisefold: run the same version on all machines.',
  });
}

/** The value itself, not zod's copy, which would be without a column called `__proto__`. */
function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const checked = schema.safeParse(value);
  if (checked.success) return value as T;
  const { path, message } = firstIssue(checked.error.issues);
  const type = typeof value === 'object' && value !== null && 'type' in value ? String(value.type) : 'message';
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
