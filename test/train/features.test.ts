import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type FeatureBlock, streamFeatures, type FeatureOptions, streamInputs } from '../../src/train/features.ts';
import { networkOf } from '../../src/train/network.ts';
import { fakeEngine, tinyConfig, tinyData, tinyState } from './fixtures.ts';

const { weights } = tinyState();

/** All blocks as one matrix, after checking that they join up. */
async function collect(
  blocks: AsyncIterable<FeatureBlock> | Iterable<FeatureBlock>,
): Promise<{ width: number; values: number[] }> {
  const values: number[] = [];
  let width = 0;
  let next = 0;
  for await (const block of blocks) {
    assert.equal(block.start, next);
    assert.equal(block.features.length, block.rows * block.width);
    width = block.width;
    next += block.rows;
    values.push(...block.features);
  }
  return { width, values };
}

const options = (rows: number, changes: Partial<FeatureOptions> = {}): FeatureOptions => {
  const { layout, inputs } = tinyData(rows);
  return {
    engine: fakeEngine(),
    network: networkOf(layout, tinyConfig),
    weights,
    layers: [0, 1],
    inputs,
    withInputs: false,
    ...changes,
  };
};

describe('a stream of features', () => {
  it('has the same rows whatever the batch size, the last batch being partial or not', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 50 }),
        fc.boolean(),
        async (rows, batchSize, withInputs) => {
          const one = await collect(streamFeatures(options(rows, { withInputs, batchSize: 1 })));
          assert.deepEqual(await collect(streamFeatures(options(rows, { withInputs, batchSize }))), one);
          assert.equal(one.values.length, rows * one.width);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('puts the inputs after the activations when they are to join them', async () => {
    const { inputs } = tinyData(11);
    const without = await collect(streamFeatures(options(11)));
    const joined = await collect(streamFeatures(options(11, { withInputs: true, batchSize: 4 })));
    assert.deepEqual([without.width, joined.width], [8, 13]);
    for (let i = 0; i < 11; i++)
      assert.deepEqual(joined.values.slice(i * 13, (i + 1) * 13), [
        ...without.values.slice(i * 8, (i + 1) * 8),
        ...inputs.data.subarray(i * 5, (i + 1) * 5),
      ]);
  });

  it('releases the session at the end and when it is left early', async () => {
    const engine = fakeEngine();
    await collect(streamFeatures(options(20, { engine, batchSize: 4 })));
    assert.equal(engine.open.features, 0);
    for await (const block of streamFeatures(options(20, { engine, batchSize: 4 }))) if (block.start === 4) break;
    assert.equal(engine.open.features, 0);
  });

  it('of the raw baseline is the inputs', async () => {
    const { inputs } = tinyData(21);
    assert.deepEqual(await collect(streamInputs(inputs, 8)), { width: 5, values: [...inputs.data] });
  });
});
