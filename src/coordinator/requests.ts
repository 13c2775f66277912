/** What a client asks, as an event for the scheduler and a reply for afterwards. */
import type { ArtifactStore } from '../artifacts/store.ts';
import { NoisefoldError } from '../base/errors.ts';
import type { Clock } from '../base/ports.ts';
import { newTaskState } from '../scheduler/task-table.ts';
import type { Event, State } from '../scheduler/types.ts';
import type { ClientAnswer, ClientRequest } from '../wire/messages.ts';
import type { Answers } from './answers.ts';
import { admit, checkedSubmission } from './submit.ts';
import type { Studies } from './studies.ts';

export interface Taken {
  readonly event: Event | undefined;
  /** To be asked once the turn's rows are durable. */
  readonly reply: (state: State) => ClientAnswer | Promise<ClientAnswer>;
}

export interface Requests {
  /** Throws what the client is to be told. */
  take(request: ClientRequest, state: State): Taken;
  /** Whether it changes nothing that is kept. */
  isReading(request: ClientRequest): boolean;
  /** What has to be in the artifact store before the request can be taken. */
  blobsOf(request: ClientRequest): readonly string[];
}

export interface RequestsOptions {
  readonly studies: Studies;
  readonly answers: Answers;
  readonly artifacts: ArtifactStore;
  readonly clock: Clock;
  /** Begins to look for results of the study whose checkpoint is lost or damaged, to have them made again. */
  readonly heal: (study: string) => void;
}

export function createRequests({ studies, answers, artifacts, clock, heal }: RequestsOptions): Requests {
  /** Those that were checked: a submission that is repeated, or tried again after a failed turn, is not checked anew. */
  const checked = new WeakMap<ClientRequest, ReturnType<typeof checkedSubmission>>();

  function submit(request: Extract<ClientRequest, { type: 'submit' }>, state: State): Taken {
    const content = checked.get(request) ?? checkedSubmission(request);
    checked.set(request, content);
    requireAlive(state, content.config.study);
    const { study, existed } = admit(studies, request, content, clock.now());
    const known = state.studies.get(study)?.tasks;
    const open = studies.open.get(study);
    const added = (open?.plan.tasks ?? []).filter(({ id }) => known?.get(id) === undefined);
    const reply = (): ClientAnswer => ({ type: 'accepted', study, existed });
    if (existed && added.length === 0) return { event: undefined, reply };
    const { rungs } = open ?? {};
    return { event: { type: 'submit', study, tasks: added.map(newTaskState), rungs, nowMs: clock.now() }, reply };
  }

  return {
    take(request, state) {
      switch (request.type) {
        case 'submit':
          return submit(request, state);
        case 'pause':
        case 'resume':
        case 'cancel':
        case 'retry': {
          const { type, study } = request;
          answers.find(study);
          if (type !== 'cancel') requireAlive(state, study);
          if (type === 'retry') heal(study);
          const reply = (): ClientAnswer => ({ type: 'accepted', study, existed: true });
          return { event: { type, study, nowMs: clock.now() }, reply };
        }
        case 'snapshot': {
          const { store } = answers.find(request.study);
          return {
            event: undefined,
            async reply() {
              const bytes = store.snapshot();
              return { type: 'snapshot', hash: await artifacts.put(bytes), bytes: bytes.length };
            },
          };
        }
        case 'list':
        case 'status':
        case 'tasks':
        case 'workers':
        case 'logs':
          return { event: undefined, reply: (now) => answers.answer(request, now) };
        default:
          return request satisfies never;
      }
    },
    isReading: ({ type }) => type !== 'submit' && type !== 'pause' && type !== 'resume' && type !== 'cancel' && type !== 'retry',
    blobsOf: (request) => (request.type === 'submit' ? [...new Set([...request.data, request.table])] : []),
  };
}

function requireAlive(state: State, study: string): void {
  if (state.studies.get(study)?.status !== 'cancelled') return;
  throw new NoisefoldError('STUDY_CANCELLED', `the study ${study} was cancelled`, {
    hint: 'What is done stays, to be fetched. Give a new one another name (study: in the configuration).',
  });
}
