/**
 * Each kind of message as protobuf, and back. Only shapes are mapped here: a reader returns what was in the bytes, with `undefined` for what
 * was not, and schema.ts says whether that is a message.
 */
import { readReply, readRequest, writeReply, writeRequest } from './client-codec.ts';
import type { noisefold } from './generated/noisefold.js';
import { protocolVersion, type FromCoordinator, type ToCoordinator } from './messages.ts';
import {
  integer,
  leaseOf,
  plainBytes,
  prose,
  readLease,
  readProgress,
  readTaskResult,
  readTaskSpec,
  writeProgress,
  writeTaskResult,
  writeTaskSpec,
} from './task-codec.ts';

export function writeToCoordinator(message: ToCoordinator): noisefold.v1.ToCoordinator.$Properties {
  switch (message.type) {
    case 'hello': {
      const { protocol, version, name, pid, capabilities, running } = message;
      return { hello: { protocol, version, name, pid, ...capabilities, running: running ? leaseOf(running) : null } };
    }
    case 'heartbeat': {
      const { running } = message;
      return { heartbeat: { running: running ? { lease: leaseOf(running), progress: writeProgress(running.progress) } : null } };
    }
    case 'checkpointed':
      return { checkpointed: { lease: leaseOf(message), hash: message.hash, step: message.step } };
    case 'done':
      return { done: { lease: leaseOf(message), result: writeTaskResult(message.result) } };
    case 'failed': {
      const { code, message: text, retryable } = message.failure;
      return { failed: { lease: leaseOf(message), failure: { code, message: prose(text), retryable } } };
    }
    case 'returned':
      return { returned: leaseOf(message) };
    case 'probed':
      return { probed: { reason: message.reason === undefined ? null : prose(message.reason) } };
    case 'goodbye':
      return { goodbye: {} };
    case 'fetch':
      return { fetch: message };
    case 'put':
      return { put: message };
    case 'request':
      return { request: writeRequest(message) };
    default:
      return message satisfies never;
  }
}

export function readToCoordinator(envelope: noisefold.v1.ToCoordinator.$Shape): unknown {
  const type = envelope.body;
  switch (type) {
    case 'hello':
      return { type, ...readHello(envelope.hello) };
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
        failure: failure && { code: failure.code, message: prose(failure.message), retryable: failure.retryable },
      };
    }
    case 'returned':
      return { type, ...readLease(envelope.returned) };
    case 'probed': {
      const { reason } = envelope.probed;
      return { type, reason: typeof reason === 'string' ? prose(reason) : undefined };
    }
    case 'goodbye':
      return { type };
    case 'fetch': {
      const { transfer, hash, offset, length } = envelope.fetch;
      return { type, transfer, hash, offset: integer(offset), length };
    }
    case 'put':
      return { type, ...readPiece(envelope.put) };
    case 'request':
      return { type, ...readRequest(envelope.request) };
    case undefined:
      return undefined;
    default:
      return type satisfies never;
  }
}

export function writeFromCoordinator(message: FromCoordinator): noisefold.v1.FromCoordinator.$Properties {
  switch (message.type) {
    case 'welcome':
      return { welcome: message };
    case 'refuse':
      return { refuse: { code: message.code, reason: prose(message.reason) } };
    case 'assign':
      return { assign: { study: message.study, attempt: message.attempt, spec: writeTaskSpec(message.spec) } };
    case 'acknowledge':
      return { acknowledge: leaseOf(message) };
    case 'cancel':
      return { cancel: leaseOf(message) };
    case 'yield':
      return { yield: leaseOf(message) };
    case 'probe':
      return { probe: {} };
    case 'drain':
      return { drain: {} };
    case 'introduce':
      return { introduce: {} };
    case 'chunk':
      return { chunk: message };
    case 'stored':
      return { stored: message };
    case 'refused': {
      const { transfer, hash, code, reason } = message;
      return { refused: { transfer, hash, code, reason: prose(reason) } };
    }
    case 'reply':
      return { reply: writeReply(message) };
    default:
      return message satisfies never;
  }
}

export function readFromCoordinator(envelope: noisefold.v1.FromCoordinator.$Shape): unknown {
  const type = envelope.body;
  switch (type) {
    case 'welcome': {
      const { heartbeatMs, leaseMs, artifacts, coordinator } = envelope.welcome;
      return { type, heartbeatMs, leaseMs, artifacts, coordinator };
    }
    case 'refuse':
      return { type, code: envelope.refuse.code, reason: prose(envelope.refuse.reason) };
    case 'assign': {
      const { study, attempt, spec } = envelope.assign;
      return { type, study, attempt, spec: readTaskSpec(spec) };
    }
    case 'acknowledge':
      return { type, ...readLease(envelope.acknowledge) };
    case 'cancel':
      return { type, ...readLease(envelope.cancel) };
    case 'yield':
      return { type, ...readLease(envelope.yield) };
    case 'probe':
    case 'drain':
    case 'introduce':
      return { type };
    case 'chunk':
      return { type, ...readPiece(envelope.chunk) };
    case 'stored': {
      const { transfer, hash, received, complete } = envelope.stored;
      return { type, transfer, hash, received: integer(received), complete };
    }
    case 'refused': {
      const { transfer, hash, code, reason } = envelope.refused;
      return { type, transfer, hash, code, reason: prose(reason) };
    }
    case 'reply':
      return { type, ...readReply(envelope.reply) };
    case undefined:
      return undefined;
    default:
      return type satisfies never;
  }
}

/** Of a hello in another protocol only the versions are read: it is there to be refused (versions.ts), whatever else it says. */
function readHello(hello: noisefold.v1.Hello.$Shape): object {
  const { protocol, version, name, pid, engine, device, threads, memory, running } = hello;
  if (protocol === protocolVersion) {
    const capabilities = { engine, device, threads, memory: integer(memory) };
    return { protocol, version, name, pid, capabilities, running: running ? readLease(running) : undefined };
  }
  const unknown = { engine: 'unknown', device: '', threads: 0, memory: 0 };
  return { protocol, version, name: 'unknown', pid: 0, capabilities: unknown, running: undefined };
}

function readPiece({ transfer, hash, offset, total, bytes }: noisefold.v1.BlobChunk.$Shape): object {
  return { transfer, hash, offset: integer(offset), total: integer(total), bytes: bytes && plainBytes(bytes) };
}
