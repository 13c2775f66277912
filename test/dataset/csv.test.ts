import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { parseCsv } from '../../src/dataset/csv.ts';
import { textsOf } from '../../src/dataset/table.ts';
import { csv, refusal } from './tables.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const column = (text: string, name: string, missing: string[] = []): readonly (string | null)[] => {
  const found = csv(text, { missing }).columns.find((candidate) => candidate.name === name);
  assert.ok(found);
  return textsOf(found);
};

describe('the CSV reader', () => {
  const field = fc.string({ unit: fc.constantFrom('a', 'é', '0', ' ', ',', ';', '"', '\n', '\r', '\t'), maxLength: 5 });
  const texts = fc
    .record({ width: fc.integer({ min: 2, max: 4 }), rows: fc.integer({ min: 1, max: 6 }) })
    .chain(({ width, rows }) =>
      fc.array(fc.array(field, { minLength: width, maxLength: width }), { minLength: rows, maxLength: rows }),
    );

  it('gives back every field that a correct writer wrote, whatever is in it and however lines end', () => {
    fc.assert(
      fc.property(
        texts,
        fc.constantFrom(',', ';', '\t', '|'),
        fc.constantFrom('\n', '\r\n', '\r'),
        fc.boolean(),
        (rows, delimiter, end, bom) => {
          const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
          const header = (rows[0] ?? []).map((_, i) => `c${i}`);
          const file = [header, ...rows.map((row) => row.map(quoted))].map((row) => row.join(delimiter) + end).join('');
          const table = csv((bom ? '\ufeff' : '') + file, { delimiter });
          assert.equal(table.rows, rows.length);
          table.columns.forEach((read, i) => {
            const written = rows.map((row) => ((row[i] ?? '').trim() === '' ? null : (row[i] ?? '')));
            const number = (text: string | null): string | null => (text === null ? null : String(Number(text)));
            assert.deepEqual(textsOf(read), read.type === 'text' ? written : written.map(number));
          });
        },
      ),
    );
  });

  it('reads every number as JavaScript does, to the last bit', () => {
    const digits = fc.bigInt({ min: 0n, max: 10n ** 20n });
    const spelled = fc.oneof(
      fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .filter((x) => !Number.isInteger(x) || Math.abs(x) < 2 ** 53 || Math.abs(x) >= 1e21)
        .map(String),
      fc.tuple(digits, digits, fc.boolean()).map(([whole, part, minus]) => `${minus ? '-' : ''}${whole}.${part}`),
      fc.integer({ min: -1e15, max: 1e15 }).map(String),
    );
    fc.assert(
      fc.property(fc.array(spelled, { minLength: 1, maxLength: 20 }), (numbers) => {
        const [read] = csv(`x,y\n${numbers.map((text) => `${text},1`).join('\n')}`).columns;
        assert.equal(read?.type, 'number');
        assert.deepEqual(read.values, Float64Array.from(numbers, Number));
      }),
      { numRuns: 300 },
    );
  });

  for (const [what, text, where, words] of [
    ['a short row', 'a,b,c\n1,2,3\n4,5\n6,7,8\n', 't.csv:3:4', /2 fields, the header has 3/],
    ['a short last row without a line end', 'a,b,c\n"1",2,3\n4,5', 't.csv:3:4', /2 fields/],
    ['a long row', 'a,b\n1,2\n3,4,5\n', 't.csv:3:5', /3 fields, the header has 2/],
    ['a long row after a quoted line break', 'a,b\n"x\ny",2\n3,4,5\n', 't.csv:4:5', /3 fields/],
    ['a blank line between rows', 'a,b\n1,2\n\n3,4\n', 't.csv:3:1', /blank/],
    ['a long row with letters of several bytes', 'a,b\né,ü,ß\n', 't.csv:2:5', /3 fields/],
  ] as const)
    it(`refuses ${what}, and says where`, () => {
      assert.throws(() => csv(text), refusal('DATA_RAGGED_ROW', where, words));
    });

  for (const [what, text, where, words] of [
    ['a quote that never closes', 'a,b\n1,"x\n2,y\n', 't.csv:2:3', /never closed/],
    ['text after a closing quote', 'a,b\n"x"y,2\n', 't.csv:2:4', /closing quote/],
    ['two columns of one name', 'a,b, a\n1,2,3\n', 't.csv:1', /"a"/],
    ['a column without a name', ',a\n0,1\n', 't.csv:1', /pandas/],
    ['a file without a header', '1.5,2.5\n3.5,4.5\n', 't.csv:1', /header/],
    ['binary bytes', 'a,b\n1,\0\n', 't.csv', /binary/],
  ] as const)
    it(`refuses ${what}`, () => {
      assert.throws(() => csv(text), refusal('DATA_FORMAT', where, words));
    });

  it('refuses text that is not UTF-8', () => {
    assert.throws(
      () => parseCsv(Uint8Array.of(0x61, 0x0a, 0xe9), 't.csv', { missing: [] }),
      refusal('DATA_FORMAT', 't.csv', /UTF-8/),
    );
    assert.throws(
      () => parseCsv(Uint8Array.of(0xff, 0xfe, 0x61, 0), 't.csv', { missing: [] }),
      refusal('DATA_FORMAT', 't.csv', /UTF-16/),
    );
  });

  it('refuses an empty file, blank lines and a lone header as empty', () => {
    for (const text of ['', '\n\n', '\ufeff', 'a,b', 'a,b\n\n'])
      assert.throws(() => parseCsv(bytes(text), 't.csv', { missing: [] }), refusal('DATA_EMPTY', 't.csv', /written to its end/));
  });

  it('infers the delimiter that fits header and rows, and names it when another one was set', () => {
    assert.deepEqual(
      csv('a;b\n1,5;2,5\n').columns.map(({ name }) => name),
      ['a', 'b'],
    );
    assert.deepEqual(
      csv('a\tb,c\n1\t2\n').columns.map(({ name }) => name),
      ['a', 'b,c'],
    );
    assert.deepEqual(
      csv('"a,x"|b\n1|2\n').columns.map(({ name }) => name),
      ['a,x', 'b'],
    );
    assert.throws(() => csv('a;b;c\n1;2;3\n', { delimiter: ',' }), refusal('DATA_FORMAT', 't.csv:1', /";"/));
  });

  it('passes over blank lines at the end, and reads a last line without an end', () => {
    assert.equal(csv('a,b\n1,2\n\n\r\n').rows, 1);
    assert.deepEqual(column('a,b\n1,2\n3,', 'b'), ['2', null]);
  });

  it('keeps the exact text of a column in which text turns up late', () => {
    assert.deepEqual(column('v,w\n1.10,0\n,0\n"1.1",0\n2.0.1,0\n', 'v'), ['1.10', null, '1.1', '2.0.1']);
  });

  it('reads zero-padded codes and whole numbers beyond 2^53 as text, so that ids stay what they are', () => {
    assert.deepEqual(column('id,x\n007,1\n7,1\n', 'id'), ['007', '7']);
    assert.deepEqual(column('id,x\n9007199254740993,1\n9007199254740992,1\n', 'id'), ['9007199254740993', '9007199254740992']);
  });

  it('takes blanks and the configured texts for missing values, numbers among them', () => {
    assert.deepEqual(column('x,y\n1,a\n-999,a\n NA ,a\n ,a\n2,a\n', 'x', ['NA', '-999']), ['1', null, null, null, '2']);
  });

  it('remembers where the first field that is no number stands', () => {
    const [, x] = csv('s,x\né,1\né,"two"\n').columns;
    assert.deepEqual(x?.type === 'text' ? x.notNumber : undefined, { line: 3, column: 3 });
  });
});
