import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { faultKinds } from './faults.ts';
import { misplaced } from './mutations.ts';
import { simulate, type Outcome } from './simulation.ts';

/** The transcript's end, and how to see it again. */
const told = ({ seed, violation, transcript }: Outcome): string =>
  [`seed ${seed}: ${violation ?? 'well'}`, ...transcript.slice(-60), `npm run simulate -- --seed ${seed}`].join('\n');

describe('a cluster on which nothing goes wrong', () => {
  it('finishes every study with the expected results, each task in one attempt', async () => {
    const { violation, transcript } = await simulate(1, { record: true, faults: false });
    assert.equal(violation, undefined);
    assert.ok(!transcript.some((line) => line.includes('#2')), 'a second attempt');
  });
});

describe('a cluster on which things go wrong', () => {
  it('loses nothing, and ends with the bytes of an undisturbed run, whatever the seed', async () => {
    const seen = new Set<string>();
    for (let seed = 1; seed <= 200; seed++) {
      const outcome = await simulate(seed);
      for (const kind of outcome.faults) seen.add(kind);
      if (outcome.violation !== undefined) assert.fail(told(await simulate(seed, { record: true })));
    }
    assert.deepEqual([...seen].sort(), [...faultKinds].sort(), 'every kind of fault came up');
  });

  it('goes the same way for the same seed', async () => {
    for (const seed of [2, 8, 9]) {
      const [first, second] = [await simulate(seed, { record: true }), await simulate(seed, { record: true })];
      assert.deepEqual(first.transcript, second.transcript);
    }
  });
});

describe('the bugs to be planted', () => {
  it('have their place in the sources still', () => {
    assert.deepEqual(misplaced(), []);
  });
});
