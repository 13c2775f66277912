import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { DataConfig, FoldsConfig } from '../../src/config/types.ts';
import { prepareData, type Prepared } from '../../src/dataset/prepare.ts';
import { decodePrepared, encodePrepared } from '../../src/dataset/serialise.ts';
import type { Table } from '../../src/dataset/types.ts';
import { dataConfig, refusal, tableOf } from './tables.ts';

const n = 60;
const rows = Array.from({ length: n }, (_, i) => i);
const columns = {
  key: rows.map((i) => `k${i}`),
  a: rows.map((i) => ((i * 37) % 41) / 2),
  c: rows.map((i) => ['p', 'q', 'r'][(i * 7) % 3] ?? ''),
  y: rows.map((i) => (i % 10 === 3 ? null : ((i * 13) % 29) / 3)),
};
const train = tableOf(columns);
const test = tableOf({ c: ['r', 'q'], a: [1.5, null], key: ['t0', 't1'] }, 'test.csv');

const prepare = (
  tables: { train: Table; test?: Table } = { train, test },
  data: Partial<DataConfig> = {},
  folds: Partial<FoldsConfig> = {},
): Prepared =>
  prepareData(tables, { data: dataConfig({ id: 'key', ...data }), folds: { count: 5, kind: 'plain', ...folds }, seed: 1 });

describe('preparing data', () => {
  it('puts the rows of the train file first, then those of the test file, without a label or a fold', () => {
    const { data, ids, trainRows, testRows } = prepare();
    assert.deepEqual([trainRows, testRows, data.inputs.rows, ids.length], [n, 2, n + 2, n + 2]);
    assert.deepEqual(ids.slice(-3), ['k59', 't0', 't1']);
    assert.deepEqual([...data.target.slice(n)], [NaN, NaN]);
    assert.deepEqual([...data.folds.slice(n)], [-1, -1]);
    assert.deepEqual(data.layout.names, ['c=p', 'c=q', 'c=r', 'a?', 'a']);
    assert.deepEqual([...data.inputs.data.slice(n * 5, n * 5 + 3)], [0, 0, 1]);
    assert.equal(data.folds[3], -1);
  });

  it('numbers the rows of each file from 1 where there is no id column', () => {
    const { ids } = prepare({ train, test }, { id: undefined, drop: ['key'] });
    assert.deepEqual([ids[0], ids[n - 1], ids[n]], ['1', '60', '1']);
  });

  it('does not look at a target in the test file', () => {
    const labelled: Table = { ...test, columns: [...test.columns, { name: 'y', type: 'text', values: ['?', '?'] }] };
    assert.equal(prepare({ train, test: labelled }).data.hash, prepare().data.hash);
  });

  it('has a hash that changes with every part: inputs, target, folds, layout, task', () => {
    const changed = (name: string, values: (number | string | null)[]): Table => tableOf({ ...columns, [name]: values });
    const replaced = columns.y.map((value, i) => (i === 0 ? 99 : value));
    const hashes = [
      prepare(),
      prepare({ train }),
      prepare({
        train: changed(
          'a',
          columns.a.map((value, i) => (i === 0 ? 99 : value)),
        ),
      }),
      prepare({ train: changed('y', replaced), test }),
      prepare(undefined, {}, { kind: 'shuffled' }),
      prepare(undefined, {}, { count: 4 }),
      prepare({ train: tableOf({ key: columns.key, b: columns.a, c: columns.c, y: columns.y }) }),
      prepare({
        train: changed(
          'y',
          rows.map((i) => i % 2),
        ),
        test,
      }),
      prepare(
        {
          train: changed(
            'y',
            rows.map((i) => i % 2),
          ),
          test,
        },
        { target: { column: 'y', task: 'binary', transform: 'none' } },
      ),
    ].map(({ data }) => data.hash);
    assert.equal(new Set(hashes).size, hashes.length);
    assert.equal(prepare().data.hash, hashes[0]);
  });

  it('is read back equal from its file, and refused under another hash or with a changed byte', () => {
    const { data } = prepare();
    const file = encodePrepared(data);
    assert.deepEqual(decodePrepared(file, data.hash), data);
    assert.throws(() => decodePrepared(file, '0'.repeat(64)), refusal('DATA_MISMATCH'));
    file[file.length - 1] = 255 - (file[file.length - 1] ?? 0);
    assert.throws(() => decodePrepared(file, data.hash), refusal('DATA_MISMATCH'));
  });

  it('keeps the groups of a column together, even if the column is dropped', () => {
    const group = rows.map((i) => `g${i % 7}`);
    const { data } = prepare(
      { train: tableOf({ ...columns, group }) },
      { drop: ['group'] },
      { kind: 'grouped', column: 'group' },
    );
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        if (i % 7 === j % 7 && data.folds[i] !== -1 && data.folds[j] !== -1) assert.equal(data.folds[i], data.folds[j]);
    assert.ok(!data.layout.names.some((name) => name.startsWith('group')));
    assert.throws(() => prepare({ train }, {}, { kind: 'grouped', column: 'C' }), refusal('DATA_UNKNOWN_COLUMN', 't.csv', /"c"/));
  });

  it('warns of a column that is the target in another form', () => {
    const y = columns.y;
    const positive = rows.map((i) => 1 + ((i * 13) % 29));
    const twin = y.map((value, i) => (value === null ? i : value * 2.54 + 1));
    const log = { target: { column: 'y', task: 'regression', transform: 'log' } } as const;
    assert.match(prepare({ train: tableOf({ ...columns, twin }) }).warnings.join(), /"twin" has a correlation of 1.00000/);
    assert.match(
      prepare({ train: tableOf({ ...columns, y: positive, twin: positive.map((v) => -v / 2) }) }, log).warnings.join(),
      /"twin"/,
    );
    const code = rows.map((i) => (i % 2 === 0 ? 'even' : 'odd'));
    const binary = { target: { column: 'y', task: 'binary', transform: 'none' } } as const;
    assert.match(
      prepare({ train: tableOf({ ...columns, y: rows.map((i) => i % 2), code }) }, binary).warnings.join(),
      /"code" determines/,
    );
    assert.ok(!/in another form/.test(prepare().warnings.join()));
  });

  it('warns of rows without a target, of a target that is not looked at, and of ids in both files, with their numbers', () => {
    const said = (...args: Parameters<typeof prepare>): string => prepare(...args).warnings.join('\n');
    assert.match(said(), /"y" is empty in 6 of 60 rows of t\.csv/);
    assert.ok(!/is ignored: no score|ids of/.test(said()));
    const labelled: Table = { ...test, columns: [...test.columns, { name: 'y', type: 'number', values: Float64Array.of(1, 2) }] };
    assert.match(said({ train, test: labelled }), /"y" in test\.csv is ignored/);
    const again = tableOf({ c: ['r', 'q'], a: [1.5, 2], key: ['t0', 'k7'] }, 'test.csv');
    assert.match(said({ train, test: again }), /^1 of 2 ids of test\.csv are those of rows of t\.csv too, such as "k7"/m);
    const full = tableOf({ ...columns, y: rows });
    assert.ok(!/is empty/.test(said({ train: full })));
    assert.ok(!/ids of/.test(said({ train: full, test: again }, { id: undefined, drop: ['key'] })));
  });

  it('warns of a fold with one class', () => {
    const y = rows.map((i) => (i < 20 ? 0 : 1));
    const binary = { target: { column: 'y', task: 'binary', transform: 'none' } } as const;
    const { warnings, target } = prepare({ train: tableOf({ ...columns, y }) }, binary);
    assert.match(warnings.join('\n'), /Fold 0 holds one class/);
    assert.deepEqual(target.levels, ['0', '1']);
  });

  it('refuses equal ids in a file, with both places', () => {
    const key = columns.key.map((id, i) => (i === 5 ? 'k2' : id));
    assert.throws(
      () => prepare({ train: tableOf({ ...columns, key }) }),
      refusal('DATA_DUPLICATE_ID', 't.csv:7', /"k2".*t.csv:4/),
    );
  });

  it('refuses a test file that lacks an input or the id', () => {
    const without = (name: string): Table => ({ ...test, columns: test.columns.filter((column) => column.name !== name) });
    assert.throws(() => prepare({ train, test: without('a') }), refusal('DATA_MISSING_COLUMN', 'test.csv', /"a"/));
    assert.throws(() => prepare({ train, test: without('key') }), refusal('DATA_MISSING_COLUMN', 'test.csv', /"key"/));
  });

  it('refuses a test file that lacks several at once, and takes no column with a place of its own for a missing one', () => {
    const wide = tableOf({ ...columns, yr: rows.map((i) => (i * 3) % 50), hr: rows.map((i) => (i * 7) % 24) });
    const lacking = tableOf({ yr: [1, 2], HR: [3, 4], y: [1, 2] }, 'test.csv');
    assert.throws(
      () => prepare({ train: wide, test: lacking }),
      refusal(
        'DATA_MISSING_COLUMN',
        'test.csv',
        /^the data lack the 4 columns "key", "a", "c", "hr" Is "HR" what should be named "hr"\?$/,
      ),
    );
  });

  it('refuses more folds than labelled rows, and a table without inputs', () => {
    assert.throws(() => prepare(undefined, {}, { count: 55 }), refusal('DATA_FOLDS'));
    assert.throws(() => prepare({ train }, { drop: ['a', 'c'] }), refusal('DATA_FORMAT', 't.csv', /no column is left/));
  });
});
