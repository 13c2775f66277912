import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { referenceLinearAlgebra } from '../../src/ridge/reference.ts';
import { streamInputs } from '../../src/train/features.ts';
import { scoreFeatures } from '../../src/train/score.ts';
import { tinyData } from './fixtures.ts';

describe('scoring features', () => {
  it('says how far it is: forward with every block and every part of the path, and done at the end', async () => {
    const data = tinyData();
    const said: [done: number, toDo: number][] = [];
    const alphas = [0.1, 1, 10];
    await scoreFeatures({
      stream: (inputs) => streamInputs(inputs, 10),
      width: data.inputs.cols,
      data,
      alphas,
      linearAlgebra: referenceLinearAlgebra,
      between: (done, toDo) => Promise.resolve(void said.push([done, toDo])),
    });
    const shares = said.map(([done, toDo]) => done / toDo);
    assert.deepEqual(
      shares,
      [...new Set(shares)].sort((a, b) => a - b),
    );
    assert.equal(shares.at(-1), 1);
    assert.ok(said.length > data.foldCount * alphas.length);
  });
});
