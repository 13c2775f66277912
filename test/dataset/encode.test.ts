import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { fitPreprocessor, layoutOf, transform, type Preprocessor } from '../../src/dataset/encode.ts';
import type { Column, Table } from '../../src/dataset/types.ts';
import { csv, refusal, tableOf } from './tables.ts';

const fit = (tables: readonly [Table, ...Table[]], rareBelow = 0): Preprocessor =>
  fitPreprocessor(tables, { rareBelow }).preprocessor;
const rowsOf = (preprocessor: Preprocessor, table: Table): number[][] => {
  const { rows, cols, data } = transform(preprocessor, table).inputs;
  return Array.from({ length: rows }, (_, i) => [...data.subarray(i * cols, (i + 1) * cols)]);
};

const number = fc.option(fc.oneof(fc.double({ noNaN: true, min: -1e30, max: 1e30 }), fc.integer({ min: -3, max: 3 })), {
  freq: 5,
});
const text = fc.option(fc.constantFrom('a', 'b', 'c', 'B', 'é', '(missing)', 'x=y'), { freq: 5 });
/** At least two values in every column, so that none is constant. */
const tables = fc
  .array(fc.record({ n: number, c: text, m: number }), { minLength: 1, maxLength: 12 })
  .map((rows) => [
    { n: 0.5, c: 'a', m: 1.5 },
    { n: 1.5, c: 'b', m: null },
    { n: 7.25, c: 'd', m: 2.5 },
    { n: 2.5, c: 'a', m: 3.5 },
    ...rows,
  ])
  .map((rows) => tableOf({ n: rows.map((r) => r.n), c: rows.map((r) => r.c), m: rows.map((r) => r.m) }));

const pick = (table: Table, order: readonly number[], columns: readonly number[]): Table => ({
  source: table.source,
  rows: order.length,
  columns: columns.map((i): Column => {
    const column = table.columns[i];
    assert.ok(column);
    return column.type === 'number'
      ? { ...column, values: Float64Array.from(order, (row) => column.values[row] ?? NaN) }
      : { ...column, values: order.map((row) => column.values[row] ?? null) };
  }),
});

describe('the preprocessor', () => {
  it('encodes a row to the same bytes whatever rows are beside it and whatever order columns come in', () => {
    fc.assert(
      fc.property(tables, fc.infiniteStream(fc.nat()), (table, draws) => {
        const preprocessor = fit([table]);
        const all = rowsOf(preprocessor, table);
        const order = Array.from({ length: 5 }, () => (draws.next().value as number) % table.rows);
        const some = rowsOf(preprocessor, pick(table, order, [2, 0, 1]));
        assert.deepEqual(
          some,
          order.map((row) => all[row]),
        );
      }),
    );
  });

  it('is plain JSON: read back, it is equal and encodes to the same bytes', () => {
    fc.assert(
      fc.property(tables, (table) => {
        const preprocessor = fit([table]);
        const again = JSON.parse(JSON.stringify(preprocessor)) as Preprocessor;
        assert.deepEqual(again, preprocessor);
        assert.deepEqual(transform(again, table).inputs, transform(preprocessor, table).inputs);
      }),
    );
  });

  it('has no negative zero, which JSON cannot keep', () => {
    const values = Float64Array.of(1.5, NaN, 2.5, 3.5, -0, -0, -0, -0);
    const preprocessor = fit([{ source: 't.csv', rows: 8, columns: [{ name: 'm', type: 'number', values }] }]);
    assert.deepEqual(JSON.parse(JSON.stringify(preprocessor)), preprocessor);
  });

  it('gives the fitted rows zeros and ones, and numbers with mean 0 and deviation 1', () => {
    fc.assert(
      fc.property(tables, (table) => {
        const preprocessor = fit([table]);
        const { binary, numerical, names, sources } = layoutOf(preprocessor);
        const rows = rowsOf(preprocessor, table);
        assert.equal(names.length, binary + numerical);
        assert.equal(new Set(names).size, names.length);
        assert.deepEqual(
          sources.flatMap(({ encoded }) => encoded).sort((a, b) => a - b),
          names.map((_, i) => i),
        );
        for (const row of rows) {
          assert.ok(row.slice(0, binary).every((value) => value === 0 || value === 1));
          for (const { kind, encoded } of sources)
            if (kind === 'categorical')
              assert.equal(
                encoded.reduce((sum, i) => sum + (row[i] ?? 0), 0),
                1,
              );
        }
        for (let j = binary; j < names.length; j++) {
          const values = rows.map((row) => row[j] ?? NaN);
          const mean = values.reduce((a, b) => a + b) / values.length;
          const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
          assert.ok(Math.abs(mean) < 1e-5, `mean ${mean}`);
          assert.ok(Math.abs(variance - 1) < 1e-4, `variance ${variance}`);
        }
      }),
    );
  });

  it('puts one-hot columns first, then missing indicators, then numbers, each in the order of the file', () => {
    const table = tableOf({
      u: [1.5, 2.5, 3.5, 4.5],
      k: ['b', 'a', null, 'a'],
      v: [1.5, null, 4.5, 5.5],
      z: ['q', 'q', 'r', 'r'],
    });
    const layout = layoutOf(fit([table]));
    assert.deepEqual(layout.names, ['k=a', 'k=b', 'k=(missing)', 'z=q', 'z=r', 'v?', 'u', 'v']);
    assert.deepEqual([layout.binary, layout.numerical], [6, 2]);
    assert.deepEqual(
      layout.sources.map(({ name, levels, encoded }) => [name, levels, ...encoded]),
      [
        ['u', 0, 6],
        ['k', 3, 0, 1, 2],
        ['v', 0, 5, 7],
        ['z', 2, 3, 4],
      ],
    );
  });

  it('fills a missing number with the median and says so in the indicator', () => {
    const preprocessor = fit([tableOf({ v: [1.5, null, 9.5, 2.5] })]);
    const [first] = preprocessor.columns;
    assert.equal(first?.kind === 'numerical' ? first.median : NaN, 2.5);
    const [, missing, , same] = rowsOf(preprocessor, tableOf({ v: [1.5, null, 9.5, 2.5] }));
    assert.deepEqual([missing?.[0], same?.[0]], [1, 0]);
    assert.equal(missing?.[1], same?.[1]);
  });

  it('encodes unseen levels and unforeseen missing values as zeros or the median, and warns', () => {
    const preprocessor = fit([tableOf({ k: ['a', 'b', 'a'], v: [1.5, 2.5, 4.5] })]);
    const { inputs, warnings } = transform(preprocessor, tableOf({ k: ['c', null, 'b'], v: [2.5, 2.5, null] }));
    assert.deepEqual([...inputs.data.subarray(0, 2)], [0, 0]);
    assert.deepEqual([...inputs.data.subarray(3, 5)], [0, 0]);
    assert.equal(inputs.data[8], inputs.data[2]);
    assert.equal(warnings.length, 3);
    assert.match(warnings.join('\n'), /unseen levels in 1 rows of t.csv \("c"\)/);
  });

  it('merges levels with fewer rows than asked into "(rare)", and knows rare from unseen', () => {
    const preprocessor = fit([tableOf({ k: ['a', 'a', 'a', 'b', 'b', 'c', 'd'] })], 2);
    assert.deepEqual(layoutOf(preprocessor).names, ['k=a', 'k=b', 'k=(rare)']);
    assert.deepEqual(rowsOf(preprocessor, tableOf({ k: ['d', 'e'] })), [
      [0, 0, 1],
      [0, 0, 0],
    ]);
  });

  it('orders levels as numbers if all are, and reads the same number from text', () => {
    const numbers = tableOf({ k: [10, 9, 10, 9] });
    const preprocessor = fit([numbers]);
    assert.deepEqual(layoutOf(preprocessor).names, ['k=9', 'k=10']);
    assert.deepEqual(rowsOf(preprocessor, tableOf({ k: ['9.0', 'x'] })), [
      [1, 0],
      [0, 0],
    ]);
  });

  it('leaves out constant columns with a warning, and never asks for them again', () => {
    const { preprocessor, warnings } = fitPreprocessor([tableOf({ one: ['a', 'a'], two: [1, 1], v: [1.5, 2.5] })], {
      rareBelow: 0,
    });
    assert.deepEqual(preprocessor.ignored, ['one', 'two']);
    assert.equal(warnings.filter((warning) => /same value/.test(warning)).length, 2);
    assert.deepEqual(transform(preprocessor, tableOf({ v: [1.5] })).warnings, []);
  });

  it('refuses a table that lacks a column, by name, and warns of one too many', () => {
    const preprocessor = fit([tableOf({ carat: [1.5, 2.5, 0.5], k: ['a', 'b', 'a'] })]);
    assert.throws(
      () => transform(preprocessor, tableOf({ karat: [1.5], k: ['a'] })),
      refusal('DATA_MISSING_COLUMN', 't.csv', /"karat"/),
    );
    const { warnings } = transform(preprocessor, tableOf({ k: ['a'], carat: [1.5], extra: [1] }));
    assert.match(warnings.join(), /"extra"/);
  });

  it('refuses text where the fit had numbers, and says where', () => {
    const preprocessor = fit([csv('v,w\n1.5,1\n2.5,2\n3.5,3')]);
    assert.throws(() => transform(preprocessor, csv('w,v\n1,2.5\n2,x')), refusal('DATA_NOT_NUMERIC', 't.csv:3:3', /"x"/));
    assert.throws(() => transform(preprocessor, csv('w,v\n1,NaN')), refusal('DATA_NOT_FINITE', 't.csv:2:3', /missing/));
  });

  it('standardises numbers at the ends of the float64 range', () => {
    for (const values of [
      [-1e308, 1e308, 0],
      [5e-324, 0, 1e-323],
      [1e16, 1e16 + 2, 1e16 + 4],
    ]) {
      const rows = rowsOf(fit([tableOf({ v: values })]), tableOf({ v: values }));
      assert.ok(rows.flat().every(Number.isFinite), String(values));
    }
  });
});
