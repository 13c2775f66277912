import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { rungEpochs } from '../../src/config/rungs.ts';
import { parseSweep } from '../../src/config/parse.ts';
import { nextRung, rungSize, rungsOf, taskId } from '../../src/plan/rungs.ts';
import type { Task } from '../../src/plan/types.ts';

describe('rungs', () => {
  it('are shares of the whole training, rounded, the last one all of it', () => {
    assert.deepEqual(rungEpochs(27, 3, 4), [1, 3, 9, 27]);
    assert.deepEqual(rungEpochs(20, 3, 3), [2, 7, 20]);
    assert.deepEqual(rungEpochs(2001, 3, 2), [667, 2001]);
    assert.deepEqual(rungEpochs(3, 4, 3), [1, 3]);
    assert.deepEqual(rungEpochs(1, 2, 2), [1]);
  });

  it('ascend from at least one epoch, as many as are asked for where there are epochs enough', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 2, max: 6 }),
        (epochs, factor, count) => {
          const rungs = rungEpochs(epochs, factor, count);
          assert.equal(rungs.at(-1), epochs);
          assert.ok((rungs[0] ?? 0) >= 1 && rungs.every((rung, i) => i === 0 || rung > (rungs[i - 1] ?? 0)));
          if (epochs >= factor ** (count - 1)) assert.equal(rungs.length, count);
        },
      ),
    );
  });

  it('have one trial in so many of those below, and at least one', () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((rung) => rungSize(20, 3, rung)),
      [20, 6, 2, 1],
    );
    assert.equal(rungSize(1, 4, 5), 1);
  });

  it('end with an epoch: each task goes on where the one before it ended, up to the whole training', () => {
    const rungs = { epochs: [2, 7, 20], factor: 3, mode: 'deterministic' } as const;
    const first: Task = { id: taskId('t', 3, 0, 2 * 140), trial: 't', fold: 3, rung: 0, fromStep: 0, toStep: 2 * 140 };
    const second = nextRung(first, rungs);
    assert.deepEqual(second, { id: 't/3/280-980', trial: 't', fold: 3, rung: 1, fromStep: 280, toStep: 980 });
    const third = nextRung(second, rungs);
    assert.equal(third?.toStep, 20 * 140);
    assert.equal(nextRung(third, rungs), undefined);
  });

  it('are those of the configuration, and none without its section', () => {
    const sweep = (search: string) =>
      parseSweep(`data: { train: a.csv, target: y }\nsearch: ${search}\ntraining: { epochs: 9 }\n`, 'f.yaml');
    assert.deepEqual(rungsOf(sweep('{ halving: {} }')), { epochs: [3, 9], factor: 3, mode: 'deterministic' });
    assert.deepEqual(rungsOf(sweep('{ halving: { factor: 2, rungs: 3, mode: eager } }')), {
      epochs: [2, 5, 9],
      factor: 2,
      mode: 'eager',
    });
    assert.equal(rungsOf(sweep('{ trials: 3 }')), undefined);
  });
});
