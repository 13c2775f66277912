/**
 * What a well-formed message is, checked on both sides of the wire. Outgoing too, because protobuf encodes out-of-range numbers without
 * complaint: 2^40 + 5 in a uint32 arrives as 5.
 */
import { z } from 'zod';
import { clientReply, clientRequest } from './client-schema.ts';
import { bytes, count, hash, maxBlobBytes, maxChunkBytes, maybe, name, prose, safe, study, text, uint32 } from './fields.ts';
import type { FromCoordinator, ToCoordinator } from './messages.ts';
import { taskProgress, taskResult, taskSpec } from './task-schema.ts';

const lease = { study, task: name, attempt: uint32 };
const blob = { transfer: uint32, hash };
const blobBytes = safe.max(maxBlobBytes);

const piece = <T extends 'put' | 'chunk'>(type: T) =>
  z
    .object({ type: z.literal(type), ...blob, offset: blobBytes, total: blobBytes, bytes })
    .refine(({ offset, total, bytes: part }) => offset + part.length <= total, { message: 'ends after total', path: ['bytes'] });

export const toCoordinator: z.ZodType<ToCoordinator> = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    protocol: uint32,
    version: text,
    name,
    pid: uint32,
    capabilities: z.object({ engine: name, device: text, threads: uint32, memory: safe }),
    running: maybe(z.object(lease)),
  }),
  z.object({ type: z.literal('heartbeat'), running: maybe(z.object({ ...lease, progress: taskProgress })) }),
  z.object({ type: z.literal('checkpointed'), ...lease, hash, step: safe }),
  z.object({ type: z.literal('done'), ...lease, result: taskResult }),
  z.object({
    type: z.literal('failed'),
    ...lease,
    failure: z.object({ code: name, message: prose, retryable: z.boolean() }),
  }),
  z.object({ type: z.literal('returned'), ...lease }),
  z.object({ type: z.literal('probed'), reason: maybe(prose) }),
  z.object({ type: z.literal('goodbye') }),
  z.object({ type: z.literal('fetch'), ...blob, offset: blobBytes, length: count.max(maxChunkBytes) }),
  piece('put'),
  z.object({ type: z.literal('request'), request: uint32, protocol: uint32, body: clientRequest }),
]);

export const fromCoordinator: z.ZodType<FromCoordinator> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('welcome'), heartbeatMs: count, leaseMs: count, artifacts: text, coordinator: name }),
  z.object({ type: z.literal('refuse'), code: name, reason: prose }),
  z.object({ type: z.literal('assign'), study, attempt: uint32, spec: taskSpec }),
  z.object({ type: z.literal('acknowledge'), ...lease }),
  z.object({ type: z.literal('cancel'), ...lease }),
  z.object({ type: z.literal('yield'), ...lease }),
  z.object({ type: z.literal('probe') }),
  z.object({ type: z.literal('drain') }),
  z.object({ type: z.literal('introduce') }),
  piece('chunk'),
  z.object({ type: z.literal('stored'), ...blob, received: blobBytes, complete: z.boolean() }),
  z.object({ type: z.literal('refused'), ...blob, code: name, reason: prose }),
  z.object({ type: z.literal('reply'), request: uint32, body: clientReply }),
]);
