import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ColumnDescription, TableDescription } from '../../src/dataset/describe.ts';
import { describedTable } from '../../src/report/description.ts';

const column = (name: string, change: Partial<ColumnDescription> = {}): ColumnDescription => ({
  name,
  role: 'numerical',
  reason: 'a number with fractional values',
  levels: 12,
  more: false,
  missing: 0,
  min: -124.35,
  max: 1_234.5,
  examples: ['-122.23', '-122.22', 'x'.repeat(30)],
  warnings: [],
  ...change,
});
const of = (...columns: ColumnDescription[]): TableDescription => ({
  rows: 20_640,
  files: 1,
  columns,
  override: 'data:\n  id: ride\n',
});
const lines = (text: string): string[] => text.split('\n');
const table = (description: TableDescription, width?: number): string[] =>
  lines(describedTable(description, { width }).split('\n\n')[0] ?? '').slice(1);

describe('description of a table', () => {
  const housing = of(column('longitude'), column('ocean proximity', { role: 'categorical', min: undefined, max: undefined }));

  it('says what each column is taken for and why, what is doubtful, and how to decide otherwise', () => {
    const text = describedTable(of(column('id', { role: 'id', missing: 1_500, warnings: ['looks odd'] })));
    assert.deepEqual(lines(text), [
      '20,640 rows, 1 column',
      'column  kind  levels  missing  range              why                              examples',
      'id      id        12    1,500  -124.35 to 1234.5  a number with fractional values  -122.23, -122.22, xxxxxxxxxxxxxxxxxxxxxxx…',
      '',
      '! looks odd',
      '',
      'To decide otherwise, in the configuration:',
      '',
      'data:',
      '  id: ride',
      '',
    ]);
  });

  it('says of how many files the rows are', () => {
    assert.match(describedTable({ ...housing, files: 2 }), /^20,640 rows in 2 files, 2 columns\n/);
  });

  it('keeps to the width: cuts the examples, leaves them out, and then the reasons', () => {
    fc.assert(
      fc.property(fc.integer({ min: 70, max: 160 }), (width) => {
        for (const line of table(housing, width)) assert.ok(line.length <= width, line);
      }),
      { numRuns: 25 },
    );
    const heads = (width: number): string[] => (table(housing, width)[0] ?? '').split(/ {2,}/);
    const kept = ['column', 'kind', 'levels', 'missing', 'range'];
    assert.deepEqual(heads(125), [...kept, 'why', 'examples']);
    assert.match(table(housing, 125)[1] ?? '', /-122\.23, -122\.22, x+…$/);
    assert.deepEqual(heads(100), [...kept, 'why']);
    assert.deepEqual(heads(70), kept);
  });

  it('counts the values of numbers to a thousand, whole or not, and levels exactly', () => {
    const levels = (change: Partial<ColumnDescription>): string | undefined => table(of(column('x', change)))[1]?.split(/ +/)[2];
    assert.equal(levels({ levels: 1_000, more: true }), '1,000+');
    assert.equal(levels({ levels: 5_926 }), '1,000+');
    assert.equal(levels({ levels: 842 }), '842');
    assert.equal(levels({ levels: 5_926, role: 'categorical' }), '5,926');
  });
});
