/**
 * The process that owns the studies: messages -> events -> steps -> one transaction a study -> sends, once a turn of the event loop.
 *
 * A turn is a function of the state and of what waits (turn.ts); it counts when all of its rows are durable, and not at all when they are not. Several
 * stores cannot be committed as one: when a later one fails, an earlier one has rows of a turn that never was. Nobody was told of it, and the next turn
 * that changes the same tasks writes them again, so they are as harmless as those of a crash between commit and send.
 */
import { createCollector } from '../artifacts/collector.ts';
import { asNoisefoldError, NoisefoldError } from '../base/errors.ts';
import { recover } from '../scheduler/step.ts';
import type { Effect, Event, State } from '../scheduler/types.ts';
import {
  protocolVersion,
  type ClientAnswer,
  type FromCoordinator,
  type ToCoordinator,
  type WorkerMessage,
} from '../wire/messages.ts';
import { versionRefusal } from '../wire/versions.ts';
import { createAnswers, type KnownWorker } from './answers.ts';
import { watchedArtifacts } from './artifacts.ts';
import { createCheckpoints } from './checkpoints.ts';
import { createGarbage } from './garbage.ts';
import { createInbox, type Item } from './inbox.ts';
import { levelsOf } from './levels.ts';
import { createOutage } from './outage.ts';
import { createHealer } from './repair.ts';
import { createRequests } from './requests.ts';
import { createSender } from './send.ts';
import { openStudies } from './studies.ts';
import { stepInto, withoutStudy, type Stepped, type TurnChanges } from './turn.ts';
import type { Coordinator, CoordinatorOptions } from './types.ts';
import { createWaiters } from './waiters.ts';

/** Messages that may wait for the end of a turn, of all senders; and of one that wait for blobs. */
const capacity = 50_000;
const capacityOfPeer = 256;
const probeMs = 1_000;
const defaultGraceMs = 3_600_000;

interface Carried extends Stepped {
  readonly item: Item;
  readonly before: State;
  readonly reply: ((state: State) => ClientAnswer | Promise<ClientAnswer>) | undefined;
}

export function startCoordinator(options: CoordinatorOptions): Coordinator {
  const { transport, clock, log, metrics, timers, policy } = options;
  const startedMs = clock.now();
  const studies = openStudies(options.stores, log);
  let state = recover(studies.stored(), policy, startedMs, options.graceMs);
  const workers = new Map<string, KnownWorker>();
  let closed = false;

  const graceMs = options.garbage?.graceMs ?? defaultGraceMs;
  const collector = createCollector({ artifacts: options.artifacts, clock, graceMs });
  const artifacts = watchedArtifacts(collector.artifacts, log);
  const isReferred = (hash: string): boolean => garbage.isReferred(hash);
  const checkpoints = createCheckpoints({ collector, isReferred, log });
  const blobs = options.blobs({ artifacts, send: (peer, answer) => send(peer, answer) });
  const garbage = createGarbage({
    ...{ state: () => state, studies, collector, log },
    inFlight: () => blobs.inFlight(),
    isKept: (hash) => checkpoints.isKept(hash),
  });
  const sender = createSender({ state: () => state, studies, checkpoints, send, metrics, log });
  const outage = createOutage({ log, onChange: options.onDiskFull });
  const trouble = (): string | undefined =>
    outage.reason() ?? (artifacts.isFull() ? 'the disk of the artifacts is full' : undefined);
  const answers = createAnswers({
    studies,
    clock,
    startedMs,
    trouble,
    summaryOf: options.summaryOf,
    workerOf: (id) => workers.get(id),
  });
  const heal = createHealer({
    ...{ state: () => state, studies, artifacts, log },
    redo: (event) =>
      inbox.push({ type: 'event', event: { ...event, nowMs: clock.now() }, peer: undefined, arrivedMs: arrivedMs() }),
  });
  const requests = createRequests({ studies, answers, artifacts, clock, heal: (study) => void healInTime(true, study) });
  const waiters = createWaiters({ state: () => state, broken: studies.broken });

  function send(peer: string, message: FromCoordinator): void {
    if (closed) return;
    if (message.type === 'chunk') metrics?.blob('out', message.bytes.length);
    try {
      transport.send(peer, message);
    } catch (thrown) {
      const { code, message: error } = asNoisefoldError(thrown);
      log.log('error', 'a message could not be sent', { peer, type: message.type, error });
      // Whoever asked is told, instead of waiting.
      if (message.type === 'reply' && message.body.type !== 'error')
        send(peer, { ...message, body: { type: 'error', code, message: error, hint: undefined } });
    }
  }

  // ---- A turn

  /** Takes the items as one turn. False where the disk is full: then nothing has happened. */
  function perform(items: readonly Item[]): boolean {
    for (;;) {
      const changes: TurnChanges = new Map();
      const carried: Carried[] = [];
      let next = state;
      for (const item of items) {
        const one = carriedBy(changes, next, item);
        if (one === undefined) continue;
        carried.push(one);
        next = one.state;
      }
      const failure = commit(changes);
      if (failure === undefined) {
        adopt(next, carried);
        return true;
      }
      if (failure.error.code === 'DISK_FULL') {
        outage.begin(failure.error);
        return false;
      }
      studies.breakDown(failure.study, failure.error);
      state = withoutStudy(state, failure.study);
    }
  }

  /** Undefined where the item came to nothing, which its sender has been told. */
  function carriedBy(changes: TurnChanges, before: State, item: Item): Carried | undefined {
    try {
      const asked = item.type === 'request' ? requests.take(item.body, before) : { event: item.event, reply: undefined };
      const event = asked.event && ({ ...asked.event, nowMs: clock.now() } as Event);
      const stepped = event === undefined ? { state: before, effects: [] } : stepInto(changes, before, event);
      return { ...stepped, item, before, reply: asked.reply };
    } catch (thrown) {
      const error = asNoisefoldError(thrown);
      if (item.type === 'request') refuse(item, error);
      else log.log('error', 'an event could not be taken', { type: item.event.type, code: error.code, error: error.message });
      item.release?.();
      return undefined;
    }
  }

  function commit(changes: TurnChanges): { readonly study: string; readonly error: NoisefoldError } | undefined {
    const started = metrics?.now() ?? 0;
    let rows = 0;
    for (const [study, change] of changes)
      try {
        studies.open.get(study)?.store.commit(change);
        rows += change.tasks.length + (change.study === undefined ? 0 : 1);
      } catch (thrown) {
        return { study, error: asNoisefoldError(thrown) };
      }
    if (metrics !== undefined && rows > 0) metrics.committed(rows, (metrics.now() - started) / 1e3);
    return undefined;
  }

  function adopt(next: State, carried: readonly Carried[]): void {
    const changed = next !== state;
    state = next;
    const effects: Effect[] = [];
    for (const { item, before, effects: own, reply } of carried) {
      if (item.type === 'event' && item.event.type === 'hello' && item.peer !== undefined)
        send(item.peer, {
          ...{ type: 'welcome', heartbeatMs: options.heartbeatMs, leaseMs: policy.leaseMs },
          ...{ artifacts: options.artifactsAt, coordinator: options.identity },
        });
      for (const effect of own) {
        if (effect.type === 'persist') checkpoints.note(effect, before);
        if (effect.type === 'worker') noteReason(effect);
        sender.carryOut(effect, item.arrivedMs);
        effects.push(effect);
      }
      if (item.type === 'request' && reply !== undefined) answer(item, reply);
      item.release?.();
    }
    if (changed) options.onTurn?.(state, effects);
    waiters.look();
  }

  function endTurn(): void {
    if (closed) return;
    const items = inbox.take();
    if (!outage.isOn()) {
      if (!perform(items)) for (const item of items) alone(item);
      return;
    }
    for (const item of items) alone(item);
  }

  /** While the disk is full: what changes no row is done all the same (heartbeats renew leases), the rest waits. */
  function alone(item: Item): void {
    if (item.type === 'request' ? requests.isReading(item.body) : changesNoRow(item)) perform([item]);
    else if (item.type === 'event') outage.defer(item);
    else {
      refuse(item, outage.error() ?? new NoisefoldError('DISK_FULL', 'the disk of the coordinator is full'));
      item.release?.();
    }
  }

  function changesNoRow(item: Extract<Item, { type: 'event' }>): boolean {
    const changes: TurnChanges = new Map();
    return carriedBy(changes, state, item) !== undefined && changes.size === 0;
  }

  function probe(): void {
    if (!outage.isOn()) return;
    const waiting = outage.waiting();
    if (perform([...waiting, ticked()])) outage.end();
  }

  // ---- Clients

  function answer(item: Extract<Item, { type: 'request' }>, reply: NonNullable<Carried['reply']>): void {
    const { peer, request } = item;
    const fail = (thrown: unknown): void => refuse(item, asNoisefoldError(thrown));
    try {
      const body = reply(state);
      if (body instanceof Promise) body.then((late) => send(peer, { type: 'reply', request, body: late })).catch(fail);
      else send(peer, { type: 'reply', request, body });
    } catch (thrown) {
      fail(thrown);
    }
  }

  function refuse({ peer, request }: Extract<Item, { type: 'request' }>, { code, message, hint }: NoisefoldError): void {
    send(peer, { type: 'reply', request, body: { type: 'error', code, message, hint } });
  }

  // ---- Messages

  const inbox = createInbox({
    ...{ capacity, capacityOfPeer, hold: (hash) => collector.hold(hash), has: (hash) => artifacts.has(hash) },
    onFirst: () => timers.endOfTurn(endTurn),
    onMissing(item, hash) {
      log.log('warn', 'a blob that was named is not in the artifact store', { peer: item.peer, hash });
      if (item.type === 'request')
        refuse(item, new NoisefoldError('ARTIFACT_NOT_FOUND', `there is no artifact ${hash}`, { hint: 'Send it first.' }));
      // A result without its checkpoint is none: nobody's failure, but somebody has to do it again. Of an intermediate checkpoint the next one makes up for it.
      else if (item.event.type === 'done') {
        const { worker, study, task, attempt, nowMs } = item.event;
        inbox.push({ ...item, event: { type: 'returned', worker, study, task, attempt, nowMs } });
      }
    },
    onDropped: () => metrics?.dropped('full'),
  });

  const arrivedMs = (): number => metrics?.now() ?? 0;
  const ticked = (): Item => ({
    type: 'event',
    event: { type: 'tick', nowMs: clock.now() },
    peer: undefined,
    arrivedMs: arrivedMs(),
  });

  function onMessage(peer: string, message: ToCoordinator): void {
    const refusal = versionRefusal(message, options.version);
    if (refusal !== undefined) {
      log.log('warn', 'refused a peer of another protocol version', { peer, ours: protocolVersion });
      send(peer, refusal);
      return;
    }
    if (message.type === 'fetch') blobs.handle(peer, message);
    else if (message.type === 'put') {
      metrics?.blob('in', message.bytes.length);
      blobs.handle(peer, message);
    } else if (message.type === 'request') {
      const { request, body } = message;
      inbox.push({ type: 'request', peer, request, body, arrivedMs: arrivedMs() }, requests.blobsOf(body));
    } else fromWorker(peer, message);
  }

  function fromWorker(peer: string, message: WorkerMessage): void {
    const event = (rest: Event): void =>
      inbox.push({ type: 'event', event: rest, peer, arrivedMs: arrivedMs() }, blobsOf(message));
    const nowMs = clock.now();
    if (message.type === 'done') noteEngine(peer, message.result.engine);
    if (message.type !== 'hello') {
      event({ ...message, worker: peer, nowMs });
      return;
    }
    const { name, version, pid, capabilities, running } = message;
    workers.set(peer, { version, capabilities, reason: undefined });
    log.log('info', 'a worker says hello', { worker: name, version, pid, ...capabilities });
    event({ type: 'hello', worker: peer, name, running, nowMs });
  }

  /** What `auto` came to on this worker, or what the study asked for; inputs are scored without any. */
  function noteEngine(peer: string, engine: string): void {
    const known = workers.get(peer);
    if (known !== undefined && engine !== 'none' && known.capabilities.engine !== engine)
      workers.set(peer, { ...known, capabilities: { ...known.capabilities, engine } });
  }

  function noteReason({ worker, cause }: Extract<Effect, { type: 'worker' }>): void {
    const known = workers.get(worker.id);
    if (known !== undefined && worker.status === 'quarantined') workers.set(worker.id, { ...known, reason: cause });
    if (workers.size > 2 * state.workers.size + 100)
      for (const id of workers.keys()) if (!state.workers.has(id)) workers.delete(id);
  }

  /** Behind what has arrived, and at once. */
  function now(event: Event): void {
    const items = [...inbox.take(), { type: 'event', event, peer: undefined, arrivedMs: arrivedMs() } as const];
    if (outage.isOn()) for (const item of items) alone(item);
    else if (!perform(items)) for (const item of items) alone(item);
  }

  let tickedMs = startedMs;
  function passTime(): void {
    const before = tickedMs;
    tickedMs = clock.now();
    // This process, or its machine, stood still: heartbeats that came meanwhile are heard before any lease is ended.
    if (tickedMs - before < policy.leaseMs / 2) inbox.push(ticked());
  }

  async function healInTime(thorough = false, only?: string): Promise<void> {
    await heal(thorough, only).catch((thrown: unknown) => {
      log.log('warn', 'checkpoints of results could not be looked for', { error: asNoisefoldError(thrown).message });
    });
  }

  const timed = [
    timers.every(options.heartbeatMs, passTime),
    timers.every(probeMs, probe),
    ...(options.garbage === undefined
      ? []
      : [
          timers.every(options.garbage.everyMs, () => void collectInTime()),
          timers.every(options.garbage.everyMs, () => void healInTime()),
        ]),
  ];
  if (options.garbage !== undefined) void healInTime();

  async function collectGarbage(): Promise<number> {
    const count = await garbage.collect();
    metrics?.collected(count);
    return count;
  }

  /** What a store that does not answer keeps for now goes the next time. */
  const collectInTime = (): Promise<unknown> =>
    collectGarbage().catch((thrown: unknown) => {
      log.log('warn', 'blobs that nothing refers to could not be deleted', { error: asNoisefoldError(thrown).message });
    });

  metrics?.watch(() =>
    levelsOf(state, studies.broken.size, {
      queues: { ...inbox.lengths(), backlog: outage.length(), superseded: checkpoints.length() },
      full: { database: outage.isOn(), artifacts: artifacts.isFull() },
    }),
  );
  transport.listen(onMessage, (peer, reason) => {
    metrics?.dropped('malformed');
    log.log('warn', 'dropped a malformed message', { peer, reason });
  });

  return {
    state: () => state,
    broken: () => studies.broken,
    diskFull: () => outage.isOn(),
    retry: (study) => now({ type: 'retry', study, nowMs: clock.now() }),
    lost(name) {
      for (const { id, name: known } of [...state.workers.values()])
        if (known === name) now({ type: 'lost', worker: id, nowMs: clock.now() });
    },
    stop() {
      now({ type: 'stop', nowMs: clock.now() });
      // What workers hand back cannot be written; the rows say that it is leased, and a restart takes it from there.
      if (outage.isOn()) waiters.stopAnyway();
    },
    ended: (study) => waiters.ended(study),
    stopped: waiters.stopped,
    collectGarbage,
    async close() {
      closed = true;
      for (const end of timed) end();
      await blobs.close();
      studies.close();
    },
  };
}

/** The blobs that a message says to be in the artifact store. */
function blobsOf(message: WorkerMessage): readonly string[] {
  if (message.type === 'checkpointed') return [message.hash];
  return message.type === 'done' && message.result.checkpoint !== undefined ? [message.result.checkpoint] : [];
}
