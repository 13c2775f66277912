import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inOrder, parameters } from '../../src/config/parameters.ts';
import { parseSweep } from '../../src/config/parse.ts';

describe('the values of a trial', () => {
  it('stand in the order of the sections, whatever JSON made of them', () => {
    const config = parseSweep(
      [
        'data: { train: t.csv, target: { column: y } }',
        'noise: { swapProbability: { numerical: 0.1, categorical: 0.2, levels: { 2: 0.1, 10-20: 0.3 }, columns: { b: 0.1 } } }',
      ].join('\n'),
      'sweep.yaml',
    );
    const names = parameters({ noise: config.noise }).map(({ name }) => name);
    const sorted = Object.fromEntries([...names].sort().map((name) => [name, 1]));
    assert.notDeepEqual(Object.keys(sorted), names, 'the order of sorted keys is another');
    assert.deepEqual(Object.keys(inOrder({ 'training.epochs': 1, ...sorted, 'model.layers': 2 })), [
      ...names,
      'model.layers',
      'training.epochs',
    ]);
  });
});
