import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Matrix32 } from '../../src/base/matrix.ts';
import { initialState } from '../../src/model/parameters.ts';
import { combinedAlpha, type FeatureSource, featuresOf, type Member, widthOf } from '../../src/train/ensemble.ts';
import { networkOf } from '../../src/train/network.ts';
import { fakeEngine, tinyConfig, tinyData } from './fixtures.ts';

const data = tinyData(150);
const network = networkOf(data.layout, tinyConfig);
const member = (seed: number): Member => ({ network, weights: initialState(network, seed).weights });

const source = (combine: FeatureSource['combine'], members: readonly Member[], engine = fakeEngine()): FeatureSource => ({
  engine,
  features: { layers: 'all', inputs: false },
  combine,
  members,
});

async function all(from: FeatureSource, inputs: readonly Matrix32[]): Promise<number[][]> {
  const found: number[][] = [];
  for await (const { rows, width, features } of featuresOf(from, inputs))
    for (let row = 0; row < rows; row++) found.push([...features.subarray(row * width, (row + 1) * width)]);
  return found;
}

describe('the features of several networks', () => {
  it('stand side by side in the order of the folds, or are averaged, each network reading its own encoding', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(99), { minLength: 1, maxLength: 4 }), async (seeds) => {
        const members = seeds.map(member);
        const inputs = seeds.map((seed) => ({ ...data.inputs, data: data.inputs.data.map((value) => value + seed) }));
        const each = await Promise.all(members.map((own, i) => all(source('concatenate', [own]), inputs.slice(i, i + 1))));
        const side = await all(source('concatenate', members), inputs);
        assert.deepEqual(
          side,
          side.map((_, row) => each.flatMap((features) => features[row] ?? [])),
        );
        const mean = await all(source('average', members), inputs);
        mean.forEach((features, row) =>
          features.forEach((value, f) => {
            const expected = each.reduce((sum, own) => sum + (own[row]?.[f] ?? NaN), 0) / members.length;
            assert.equal(value, Math.fround(expected));
          }),
        );
      }),
      { numRuns: 10 },
    );
  });

  it('are let go of when the stream is left early', async () => {
    const engine = fakeEngine();
    for await (const block of featuresOf(source('average', [member(1), member(2)], engine), [data.inputs, data.inputs])) {
      assert.equal(block.start, 0);
      break;
    }
    assert.equal(engine.open.features, 0);
  });

  it('are not averaged where they differ in width: encoded inputs that a fold lacks', () => {
    const narrow = { ...member(1), network: { ...network, binary: 2 } };
    const withInputs = { ...source('average', [member(1), narrow]), features: { layers: 'all', inputs: true } } as const;
    assert.throws(() => widthOf(withInputs), { code: 'MODEL_SHAPE', where: 'features.folds' });
    assert.equal(widthOf({ ...withInputs, combine: 'concatenate' }), 8 + 5 + 8 + 4);
    assert.equal(widthOf({ ...withInputs, features: { layers: 'all', inputs: false } }), 8);
  });

  it('side by side take k times the penalty, since k like feature sets have k times the inner products', () => {
    const two = [member(1), member(2)];
    assert.deepEqual([combinedAlpha(10, source('concatenate', two)), combinedAlpha(10, source('average', two))], [20, 10]);
  });
});
