import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stream } from '../../src/base/rng.ts';
import { layoutOf } from '../../src/dataset/encode.ts';
import { generateTps, tpsLevels, tpsNoiseDeviation, tpsRow, tpsSignal, tpsSignalDeviation } from '../../src/dataset/generate.ts';
import { prepareData } from '../../src/dataset/prepare.ts';
import { csv, dataConfig } from './tables.ts';

async function textOf(chunks: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += chunk;
  return text;
}

describe('a generated table', () => {
  it('has the shape of the competition: 56 one-hot and 14 numerical inputs, ids that go on in the test file', async () => {
    const { train, test } = generateTps(4000, 1000, 1);
    const tables = { train: csv(await textOf(train)), test: csv(await textOf(test)) };
    const config = dataConfig({ id: 'id', target: { column: 'target', task: 'regression', transform: 'none' } });
    const { preprocessor, data, ids, warnings } = prepareData(tables, {
      data: config,
      folds: { count: 5, kind: 'plain' },
      seed: 1,
    });
    const { binary, numerical, sources } = layoutOf(preprocessor);
    assert.deepEqual([binary, numerical, data.inputs.rows], [56, 14, 5000]);
    assert.deepEqual(
      sources.slice(0, 10).map(({ levels }) => levels),
      [...tpsLevels],
    );
    assert.equal(ids[4999], '4999');
    assert.deepEqual(warnings, []);
  });

  it('is the same text for a seed, whatever its length, and another for another seed', async () => {
    const long = await textOf(generateTps(2500, 0, 1).train);
    assert.ok(long.startsWith(await textOf(generateTps(2100, 10, 1).train)));
    assert.ok(!long.startsWith(await textOf(generateTps(10, 0, 2).train)));
  });

  it('has the signal and the noise that it promises', () => {
    const key = stream(3, 'tps-feb-2021');
    const signals: number[] = [];
    const noises: number[] = [];
    for (let row = 0; row < 20000; row++) {
      const made = tpsRow(key, row);
      signals.push(tpsSignal(made));
      noises.push(made.target - 7.5 - tpsSignal(made));
    }
    const deviation = (values: number[]): number =>
      Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    assert.ok(Math.abs(deviation(signals) - tpsSignalDeviation) < 0.01, `signal ${deviation(signals)}`);
    assert.ok(Math.abs(deviation(noises) - tpsNoiseDeviation) < 0.01, `noise ${deviation(noises)}`);
  });
});
