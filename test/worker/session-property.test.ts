/** What holds for a worker's session in whatever order events come: late, twice, unasked for. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { CoordinatorMessage, Lease, WorkerMessage } from '../../src/wire/messages.ts';
import { newSession, stepSession } from '../../src/worker/session.ts';
import { entered, sessionPhases, sessionTransitions } from '../../src/worker/session-table.ts';
import type { Session, SessionEffect, SessionEvent } from '../../src/worker/session-types.ts';
import { crash, introduction, progress, resultOf, specOf } from './fixtures.ts';

const tasks = fc.constantFrom('a', 'b');
const hashes = fc.constantFrom('h1', 'h2', 'h3');
const attempts = fc.constantFrom(1, 2);
/** Of the current run, or of an earlier one: see `actual`. */
const run = fc.constantFrom(0, 0, -1);
/** `current` becomes the lease that the session holds: see `actual`. */
const lease = fc.record({ study: fc.constantFrom('s', 'current', 'current'), task: tasks, attempt: attempts });

const welcome: Extract<SessionEvent, { type: 'message' }> = {
  type: 'message',
  message: { type: 'welcome', heartbeatMs: 500, leaseMs: 5_000, artifacts: '/a', coordinator: 'c' },
};
const messages: fc.Arbitrary<CoordinatorMessage> = fc.oneof(
  fc.constant(welcome.message),
  fc
    .record({ task: tasks, attempt: attempts })
    .map(({ task, attempt }) => ({ type: 'assign', study: 's', attempt, spec: specOf(task) }) as const),
  fc.tuple(fc.constantFrom('acknowledge', 'cancel', 'yield'), lease).map(([type, of]) => ({ type, ...of })),
  fc.constantFrom({ type: 'probe' } as const, { type: 'introduce' } as const),
);
const ends = fc.oneof(
  fc.constant('stopped' as const),
  fc.constant({ failure: crash }),
  fc.option(hashes, { nil: undefined }).map((hash) => ({ result: resultOf(hash) })),
);
const events: fc.Arbitrary<SessionEvent> = fc.oneof(
  { weight: 5, arbitrary: messages.map((message) => ({ type: 'message', message }) as const) },
  { weight: 2, arbitrary: run.map((run) => ({ type: 'fetched', run }) as const) },
  fc.record({ type: fc.constant('progress' as const), run, progress: fc.constant(progress) }),
  { weight: 2, arbitrary: fc.record({ type: fc.constant('checkpointed' as const), run, hash: hashes, step: fc.nat(10) }) },
  { weight: 2, arbitrary: hashes.map((hash) => ({ type: 'uploaded', hash }) as const) },
  hashes.map((hash) => ({ type: 'notUploaded', hash, failure: crash }) as const),
  { weight: 2, arbitrary: fc.record({ type: fc.constant('ended' as const), run, how: ends }) },
  fc.record({ type: fc.constant('probed' as const), run, reason: fc.option(fc.constant('sick'), { nil: undefined }) }),
  fc.constantFrom({ type: 'start' } as const, { type: 'heartbeat' } as const, { type: 'deadline' } as const),
);
const departures: fc.Arbitrary<SessionEvent> = fc.constantFrom(
  { type: 'stop' } as const,
  { type: 'message', message: { type: 'drain' } } as const,
  { type: 'message', message: { type: 'refuse', code: 'WIRE_VERSION', reason: 'old' } } as const,
  { type: 'barred', code: 'WIRE_KEY', reason: 'wrong' } as const,
);
/** What the session waits for, which a random event seldom is: without it lives would not get far. */
const awaited = { type: 'awaited' } as const;
type Happening = SessionEvent | typeof awaited;
const happenings: fc.Arbitrary<Happening> = fc.oneof(
  { weight: 1, arbitrary: events },
  { weight: 1, arbitrary: fc.constant(awaited) },
);

/** Mostly a life without an end, sometimes with the wish to leave somewhere in it. */
const lives: fc.Arbitrary<readonly Happening[]> = fc
  .tuple(fc.array(happenings, { maxLength: 40 }), fc.option(departures), fc.array(happenings, { maxLength: 20 }))
  .map(([before, leave, after]) => [...before, ...(leave === null ? [] : [leave]), ...after]);

const keyOf = ({ study, task, attempt }: Lease): string => `${study}/${task}/${attempt}`;
const isOutcome = (message: WorkerMessage): message is Extract<WorkerMessage, { type: 'done' | 'failed' | 'returned' }> =>
  message.type === 'done' || message.type === 'failed' || message.type === 'returned';

/** The event that a happening is for this session. */
function actual(session: Session, happening: Happening): SessionEvent {
  if (happening.type === 'awaited') return answer(session) ?? { type: 'heartbeat' };
  if (happening.type === 'message' && 'study' in happening.message && happening.message.study === 'current')
    return { type: 'message', message: { ...happening.message, ...session.task?.lease } };
  return 'run' in happening ? { ...happening, run: session.run + happening.run } : happening;
}

/** Lives through events and checks every step. */
function live(all: readonly Happening[]): { session: Session; next: (event: SessionEvent) => readonly SessionEffect[] } {
  const at = { session: newSession(introduction), next };
  const processes = new Set<number>();
  const stored = new Set<string>();
  const assigned = new Set<string>();
  const owed = new Map<string, WorkerMessage>();
  let exits = 0;

  function next(event: SessionEvent): readonly SessionEffect[] {
    if (event.type === 'ended' || event.type === 'probed') processes.delete(event.run);
    if (event.type === 'uploaded') stored.add(event.hash);
    const message = event.type === 'message' ? event.message : undefined;
    if (message?.type === 'assign') assigned.add(keyOf({ study: 's', task: message.spec.task.id, attempt: message.attempt }));
    if (message?.type === 'acknowledge') owed.delete(keyOf(message));
    const { session, effects } = stepSession(at.session, event);
    at.session = session;
    if (exits > 0) assert.deepEqual(effects, [], 'nothing is done after the end');
    for (const effect of effects) check(effect);
    if (event.type === 'heartbeat' && session.phase !== 'joining' && session.phase !== 'ended')
      for (const outcome of owed.values())
        assert.ok(
          effects.some((effect) => effect.type === 'send' && effect.message === outcome),
          'an outcome is repeated until it is acknowledged',
        );
    return effects;
  }

  function check(effect: SessionEffect): void {
    if (effect.type === 'exit') exits++;
    if (effect.type === 'run' || effect.type === 'probe') {
      assert.deepEqual([...processes], [], 'one process at a time');
      processes.add(effect.run);
    }
    if (effect.type !== 'send') return;
    const { message } = effect;
    if (message.type === 'checkpointed') assert.ok(stored.has(message.hash), 'a checkpoint is stored before it is said');
    if (message.type === 'done' && message.result.checkpoint !== undefined)
      assert.ok(stored.has(message.result.checkpoint), 'nothing is said done before its blob is stored');
    if (!isOutcome(message)) return;
    assert.ok(assigned.has(keyOf(message)), 'nothing is said of a task that nobody assigned');
    owed.set(keyOf(message), message);
  }

  for (const happening of all) next(actual(at.session, happening));
  return at;
}

/** What the world owes a session in its phase: the answer that moves it on. */
function answer({ phase, run, task, outcomes }: Session): SessionEvent | undefined {
  const [outcome] = outcomes;
  if (phase === 'joining') return welcome;
  if (phase === 'fetching') return { type: 'fetched', run };
  if (phase === 'probing') return { type: 'probed', run, reason: undefined };
  if (phase === 'running' || phase === 'interrupted' || phase === 'cancelled') return { type: 'ended', run, how: 'stopped' };
  if (task?.uploading !== undefined) return { type: 'uploaded', hash: task.uploading.hash };
  if (outcome === undefined || phase === 'ended') return undefined;
  return {
    type: 'message',
    message: { type: 'acknowledge', study: outcome.study, task: outcome.task, attempt: outcome.attempt },
  };
}

describe('a worker’s session, whatever comes,', () => {
  it('runs one process at a time, says nothing before it is stored, and repeats what is not acknowledged', () => {
    fc.assert(
      fc.property(lives, (life) => void live(life)),
      { numRuns: 2_000 },
    );
  });

  it('is idle, or gone, once everything that it waits for has come', () => {
    fc.assert(
      fc.property(lives, (life) => {
        const at = live(life);
        for (let event = answer(at.session), n = 0; event !== undefined; event = answer(at.session), n++) {
          assert.ok(n < 50, `stuck: ${JSON.stringify(at.session)}`);
          at.next(event);
        }
        assert.ok(['idle', 'ended'].includes(at.session.phase), at.session.phase);
        if (at.session.leaving !== undefined) assert.equal(at.session.phase, 'ended');
      }),
      { numRuns: 1_000 },
    );
  });

  it('ends after a stop, by the deadline at the latest, with one exit', () => {
    fc.assert(
      fc.property(lives, fc.array(happenings, { maxLength: 10 }), (life, late) => {
        const at = live(life);
        const effects = [
          ...at.next({ type: 'stop' }),
          ...late.flatMap((event) => at.next(actual(at.session, event))),
          ...at.next({ type: 'deadline' }),
        ];
        const exits = effects.filter(({ type }) => type === 'exit');
        assert.equal(at.session.phase, 'ended');
        assert.ok(exits.length <= 1);
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the table of a session', () => {
  it('is the one in docs/architecture.md', () => {
    const page = readFileSync('docs/architecture.md', 'utf8');
    const start = page.indexOf(`### A worker's session`);
    const section = page.slice(start, page.indexOf('\n##', start));
    const rows = [...section.matchAll(/^\| ([a-z]+) \| ([a-z, ]+) \|/gm)].slice(1);
    const drawn = Object.fromEntries(rows.map(([, from = '', to = '']) => [from, to.split(', ').toSorted()]));
    const table = Object.entries(sessionTransitions).filter(([, to]) => to.length > 0);
    assert.deepEqual(drawn, Object.fromEntries(table.map(([from, to]) => [from, to.toSorted()])));
  });

  it('is used: every way in it is gone in some life', () => {
    const gone = new Set<string>();
    fc.assert(
      fc.property(lives, (life) => {
        let session = newSession(introduction);
        for (const happening of life) {
          const from = session.phase;
          ({ session } = stepSession(session, actual(session, happening)));
          if (session.phase !== from) gone.add(`${from} -> ${session.phase}`);
        }
      }),
      { numRuns: 10_000, seed: 1 },
    );
    // Steps may go two ways at once: what is never the end of a step is in between.
    const possible = new Set(
      Object.entries(sessionTransitions).flatMap(([from, to]) => to.map((phase) => `${from} -> ${phase}`)),
    );
    assert.deepEqual(
      [...possible].filter((way) => !gone.has(way)),
      [],
    );
  });

  it('refuses what it does not list', () => {
    for (const from of sessionPhases)
      for (const to of sessionPhases)
        if (!sessionTransitions[from].includes(to))
          assert.throws(() => entered({ phase: from }, to), new RegExp(`${from} to ${to}`));
  });
});
