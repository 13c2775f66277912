import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { inspectTable } from '../../src/dataset/describe.ts';
import { inferColumns } from '../../src/dataset/infer.ts';
import { csv, refusal, tableOf } from './tables.ts';

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const roleOf = (column: readonly (number | string | null)[]): string | undefined =>
  inferColumns([tableOf({ v: column })])[0]?.role;

describe('roles', () => {
  it('are categorical for text and for two different values, else numerical', () => {
    assert.equal(roleOf(['a', 'b', 'c']), 'categorical');
    assert.equal(roleOf([0, 1, 1, null]), 'categorical');
    assert.equal(roleOf([0, 1, 2]), 'numerical');
    assert.equal(roleOf(['007', '010', '099']), 'categorical');
  });

  it('are what the configuration says: target, id, drop and kinds, in this order', () => {
    const facts = inferColumns([tableOf({ y: [1, 2], i: [1, 2], d: [1, 2], k: [1, 2], n: [1, 2] })], {
      target: { column: 'y' },
      id: 'i',
      drop: ['d', 'i'],
      kinds: { k: 'categorical', n: 'numerical', d: 'numerical' },
    });
    assert.deepEqual(
      facts.map(({ role }) => role),
      ['target', 'id', 'dropped', 'categorical', 'numerical'],
    );
  });

  it('refuse a name that the data lack, and suggest the nearest', () => {
    const table = tableOf({ carat: [1, 2], price: [1, 2] });
    for (const config of [
      { target: { column: 'prize' } },
      { id: 'prcie' },
      { drop: ['Price'] },
      { kinds: { pric: 'categorical' as const } },
    ])
      assert.throws(() => inferColumns([table], config), refusal('DATA_UNKNOWN_COLUMN', 't.csv', /"price"/));
    assert.throws(() => inferColumns([table], { id: 'zzz' }), refusal('DATA_UNKNOWN_COLUMN', 't.csv', /carat, price/));
    const wide = tableOf(Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`column${i}`, [i]])));
    assert.throws(() => inferColumns([wide], { id: 'zzz' }), refusal('DATA_UNKNOWN_COLUMN', 't.csv', /column19, \.\.\.\.$/));
  });
});

describe('what a column cannot be used for', () => {
  const problemIn = (text: string, kinds: Record<string, 'categorical' | 'numerical'> = {}): unknown =>
    inferColumns([csv(text)], { kinds }).find(({ problem }) => problem !== undefined)?.problem;

  it('is anything, if it has no value', () => {
    assert.ok(refusal('DATA_ALL_MISSING', 't.csv', /drop/)(problemIn('a,b\n1,\n2,\n')));
  });

  it('is numbers, if text stands among them: declared or for the most part', () => {
    const mixed = 'a,b\n1,1.5\n2,2.5\n3,n/a\n4,4.5\n';
    assert.ok(refusal('DATA_NOT_NUMERIC', 't.csv:4:3', /"n\/a".*missing/)(problemIn(mixed)));
    assert.ok(refusal('DATA_NOT_NUMERIC', 't.csv:2:1', /"x"/)(problemIn('a,b\nx,1\ny,2\n3,3\n', { a: 'numerical' })));
    assert.equal(problemIn(mixed, { b: 'categorical' }), undefined);
    assert.equal(problemIn('a,b\nx,1\ny,2\n3,3\n'), undefined);
  });

  it('is numbers, if NaN or an infinity stands among them', () => {
    for (const text of ['NaN', 'inf', '-Infinity', '1e999'])
      assert.ok(refusal('DATA_NOT_FINITE', 't.csv:3:3', /missing/)(problemIn(`a,b\n1,1.5\n2,${text}\n3,2.5\n`)), text);
  });

  it('is a category, if every row has another one', () => {
    const text = `name,b\n${count(25)
      .map((i) => `n${i},${i}`)
      .join('\n')}\n`;
    assert.ok(refusal('DATA_LEVELS', 't.csv', /data.id: name/)(problemIn(text)));
  });
});

describe('dates', () => {
  const n = 60;
  const days = count(n).map((i) => new Date(Date.UTC(2024, 0, 1 + (i >> 1))).toISOString());
  const european = days.map((text) => text.slice(0, 10).split('-').reverse().join('/'));
  const written: Readonly<Record<string, readonly string[]>> = {
    day: days.map((text) => text.slice(0, 10)),
    time: days.map((text) => `${text.slice(0, 10)} 10:00:00`),
    iso: days,
    zone: days.map((text) => text.replace('.000Z', '+02:00')),
    european,
    short: european.map((text) => text.replace(/^0/, '').replaceAll('/', '.')),
    american: european.map((text) => `${text} 9:05 AM`),
  };
  const table = tableOf(written);

  it('are told in one line, with what to do, and are an input all the same', () => {
    for (const { name, role, warnings, problem } of inferColumns([table])) {
      assert.deepEqual([name, role, problem], [name, 'categorical', undefined]);
      assert.deepEqual(warnings, [
        `"${name}" looks like dates: 30 categories, of which a later row has none. Make numbers of it in the table (year, month, weekday), or add it to data.drop.`,
      ]);
    }
    const { override } = inspectTable(table);
    assert.match(override, /^ {4}- day {2}# dates, unless you make numbers of them: year, month, weekday$/m);
    assert.deepEqual(parse(override), { data: { drop: Object.keys(written) } });
  });

  it('are left alone where the configuration says that they are categories', () => {
    const [fact] = inferColumns([tableOf({ day: written['day'] ?? [] })], { kinds: { day: 'categorical' } });
    assert.deepEqual([fact?.warnings, fact?.hint], [[], undefined]);
  });

  it('are what an error speaks of: another one in every row, or where numbers were declared', () => {
    const times = tableOf({ at: count(n).map((i) => `2024-01-05 10:${String(i).padStart(2, '0')}`) });
    const problemOf = (kinds: Record<string, 'numerical'>): unknown => inferColumns([times], { kinds })[0]?.problem;
    assert.ok(refusal('DATA_LEVELS', 't.csv', /looks like dates, .* 60 rows.*weekday.*drop: \[at\]/)(problemOf({})));
    assert.ok(refusal('DATA_NOT_NUMERIC', 't.csv:2', /the date "2024-01-05 10:00".*weekday/)(problemOf({ at: 'numerical' })));
  });

  it('are no codes, versions or ranges that have their signs', () => {
    for (const text of ['10-20-30', '1.2.3', '2024-01', '10:30', '2024/5-1', '2024-01-05 late', '12-345-6789'])
      assert.deepEqual(inferColumns([tableOf({ v: [text, 'b', text] })])[0]?.warnings, [], text);
  });
});

describe('inspecting a table', () => {
  const n = 400;
  const table = tableOf({
    ride_id: count(n).map((i) => `r${i}`),
    row: count(n),
    hour: count(n).map((i) => i % 24),
    'wind speed': count(n).map((i) => (i % 7 === 0 ? null : i / 8)),
    city: count(n).map((i) => (i % 9 === 0 ? '?' : `c${i % 5}`)),
    void: count(n).map(() => null),
  });

  it('never refuses: what cannot be used is among the warnings', () => {
    const { columns } = inspectTable(table);
    const warnings = Object.fromEntries(columns.map((column) => [column.name, column.warnings.join(' ')]));
    assert.match(warnings['ride_id'] ?? '', /^DATA_LEVELS t\.csv: .* another level in each of its 400 rows$/);
    assert.match(warnings['void'] ?? '', /^DATA_ALL_MISSING t\.csv: .* no value at all$/);
    assert.equal(warnings['wind speed'], '');
    // Those are doubts, which the snippet tells.
    assert.deepEqual([warnings['row'], warnings['hour'], warnings['city']], ['', '', '']);
  });

  it('counts levels and missing values, and shows the range', () => {
    const wind = inspectTable(table).columns.find(({ name }) => name === 'wind speed');
    assert.deepEqual([wind?.levels, wind?.missing, wind?.min, wind?.max], [342, 58, 1 / 8, 398 / 8]);
  });

  it('ends with a snippet of configuration that does what the hints say', () => {
    const { override } = inspectTable(table);
    assert.match(override, /^ {4}- row {2}# another value in every row$/m);
    assert.match(override, /^ {4}hour: categorical {2}# 24 different whole numbers: codes, or quantities\?$/m);
    assert.deepEqual(parse(override), {
      data: { id: 'ride_id', drop: ['row', 'void'], missing: ['?'], kinds: { hour: 'categorical' } },
    });
  });

  it('says once that a text stands for a missing value, and has it in the snippet, the target’s too', () => {
    const table = csv(
      `a,b,wind speed,c,y\n${count(9)
        .map((i) => (i === 4 ? 'NA,NA,NA,null,NA\n' : `${i},${i}.5,${2 * i},x,${i}\n`))
        .join('')}`,
    );
    const { columns, override } = inspectTable(table, { target: { column: 'y' } });
    assert.deepEqual(
      columns.map(({ warnings }) => warnings),
      [
        ...['a', 'b', 'wind speed'].map((name, i) => [
          `DATA_NOT_NUMERIC t.csv:6:${1 + 3 * i}: column "${name}" holds the text "NA" among its numbers`,
        ]),
        [],
        [],
      ],
    );
    assert.equal(override, 'data:\n  missing:\n    - NA  # in a, b, "wind speed" and 1 more\n    - "null"  # in c\n');
    assert.deepEqual(parse(override), { data: { missing: ['NA', 'null'] } });
  });

  it('tells the whole of a problem that the snippet does not solve', () => {
    const { columns } = inspectTable(csv('a,b\n1,1\n2,2\n3x,3\nNA,4\n5,5\n6,6\n7,7\n'));
    assert.match(columns[0]?.warnings.join() ?? '', /"3x" among its numbers\n .*data: \{ missing/);
  });
});
