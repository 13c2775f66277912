import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { memoryArtifacts } from '../../src/artifacts/memory.ts';
import type { ArtifactStore } from '../../src/artifacts/store.ts';
import { finalWeights, type RecentWeights, withRecent } from '../../src/checkpoint/averaging.ts';
import { decodeCheckpoint } from '../../src/checkpoint/format.ts';
import type { TrialConfig } from '../../src/config/types.ts';
import { referenceLinearAlgebra } from '../../src/ridge/reference.ts';
import { runTask } from '../../src/train/task.ts';
import { fakeEngine, tickingClock, tinyConfig, tinyData, tinyState } from '../train/fixtures.ts';

const data = tinyData();
const stepsAnEpoch = 7;
const epochs = 4;

/** Trains the tiny task; resolves to its score and its last checkpoint. */
async function train(
  averageLast: number,
  toEpoch = epochs,
  resumed?: { readonly artifacts: ArtifactStore; readonly hash: string },
) {
  const artifacts = resumed?.artifacts ?? memoryArtifacts();
  const config: TrialConfig = { ...tinyConfig, training: { ...tinyConfig.training, averageLast } };
  const toStep = toEpoch * stepsAnEpoch;
  const outcome = await runTask(
    {
      task: { id: 't', trial: 't', fold: 'all', rung: 0, fromStep: 0, toStep },
      kind: 'trained',
      config,
      seed: 5,
      ridge: { alphas: [1], folds: { count: 3, kind: 'plain' }, learningCurve: { labels: [], draws: 1 } },
      data: data.hash,
      resumeFrom: resumed?.hash,
    },
    {
      data,
      engine: fakeEngine(),
      linearAlgebra: referenceLinearAlgebra,
      artifacts,
      clock: tickingClock(),
      signal: new AbortController().signal,
      onProgress: () => {},
      onCheckpoint: () => {},
    },
  );
  assert(!outcome.stopped);
  const hash = outcome.result.checkpoint ?? assert.fail('no checkpoint');
  return { artifacts, hash, score: outcome.result.score, checkpoint: decodeCheckpoint(await artifacts.get(hash)) };
}

describe('weight averaging', () => {
  it('keeps the last k, oldest first, and nothing for k = 1', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(9), (keep, epochsDone) => {
        const all = Array.from({ length: epochsDone }, (_, i) => Float32Array.of(i));
        const recent = all.reduce<RecentWeights>((kept, weights) => withRecent(kept, weights, keep), []);
        assert.deepEqual(recent, keep === 1 ? [] : all.slice(-keep));
      }),
    );
  });

  it('gives the mean of what is kept, and the last weights where nothing is', () => {
    const state = tinyState(2);
    assert.equal(finalWeights({ state, recent: [] }), state.weights);
    const recent = [Float32Array.of(1, 1e8), Float32Array.of(2, 1), Float32Array.of(6, -1e8)];
    assert.deepEqual(finalWeights({ state, recent }), Float32Array.of(3, 1 / 3));
  });

  it('of a training is over the ends of its last k epochs, and leaves the training itself as it is', async () => {
    const plain = await Promise.all(Array.from({ length: epochs }, (_, i) => train(1, i + 1)));
    for (const k of [2, 3, 9]) {
      const { checkpoint, score } = await train(k);
      const ends = plain.slice(-k).map((run) => run.checkpoint.state.weights);
      assert.deepEqual(checkpoint.recent, ends);
      assert.deepEqual(checkpoint.state, plain.at(-1)?.checkpoint.state);
      assert.deepEqual(checkpoint.history, plain.at(-1)?.checkpoint.history);
      assert.notDeepEqual(score, plain.at(-1)?.score);
    }
  });

  it('is the same where training goes on to more epochs than were planned', async () => {
    const short = await train(3, 2);
    const longer = await train(3, epochs, short);
    assert.equal(longer.hash, (await train(3)).hash);
  });
});
