import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import { networkOf } from '../../src/train/network.ts';
import { type Snapshot, snapshotOf, train, type TrainOptions } from '../../src/train/loop.ts';
import type { TaskProgress } from '../../src/train/types.ts';
import { fakeEngine, tickingClock, tinyConfig, tinyData, tinyState } from './fixtures.ts';

const data = tinyData();
/** 60 rows in batches of 8. */
const perEpoch = 7;
const lastStep = 4 * perEpoch;

const run = (changes: Partial<TrainOptions> = {}): ReturnType<typeof train> =>
  train({
    data,
    network: networkOf(data.layout, tinyConfig),
    config: tinyConfig,
    seed: 5,
    engine: fakeEngine(),
    from: snapshotOf(tinyState()),
    toStep: lastStep,
    signal: new AbortController().signal,
    clock: tickingClock(),
    onProgress: () => {},
    save: () => Promise.resolve(),
    ...changes,
  });

/** What a checkpoint's manifest does to the numbers. */
const throughJson = ({ state, recent, history, partial }: Snapshot): Snapshot => ({
  state,
  recent,
  ...(JSON.parse(JSON.stringify({ history, partial })) as Pick<Snapshot, 'history' | 'partial'>),
});

/** Runs until so many steps are done, then aborts. */
const runUntil = async (stopAt: number, from: Snapshot): ReturnType<typeof train> => {
  const controller = new AbortController();
  const engine = fakeEngine({ beforeStep: (step) => step === stopAt && controller.abort() });
  return run({ from, engine, signal: controller.signal });
};

describe('training', () => {
  it('does the steps asked for, with a history row an epoch', async () => {
    const { state, history, partial, stopped } = await run();
    assert.equal(stopped, false);
    assert.equal(state.step, lastStep);
    assert.deepEqual(
      history.map(({ epoch, step, learningRate }) => [epoch, step, learningRate]),
      [0, 1, 2, 3].map((epoch) => [
        epoch,
        (epoch + 1) * perEpoch,
        [0.01, 0.01 * 0.9, 0.01 * 0.9 * 0.9, 0.01 * 0.9 * 0.9 * 0.9][epoch],
      ]),
    );
    assert.deepEqual(partial, { loss: 0, changed: 0 });
    assert(history.every(({ loss, corruption }) => loss > 0 && corruption > 0.1 && corruption < 0.5));
    assert(state.weights.every(Number.isFinite));
  });

  it('ends in the same weights, moments and history however often and wherever it was stopped', async () => {
    const straight = await run();
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.integer({ min: 1, max: lastStep }), { maxLength: 5 }), async (stops) => {
        let snapshot: Snapshot = snapshotOf(tinyState());
        for (const stop of stops.sort((a, b) => a - b)) {
          const part = await runUntil(stop, snapshot);
          assert.equal(part.stopped, stop < lastStep);
          assert.equal(part.state.step, stop);
          snapshot = throughJson(part);
        }
        assert.deepEqual(await run({ from: snapshot }), straight);
      }),
      { numRuns: 25 },
    );
  });

  it('goes on from a rung as if there had been none, also in the middle of an epoch', async () => {
    const straight = await run();
    for (const rung of [1, perEpoch, perEpoch + 3, lastStep - 1])
      assert.deepEqual(await run({ from: await run({ toStep: rung }) }), straight);
  });

  it('saves every so many epochs and at the end', async () => {
    const saved: number[] = [];
    const save = ({ state }: Snapshot): Promise<void> => Promise.resolve(void saved.push(state.step));
    await run({ save });
    assert.deepEqual(saved, [2 * perEpoch, 4 * perEpoch]);
    saved.length = 0;
    await run({ save, toStep: 2 * perEpoch + 1 });
    assert.deepEqual(saved, [2 * perEpoch, 2 * perEpoch + 1]);
  });

  it('saves what a resumed run needs when it is stopped, and every saved snapshot leads to the same end', async () => {
    const saved: Snapshot[] = [];
    const straight = await run({ save: (snapshot) => Promise.resolve(void saved.push(snapshot)) });
    assert.equal(saved.length, 2);
    for (const from of saved) assert.deepEqual(await run({ from }), straight);
    const stopped = await runUntil(9, snapshotOf(tinyState()));
    assert.equal(stopped.stopped, true);
    assert.equal(stopped.partial.loss > 0, true);
  });

  it('does no step when it is stopped before it starts', async () => {
    const { state, stopped } = await run({ signal: AbortSignal.abort() });
    assert.deepEqual([state.step, stopped], [0, true]);
  });

  it('lets timers and messages through while it runs', async () => {
    const controller = new AbortController();
    setImmediate(() => controller.abort());
    assert.equal((await run({ signal: controller.signal })).stopped, true);
  });

  it('reports where it is at most five times a second', async () => {
    const reports: TaskProgress[] = [];
    await run({ clock: tickingClock(30), onProgress: (progress) => reports.push(progress) });
    assert(reports.length >= 3 && reports.length < lastStep, String(reports.length));
    const last = reports.at(-1);
    assert(last);
    assert.deepEqual([last.phase, last.toStep, last.epochs], ['training', lastStep, 4]);
    assert(last.rowsPerSecond > 0 && last.secondsLeft !== undefined && last.secondsLeft >= 0);
  });

  it('releases the session, also when a step fails', async () => {
    const engine = fakeEngine();
    await run({ engine });
    assert.equal(engine.open.training, 0);
    const failing = fakeEngine({
      beforeStep: () => {
        throw new NoisefoldError('ENGINE_FAILED', 'out of memory');
      },
    });
    await assert.rejects(run({ engine: failing }), { code: 'ENGINE_FAILED' });
    assert.equal(failing.open.training, 0);
  });
});

describe('divergence', () => {
  const failsAt = (step: number, loss: number, what: RegExp): Promise<void> =>
    assert.rejects(
      run({ engine: fakeEngine({ loss: (at, value) => (at === step ? loss : value) }) }),
      (thrown) =>
        thrown instanceof NoisefoldError &&
        thrown.code === 'TRAIN_DIVERGED' &&
        thrown.where === `step ${step}` &&
        what.test(thrown.message) &&
        thrown.hint !== undefined,
    );

  it('is a loss that is not finite, at whichever step', async () => {
    await failsAt(1, NaN, /NaN at step 1 \(epoch 1, learning rate 0.0100\)/);
    await failsAt(perEpoch + 1, Infinity, /Infinity at step 8 \(epoch 2, learning rate 0.00900\)/);
  });

  it('is a loss far above that of the first epoch', async () => {
    await failsAt(3, 1e6, /rose/);
    await failsAt(lastStep, 1e6, /rose/);
  });

  it('is a weight that is not finite, which no checkpoint then holds', async () => {
    let saved = 0;
    await assert.rejects(
      run({
        toStep: 1,
        engine: fakeEngine({ poison: NaN, loss: () => 1 }),
        save: () => {
          saved++;
          return Promise.resolve();
        },
      }),
      { code: 'TRAIN_DIVERGED' },
    );
    assert.equal(saved, 0);
  });

  it('is not a loss that wanders', async () => {
    const engine = fakeEngine({ loss: (step, value) => value * (step % 5 === 0 ? 100 : 1) });
    assert.equal((await run({ engine })).stopped, false);
  });
});
