/** What clients are told: made from the state after the turn in which they asked. Whatever takes time in proportion to a study's size is kept for a second. */
import { NoisefoldError } from '../base/errors.ts';
import type { Clock } from '../base/ports.ts';
import { meanOf } from '../scheduler/scores.ts';
import type { State, TaskState, WorkerState } from '../scheduler/types.ts';
import type {
  Capabilities,
  ClientAnswer,
  ClientRequest,
  StoryLine,
  StudySummary,
  TaskSummary,
  WorkerSummary,
} from '../wire/messages.ts';
import type { OpenStudy, Studies } from './studies.ts';
import type { CoordinatorOptions } from './types.ts';

/** What a worker said of itself, and why it is quarantined. */
export interface KnownWorker {
  readonly version: string;
  readonly capabilities: Capabilities;
  readonly reason: string | undefined;
}

export interface AnswersOptions {
  readonly studies: Studies;
  readonly summaryOf: CoordinatorOptions['summaryOf'];
  readonly clock: Clock;
  readonly startedMs: number;
  readonly workerOf: (id: string) => KnownWorker | undefined;
  /** Why nothing goes on, if so. */
  readonly trouble: () => string | undefined;
}

export type Question = Extract<ClientRequest, { type: 'list' | 'status' | 'tasks' | 'workers' | 'logs' }>;

export interface Answers {
  /** Throws STUDY_NOT_FOUND, and what the store of the study throws or threw. */
  answer(question: Question, state: State): ClientAnswer;
  /** Throws STUDY_NOT_FOUND, or why its store is broken. */
  find(study: string): OpenStudy;
}

const keptMs = 1_000;
const mostFailures = 20;
const largestPage = 1_000;

export function createAnswers(options: AnswersOptions): Answers {
  const { studies, clock, startedMs, workerOf, trouble } = options;
  const summaries = new Map<string, { readonly atMs: number; readonly summary: StudySummary }>();

  function find(name: string): OpenStudy {
    const broken = studies.broken.get(name);
    if (broken !== undefined) throw broken;
    const study = studies.open.get(name);
    if (study !== undefined) return study;
    throw new NoisefoldError('STUDY_NOT_FOUND', `there is no study ${name}`, { hint: 'noisefold ls lists them.' });
  }

  function summary(name: string, open: OpenStudy, { studies: all, workers, phase }: State): StudySummary[] {
    const study = all.get(name);
    if (study === undefined) return [];
    const nowMs = clock.now();
    const known = summaries.get(name);
    if (known !== undefined && nowMs - known.atMs < keptMs && known.summary.status === study.status) return [known.summary];
    const { plan, metric, row } = open;
    const made = options.summaryOf({
      ...{ plan, study, workers: workers.values(), phase, metric, nowMs, startedMs },
      createdMs: row.createdMs,
      trouble: trouble(),
    });
    summaries.set(name, { atMs: nowMs, summary: made });
    return [made];
  }

  function oneOf(
    name: string,
    state: State,
  ): { readonly summary: StudySummary; readonly all: Iterable<TaskState>; readonly open: OpenStudy } {
    const open = find(name);
    const study = state.studies.get(name);
    const [made] = summary(name, open, state);
    if (study === undefined || made === undefined) throw new NoisefoldError('STUDY_NOT_FOUND', `there is no study ${name}`);
    return { summary: made, all: study.tasks.values(), open };
  }

  function answer(question: Question, state: State): ClientAnswer {
    switch (question.type) {
      case 'list':
        return { type: 'studies', studies: [...studies.open].flatMap(([name, open]) => summary(name, open, state)) };
      case 'status': {
        const { summary: made, all, open } = oneOf(question.study, state);
        const running: TaskSummary[] = [];
        const failed: TaskSummary[] = [];
        for (const task of all)
          if (task.status === 'failed') failed.push(taskSummary(task, open.metric, state.workers));
          else if (task.status === 'leased' || task.status === 'running')
            running.push(taskSummary(task, open.metric, state.workers));
        return { type: 'study', study: made, running, failed: failed.reverse().slice(0, mostFailures) };
      }
      case 'tasks': {
        const { all, open } = oneOf(question.study, state);
        const { statuses, offset } = question;
        const limit = Math.min(question.limit, largestPage);
        let total = 0;
        const tasks: TaskSummary[] = [];
        for (const task of all) {
          if (statuses.length > 0 && !statuses.includes(task.status)) continue;
          if (total >= offset && tasks.length < limit) tasks.push(taskSummary(task, open.metric, state.workers));
          total++;
        }
        return { type: 'tasks', total, tasks };
      }
      case 'workers':
        return { type: 'workers', workers: [...state.workers.values()].flatMap((worker) => workerSummary(worker, state)) };
      case 'logs':
        return { type: 'story', lines: story(find(question.study), question.task, question.last) };
      default:
        return question satisfies never;
    }
  }

  function workerSummary({ id, name, status, task, lastSeen }: WorkerState, state: State): WorkerSummary[] {
    const known = workerOf(id);
    if (known === undefined) return [];
    const attempt = task && state.studies.get(task.study)?.tasks.get(task.task)?.attempt;
    const running = task === undefined || attempt === undefined ? undefined : { ...task, attempt };
    const reason = status === 'quarantined' || status === 'probing' ? known.reason : undefined;
    const { version, capabilities } = known;
    return [{ name, status, version, capabilities, running, lastSeenMs: lastSeen, reason }];
  }

  return { answer, find };
}

function taskSummary(state: TaskState, metric: 'rmse' | 'auc', workers: State['workers']): TaskSummary {
  const { task, status, attempt, failures, losses, checkpoint, progress, result, error } = state;
  const worker = state.worker === undefined ? undefined : (workers.get(state.worker)?.name ?? state.worker);
  const score = meanOf([state], metric);
  return {
    ...{ task: task.id, trial: task.trial, status, attempt, failures, losses, worker, progress },
    checkpointStep: checkpoint?.step,
    toStep: task.toStep,
    score: score !== undefined && Number.isFinite(score) ? score : undefined,
    seconds: result?.seconds,
    error: error && { code: error.code, message: error.message },
  };
}

/** The study's own changes, under its name, among those of its tasks, by time; a task's stay in the order of the commits. */
function story({ store, row }: OpenStudy, task: string | undefined, last: number): StoryLine[] {
  const lines: StoryLine[] = store.transitions(task, last).map((line) => ({ ...line }));
  if (task !== undefined) return lines;
  const own = store.studyTransitions().map(({ atMs, from, status, cause }): StoryLine => ({
    ...{ atMs, task: row.name, attempt: 0, from, to: status, worker: undefined, cause },
  }));
  const all = [...lines, ...own];
  return all.sort((a, b) => a.atMs - b.atMs).slice(-last);
}
