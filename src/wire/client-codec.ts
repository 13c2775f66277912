/** Clients' requests and their answers as protobuf, and back; only shapes are mapped here, as in message-codec.ts. */
import { taskStatuses, trialStatuses } from '../scheduler/types.ts';
import type { noisefold } from './generated/noisefold.js';
import {
  protocolVersion,
  type ClientAnswer,
  type ClientMessage,
  type ClientReply,
  type Scored,
  type StudySummary,
  type TaskSummary,
  type WorkerSummary,
} from './messages.ts';
import { integer, leaseOf, prose, readLease, readProgress, writeProgress } from './task-codec.ts';

export function writeRequest({ request, protocol, body }: ClientMessage): noisefold.v1.Request.$Properties {
  const numbers = { request, protocol };
  switch (body.type) {
    case 'submit':
      return { ...numbers, submit: { ...body, data: [...body.data] } };
    case 'list':
    case 'workers':
      return { ...numbers, [body.type]: {} };
    case 'tasks':
      return { ...numbers, tasks: { ...body, statuses: [...body.statuses] } };
    case 'logs':
      return { ...numbers, logs: { study: body.study, task: body.task ?? null, last: body.last } };
    case 'status':
    case 'pause':
    case 'resume':
    case 'cancel':
    case 'retry':
    case 'snapshot':
      return { ...numbers, [body.type]: { study: body.study } };
    default:
      return body satisfies never;
  }
}

/** Of a request in another protocol only the numbers are read, and it comes as a `list`: it is there to be refused (versions.ts). */
export function readRequest(message: noisefold.v1.Request.$Shape): object {
  const { request, protocol } = message;
  return { request, protocol, body: protocol === protocolVersion ? readRequestBody(message) : { type: 'list' } };
}

function readRequestBody(message: noisefold.v1.Request.$Shape): unknown {
  const type = message.body;
  switch (type) {
    case 'submit': {
      const { config, configHash, dataHash, table, data, plan, version } = message.submit;
      return { type, config, configHash, dataHash, table, data, plan, version };
    }
    case 'list':
    case 'workers':
      return { type };
    case 'tasks': {
      const { study, statuses, offset, limit } = message.tasks;
      return { type, study, statuses, offset, limit };
    }
    case 'logs': {
      const { study, task, last } = message.logs;
      return { type, study, task: task ?? undefined, last };
    }
    case 'status':
    case 'pause':
    case 'resume':
    case 'cancel':
    case 'retry':
    case 'snapshot':
      return { type, study: message[type]?.study };
    case undefined:
      return undefined;
    default:
      return type satisfies never;
  }
}

export function writeReply({ request, body }: ClientReply): noisefold.v1.Reply.$Properties {
  return { request, ...writeAnswer(body) };
}

function writeAnswer(body: ClientAnswer): noisefold.v1.Reply.$Properties {
  switch (body.type) {
    case 'accepted':
      return { accepted: body };
    case 'studies':
      return { studies: { studies: body.studies.map(writeStudy) } };
    case 'study':
      return {
        study: { study: writeStudy(body.study), running: body.running.map(writeTask), failed: body.failed.map(writeTask) },
      };
    case 'tasks':
      return { tasks: { total: body.total, tasks: body.tasks.map(writeTask) } };
    case 'workers':
      return { workers: { workers: body.workers.map(writeWorker) } };
    case 'story':
      return {
        story: { lines: body.lines.map((line) => ({ ...line, worker: line.worker ?? null, cause: prose(line.cause) })) },
      };
    case 'snapshot':
      return { snapshot: body };
    case 'error':
      return { error: { code: body.code, message: prose(body.message), hint: optionalProse(body.hint) ?? null } };
    default:
      return body satisfies never;
  }
}

export function readReply(message: noisefold.v1.Reply.$Shape): object {
  return { request: message.request, body: readAnswer(message) };
}

function readAnswer(message: noisefold.v1.Reply.$Shape): unknown {
  const type = message.body;
  switch (type) {
    case 'accepted':
      return { type, study: message.accepted.study, existed: message.accepted.existed };
    case 'studies':
      return { type, studies: (message.studies.studies ?? []).map(readStudy) };
    case 'study': {
      const { study, running, failed } = message.study;
      return {
        type,
        study: study && readStudy(study),
        running: (running ?? []).map(readTask),
        failed: (failed ?? []).map(readTask),
      };
    }
    case 'tasks':
      return { type, total: message.tasks.total, tasks: (message.tasks.tasks ?? []).map(readTask) };
    case 'workers':
      return { type, workers: (message.workers.workers ?? []).map(readWorker) };
    case 'story':
      return {
        type,
        lines: (message.story.lines ?? []).map(({ atMs, task, attempt, from, to, worker, cause }) => ({
          atMs: integer(atMs),
          task,
          attempt,
          from,
          to,
          worker: worker ?? undefined,
          cause: prose(cause),
        })),
      };
    case 'snapshot':
      return { type, hash: message.snapshot.hash, bytes: integer(message.snapshot.bytes) };
    case 'error': {
      const { code, message: text, hint } = message.error;
      return { type, code, message: prose(text), hint: optionalProse(hint) };
    }
    case undefined:
      return undefined;
    default:
      return type satisfies never;
  }
}

const optionalProse = (text: string | null | undefined): string | undefined =>
  typeof text === 'string' ? prose(text) : undefined;

const writeScored = (scored: Scored | undefined): noisefold.v1.Scored.$Properties | null => scored ?? null;
const readScored = (scored: noisefold.v1.Scored.$Shape | null | undefined): unknown =>
  scored ? { trial: scored.trial, score: scored.score } : undefined;

function writeStudy(study: StudySummary): noisefold.v1.StudySummary.$Properties {
  return {
    ...study,
    trouble: optionalProse(study.trouble) ?? null,
    rung: study.rung ?? null,
    best: writeScored(study.best),
    raw: writeScored(study.raw),
    untrained: writeScored(study.untrained),
    secondsLeft: study.secondsLeft ?? null,
  };
}

function readStudy(study: noisefold.v1.StudySummary.$Shape): unknown {
  const { name, status, metric, atLeast } = study;
  return {
    name,
    status,
    trouble: optionalProse(study.trouble),
    createdMs: integer(study.createdMs),
    metric,
    tasks: readCounts(taskStatuses, study.tasks),
    trials: readCounts(trialStatuses, study.trials),
    baselines: readCounts(trialStatuses, study.baselines),
    rung: readRung(study.rung),
    best: readScored(study.best),
    raw: readScored(study.raw),
    untrained: readScored(study.untrained),
    secondsLeft: study.secondsLeft ?? undefined,
    atLeast,
  };
}

const readRung = (rung: noisefold.v1.RungProgress.$Shape | null | undefined): unknown =>
  rung ? { number: rung.number, of: rung.of, epochs: rung.epochs, trials: rung.trials, scored: rung.scored } : undefined;

const readCounts = (statuses: readonly string[], counts: Record<string, number> | null | undefined): unknown =>
  Object.fromEntries(statuses.map((status) => [status, counts?.[status] ?? 0]));

function writeTask(task: TaskSummary): noisefold.v1.TaskSummary.$Properties {
  return {
    ...task,
    worker: task.worker ?? null,
    checkpointStep: task.checkpointStep ?? null,
    progress: task.progress ? writeProgress(task.progress) : null,
    score: task.score ?? null,
    seconds: task.seconds ?? null,
    error: task.error ? { code: task.error.code, message: prose(task.error.message) } : null,
  };
}

function readTask(summary: noisefold.v1.TaskSummary.$Shape): unknown {
  const { task, trial, status, attempt, failures, losses, worker, score, seconds, error } = summary;
  return {
    task,
    trial,
    status,
    attempt,
    failures,
    losses,
    worker: worker ?? undefined,
    checkpointStep: integer(summary.checkpointStep),
    toStep: integer(summary.toStep),
    progress: readProgress(summary.progress),
    score: score ?? undefined,
    seconds: seconds ?? undefined,
    error: error ? { code: error.code, message: prose(error.message) } : undefined,
  };
}

function writeWorker({ capabilities, ...worker }: WorkerSummary): noisefold.v1.WorkerSummary.$Properties {
  return {
    ...worker,
    ...capabilities,
    running: worker.running ? leaseOf(worker.running) : null,
    reason: optionalProse(worker.reason) ?? null,
  };
}

function readWorker(worker: noisefold.v1.WorkerSummary.$Shape): unknown {
  const { name, status, version, engine, device, threads } = worker;
  return {
    name,
    status,
    version,
    capabilities: { engine, device, threads, memory: integer(worker.memory) },
    running: worker.running ? readLease(worker.running) : undefined,
    lastSeenMs: integer(worker.lastSeenMs),
    reason: optionalProse(worker.reason),
  };
}
