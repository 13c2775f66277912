import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Rungs } from '../../src/plan/rungs.ts';
import { newTaskState, recover, step } from '../../src/scheduler/step.ts';
import type { Effect, Event, State, StudyStatus, TaskState } from '../../src/scheduler/types.ts';
import { checkedStep, folds, policy, progressAt, resultWith, stateOf, taskNamed } from './fixtures.ts';

const studies = {
  s: [taskNamed('a'), ...folds('b', 3), taskNamed('c')],
  t: folds('d', 2),
  h: [...folds('d', 2), taskNamed('a'), taskNamed('c')],
};
const rungs: Readonly<Record<string, Rungs>> = { h: { epochs: [1, 2, 4], factor: 2, mode: 'eager' } };
const added = [taskNamed('e'), ...folds('f', 2)];

type Untimed<T> = T extends unknown ? Omit<T, 'nowMs'> : never;

/** Plausible more often than not: few names, small attempts, so that most messages find their mark. */
function anyEvent(): fc.Arbitrary<Untimed<Event>> {
  const worker = fc.constantFrom('p1', 'p2', 'p3', 'p4');
  const study = fc.constantFrom('s', 's', 't', 'h', 'u');
  const ref = {
    study,
    task: fc.constantFrom('a', 'b/0', 'b/1', 'b/2', 'c', 'd/0', 'd/1', 'e', 'f/0'),
    attempt: fc.integer({ min: 0, max: 4 }),
  };
  const hash = fc.constantFrom('h1', 'h2');
  const failure = fc.record({
    code: fc.constantFrom('TASK_CRASHED', 'TASK_CRASHED', 'DISK_FULL', 'TRAIN_DIVERGED'),
    message: fc.constant('m'),
    retryable: fc.boolean(),
  });
  const is = <T extends string>(...types: T[]): fc.Arbitrary<T> => fc.constantFrom(...types);
  return fc.oneof(
    // Two peers of one name: a worker that came back over a new connection.
    fc.record({
      type: is('hello'),
      worker,
      name: fc.constantFrom('w1', 'w2', 'w3'),
      running: fc.option(fc.record(ref), { nil: undefined }),
    }),
    fc.record({
      type: is('heartbeat'),
      worker,
      running: fc.option(fc.record({ ...ref, progress: fc.nat(3).map(progressAt) }), { nil: undefined }),
    }),
    fc.record({ type: is('checkpointed'), worker, ...ref, hash, step: fc.nat(9) }),
    fc.record({ type: is('done'), worker, ...ref, result: hash.map(resultWith) }),
    fc.record({ type: is('failed'), worker, ...ref, failure }),
    fc.record({ type: is('returned'), worker, ...ref }),
    fc.record({ type: is('probed'), worker, reason: fc.option(fc.constant('sick'), { nil: undefined }) }),
    fc.record({ type: is('goodbye', 'lost'), worker }),
    fc.record({ type: is('submit'), study, tasks: fc.constant(added.map(newTaskState)) }),
    fc.record({ type: is('pause', 'resume', 'cancel', 'retry', 'resume', 'retry'), study }),
    fc.record({ type: is('redo'), study, tasks: fc.array(fc.record({ task: ref.task, hash }), { minLength: 1, maxLength: 2 }) }),
    fc.record({ type: is('tick') }),
    fc.record({ type: is('tick') }),
  );
}

/** Events that aim at what is held now: the first number picks the task, so that scripts get somewhere. */
function aimed(state: State, event: Untimed<Event>, pick: number): Untimed<Event> {
  const held = [...state.studies.values()].flatMap(({ name, tasks }) => tasks.held().map((task) => ({ name, task })));
  const target = held[pick % Math.max(1, held.length)];
  if (target === undefined || pick % 3 === 0) return event;
  const { task, name: study } = target;
  const ref = { study, task: task.task.id, attempt: task.attempt };
  const worker = task.worker ?? 'p1';
  if (event.type === 'heartbeat') return { ...event, worker, running: { ...ref, progress: progressAt(pick % 4) } };
  return 'attempt' in event ? { ...event, ...ref, worker } : event;
}

const script = fc.array(fc.tuple(anyEvent(), fc.nat(40), fc.nat(30)), { maxLength: 80, size: 'max' });

/** The rows of a store: what the effects wrote, without what is not kept. */
function rowsOf(state: State): Map<string, { status: StudyStatus; tasks: Map<string, TaskState> }> {
  return new Map(
    [...state.studies.values()].map(({ name, status, tasks }) => [
      name,
      { status, tasks: new Map([...tasks].map(([id, task]) => [id, kept(task)])) },
    ]),
  );
}
const kept = (task: TaskState): TaskState => ({
  ...task,
  worker: undefined,
  leaseUntil: undefined,
  progress: undefined,
  progressedAt: undefined,
});

function write(rows: ReturnType<typeof rowsOf>, event: Event, effects: readonly Effect[]): void {
  if (event.type === 'submit') {
    const study = rows.get(event.study) ?? { status: 'running', tasks: new Map<string, TaskState>() };
    for (const task of event.tasks) if (!study.tasks.has(task.task.id)) study.tasks.set(task.task.id, kept(task));
    rows.set(event.study, study);
  }
  for (const effect of effects) {
    if (effect.type === 'add') rows.get(effect.study)?.tasks.set(effect.task.task.id, kept(effect.task));
    if (effect.type === 'persist') {
      const study = rows.get(effect.study);
      assert.equal(study?.tasks.get(effect.task.task.id)?.status, effect.from, 'an effect says where its task came from');
      study.tasks.set(effect.task.task.id, kept(effect.task));
    }
    if (effect.type === 'persistStudy') {
      const study = rows.get(effect.study);
      assert.ok(study !== undefined);
      assert.equal(study.status, effect.from);
      study.status = effect.status;
    }
  }
}

/** What a restart can know. */
const durable = (state: State): unknown =>
  [...state.studies.values()].map(({ name, status, tasks }) => ({ name, status, tasks: [...tasks.values()].map(kept) }));

describe('whatever comes in whatever order, the scheduler', () => {
  it('keeps its invariants, moves legally, never loses a result, persists what changed, and leaves old states as they were', () => {
    fc.assert(
      fc.property(script, (events) => {
        let state = stateOf(studies, {}, rungs);
        let nowMs = 0;
        const old: { state: State; as: string }[] = [];
        const results = new Map<string, unknown>();
        for (const [event, wait, pick] of events) {
          nowMs += wait;
          old.push({ state, as: JSON.stringify(durable(state)) });
          const now = { ...aimed(state, event, pick), nowMs } as Event;
          const next = checkedStep(state, now);
          for (const { name, tasks } of next.state.studies.values())
            for (const [id, task] of tasks) {
              const key = `${name}/${id}`;
              // Its checkpoint is lost: the one way to lose a result.
              if (
                now.type === 'redo' &&
                now.study === name &&
                now.tasks.some((lost) => lost.task === id) &&
                task.result === undefined
              )
                results.delete(key);
              if (results.has(key)) assert.equal(task.result, results.get(key), 'a result, once committed, stays');
              if (task.result !== undefined) results.set(key, task.result);
            }
          state = next.state;
        }
        for (const { state: before, as } of old) assert.equal(JSON.stringify(durable(before)), as);
      }),
      { numRuns: 120 },
    );
  });

  it('can be stopped anywhere: rows written from its effects give the same studies again', () => {
    fc.assert(
      fc.property(script, (events) => {
        let state = stateOf(studies, {}, rungs);
        const rows = rowsOf(state);
        let nowMs = 0;
        for (const [event, wait, pick] of events) {
          nowMs += wait;
          const now = { ...aimed(state, event, pick), nowMs } as Event;
          const next = step(state, now);
          write(rows, now, next.effects);
          state = next.state;
          const stored = [...rows].map(([name, { status, tasks }]) => ({
            name,
            status,
            tasks: [...tasks.values()],
            rungs: rungs[name],
          }));
          assert.deepEqual(durable(recover(stored, policy, nowMs, 1)), durable(state));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('does the same for the same events', () => {
    fc.assert(
      fc.property(script, (events) => {
        const play = (): string => {
          let state = stateOf(studies, {}, rungs);
          const effects: Effect[] = [];
          events.forEach(([event, , pick], i) => {
            const next = step(state, { ...aimed(state, event, pick), nowMs: i * 20 });
            state = next.state;
            effects.push(...next.effects);
          });
          return JSON.stringify(effects);
        };
        assert.equal(play(), play());
      }),
      { numRuns: 20 },
    );
  });

  it('finishes everything that is not cancelled, once things are quiet, with one healthy worker', () => {
    fc.assert(
      fc.property(script, (events) => {
        let state = stateOf(studies, { whenDone: 'wait' }, rungs);
        let nowMs = 0;
        for (const [event, wait, pick] of events) {
          nowMs += wait;
          state = step(state, { ...aimed(state, event, pick), nowMs }).state;
        }
        const feed = (event: Untimed<Event>): readonly Effect[] => {
          const next = checkedStep(state, { ...event, nowMs });
          state = next.state;
          return next.effects;
        };
        for (const study of state.studies.keys()) feed({ type: 'resume', study });
        // Whoever was there is silent from now on, but for one, whose canaries and tasks go well.
        feed({ type: 'hello', worker: 'well', name: 'w1', running: undefined });
        for (let turns = 0; turns < 600; turns++) {
          // Once so far ahead that the rest of one whose disk was full is over.
          nowMs += turns === 300 ? 30_000 : 50;
          const effects = [...feed({ type: 'heartbeat', worker: 'well', running: undefined }), ...feed({ type: 'tick' })];
          for (let i = 0; i < effects.length; i++) {
            const effect = effects[i];
            if (effect?.type === 'probe') effects.push(...feed({ type: 'probed', worker: 'well', reason: undefined }));
            if (effect?.type !== 'assign' || effect.worker !== 'well') continue;
            const { study, task, attempt } = effect;
            effects.push(...feed({ type: 'done', worker: 'well', study, task, attempt, result: resultWith('h') }));
          }
        }
        for (const { status, tasks } of state.studies.values())
          assert.ok(
            status === 'finished' || status === 'cancelled',
            `${status} ${JSON.stringify([...tasks.values()].map((task) => [task.task.id, task.status, task.worker]))}`,
          );
      }),
      { numRuns: 60 },
    );
  });
});
