/** What a well-formed request of a person's command is, and what a well-formed answer. */
import { z } from 'zod';
import { studyStatuses, taskStatuses, trialStatuses, workerStatuses } from '../scheduler/types.ts';
import { anyDouble, count, hash, json, maybe, name, notNegative, prose, safe, study, text, uint32 } from './fields.ts';
import type { ClientAnswer, ClientRequest } from './messages.ts';
import { taskProgress } from './task-schema.ts';

const maxPage = 1_000;
const ofStudy = <T extends string>(type: T) => z.object({ type: z.literal(type), study });

export const clientRequest: z.ZodType<ClientRequest> = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('submit'),
    config: json,
    configHash: hash,
    dataHash: hash,
    table: hash,
    data: z.array(hash).max(10_000),
    plan: json,
    version: text,
  }),
  z.object({ type: z.literal('list') }),
  ofStudy('status'),
  z.object({
    type: z.literal('tasks'),
    study,
    statuses: z.array(z.enum(taskStatuses)).max(taskStatuses.length),
    offset: uint32,
    limit: uint32.max(maxPage),
  }),
  z.object({ type: z.literal('workers') }),
  z.object({ type: z.enum(['pause', 'resume', 'cancel', 'retry']), study }),
  z.object({ type: z.literal('logs'), study, task: maybe(name), last: uint32.max(100_000) }),
  ofStudy('snapshot'),
]);

const counts = <K extends string>(statuses: readonly K[]): z.ZodType<Readonly<Record<K, number>>> =>
  z.custom<Readonly<Record<K, number>>>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      statuses.every((status) => uint32.safeParse((value as Partial<Record<K, unknown>>)[status]).success),
    'is not a number for every status',
  );

const scored = maybe(z.object({ trial: name, score: anyDouble }));

const studySummary = z.object({
  name: study,
  status: z.enum(studyStatuses),
  trouble: maybe(prose),
  createdMs: safe,
  metric: z.enum(['rmse', 'auc']),
  tasks: counts(taskStatuses),
  trials: counts(trialStatuses),
  baselines: counts(trialStatuses),
  rung: maybe(z.object({ number: count, of: count, epochs: uint32, trials: uint32, scored: uint32 })),
  best: scored,
  raw: scored,
  untrained: scored,
  secondsLeft: maybe(notNegative),
  atLeast: z.boolean(),
});

const taskSummary = z.object({
  task: name,
  trial: name,
  status: z.enum(taskStatuses),
  attempt: uint32,
  failures: uint32,
  losses: uint32,
  worker: maybe(name),
  checkpointStep: maybe(safe),
  toStep: safe,
  progress: maybe(taskProgress),
  score: maybe(anyDouble),
  seconds: maybe(notNegative),
  error: maybe(z.object({ code: name, message: prose })),
});

const workerSummary = z.object({
  name,
  status: z.enum(workerStatuses),
  version: text,
  capabilities: z.object({ engine: name, device: text, threads: uint32, memory: safe }),
  running: maybe(z.object({ study, task: name, attempt: uint32 })),
  lastSeenMs: safe,
  reason: maybe(prose),
});

const storyLine = z.object({
  atMs: safe,
  task: name,
  attempt: uint32,
  from: name,
  to: name,
  worker: maybe(name),
  cause: prose,
});

export const clientReply: z.ZodType<ClientAnswer> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('accepted'), study, existed: z.boolean() }),
  z.object({ type: z.literal('studies'), studies: z.array(studySummary).max(100_000) }),
  z.object({
    type: z.literal('study'),
    study: studySummary,
    running: z.array(taskSummary).max(100_000),
    failed: z.array(taskSummary).max(maxPage),
  }),
  z.object({ type: z.literal('tasks'), total: uint32, tasks: z.array(taskSummary).max(maxPage) }),
  z.object({ type: z.literal('workers'), workers: z.array(workerSummary).max(100_000) }),
  z.object({ type: z.literal('story'), lines: z.array(storyLine).max(100_000) }),
  z.object({ type: z.literal('snapshot'), hash, bytes: safe }),
  z.object({ type: z.literal('error'), code: name, message: prose, hint: maybe(prose) }),
]);
