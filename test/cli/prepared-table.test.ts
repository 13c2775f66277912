import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import { decodePreparedTable, encodePreparedTable } from '../../src/cli/prepared-table.ts';
import type { Protocol } from '../../src/config/types.ts';
import { prepareData, type Prepared } from '../../src/dataset/prepare.ts';
import { decodePrepared, encodePrepared } from '../../src/dataset/serialise.ts';
import type { Table } from '../../src/dataset/types.ts';

const table = (rows: number, labelled: boolean): Table => ({
  source: 'table',
  rows,
  columns: [
    { name: 'key', type: 'text', values: Array.from({ length: rows }, (_, i) => `${labelled ? 'a' : 'b'}${i}`) },
    { name: 'cut', type: 'text', values: Array.from({ length: rows }, (_, i) => (i % 5 === 0 ? null : `level "${i % 3}"`)) },
    { name: 'size', type: 'number', values: Float64Array.from({ length: rows }, (_, i) => (i % 7 === 0 ? NaN : i / 3)) },
    ...(labelled
      ? [{ name: 'y', type: 'number' as const, values: Float64Array.from({ length: rows }, (_, i) => 1 + i * 0.1) }]
      : []),
  ],
});

const prepare = (protocol: Protocol): Prepared =>
  prepareData(
    { train: table(40, true), test: table(9, false) },
    {
      protocol,
      data: {
        ...{ train: 'train.csv', id: 'key', drop: [], kinds: {}, missing: [], rareBelow: 1 },
        target: { column: 'y', task: 'regression', transform: 'log' },
      },
      folds: { count: 4, kind: 'shuffled' },
      seed: 1,
    },
  );
const prepared = prepare('transductive');
const inductive = prepare('inductive');

/** The artifact store: data sets by hash. */
const stored = new Map(
  [prepared, inductive]
    .flatMap(({ data, folds = [] }) => [data, ...folds.map((fold) => fold.data)])
    .map((data) => [data.hash, data]),
);
const dataOf = (hash: string) => {
  const data = stored.get(hash) ?? assert.fail(`there is no ${hash}`);
  return Promise.resolve(decodePrepared(encodePrepared(data), hash));
};

describe('a prepared table as a blob', () => {
  it('gives back, with the blobs of its data, all that the user’s files gave', async () => {
    assert.deepEqual(await decodePreparedTable(encodePreparedTable(prepared), dataOf), prepared);
  });

  it('gives back the folds of an inductive study', async () => {
    assert.equal(inductive.folds?.length, 4);
    assert.deepEqual(await decodePreparedTable(encodePreparedTable(inductive), dataOf), inductive);
  });

  it('is the same for the same table', () => {
    assert.deepEqual(encodePreparedTable(prepared), encodePreparedTable(structuredClone(prepared)));
  });

  it('is refused where it is of another format, or of other data', async () => {
    const text = new TextDecoder().decode(encodePreparedTable(prepared));
    const wrong = [
      text.replace('noisefold.table/1', 'noisefold.table/2'),
      text.slice(1),
      text.replace('"trainRows":40', '"trainRows":41'),
    ];
    for (const one of wrong)
      await assert.rejects(
        decodePreparedTable(new TextEncoder().encode(one), dataOf),
        (error) => error instanceof NoisefoldError && error.code === 'DATA_MISMATCH',
      );
  });
});
