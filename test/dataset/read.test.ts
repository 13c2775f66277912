import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { readTable } from '../../src/dataset/read.ts';
import { textsOf } from '../../src/dataset/table.ts';
import { refusal } from './tables.ts';

describe('reading a file', () => {
  let folder = '';
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'noisefold-read-'));
  });
  after(() => {
    rmSync(folder, { recursive: true });
  });
  const file = (name: string, content: Uint8Array | string): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const plain = { missing: ['NA'] };
  const text = 'id,x,s\n1,1.5,a\n2,,b\n3,NA,c\n';

  it('gives the same table from CSV, gzipped CSV (by its bytes, not its name) and Parquet', async () => {
    const parquet = parquetWriteBuffer({
      columnData: [
        { name: 'id', data: [1n, 2n, 3n], type: 'INT64' },
        { name: 'x', data: [1.5, null, null], type: 'DOUBLE', nullable: true },
        { name: 's', data: ['a', 'b', 'c'], type: 'STRING' },
      ],
    });
    const contents = [
      file('a.csv', text),
      file('b.csv.gz', gzipSync(text)),
      file('c.csv', gzipSync(text)),
      file('d.parquet', new Uint8Array(parquet)),
    ];
    for (const path of contents) {
      const table = await readTable(path, plain);
      assert.equal(table.source, path);
      assert.deepEqual(
        table.columns.map((column) => [column.name, column.type, ...textsOf(column)]),
        [
          ['id', 'number', '1', '2', '3'],
          ['x', 'number', '1.5', null, null],
          ['s', 'text', 'a', 'b', 'c'],
        ],
      );
    }
  });

  it('keeps what is not finite or not exact in Parquet as text, and booleans as words', async () => {
    const parquet = parquetWriteBuffer({
      columnData: [
        { name: 'big', data: [9007199254740993n, 1n], type: 'INT64' },
        { name: 'odd', data: [NaN, 1.5], type: 'DOUBLE' },
        { name: 'flag', data: [true, false], type: 'BOOLEAN' },
      ],
    });
    const table = await readTable(file('odd.parquet', new Uint8Array(parquet)), plain);
    assert.deepEqual(table.columns.map(textsOf), [
      ['9007199254740993', '1'],
      ['NaN', '1.5'],
      ['true', 'false'],
    ]);
  });

  it('refuses what is not there or is a folder', async () => {
    await assert.rejects(readTable(join(folder, 'none.csv'), plain), refusal('DATA_NOT_FOUND', join(folder, 'none.csv')));
    await assert.rejects(readTable(folder, plain), refusal('DATA_NOT_FOUND', folder, /folder/));
  });

  it('refuses empty files and broken compression', async () => {
    await assert.rejects(readTable(file('empty.csv', ''), plain), refusal('DATA_EMPTY'));
    await assert.rejects(readTable(file('empty.csv.gz', gzipSync('')), plain), refusal('DATA_EMPTY'));
    await assert.rejects(
      readTable(file('cut.csv.gz', gzipSync(text.repeat(100)).subarray(0, 40)), plain),
      refusal('DATA_FORMAT', undefined, /gzip/),
    );
    await assert.rejects(readTable(file('not.csv.gz', text), plain), refusal('DATA_FORMAT', undefined, /not gzipped/));
    await assert.rejects(readTable(file('not.parquet', text), plain), refusal('DATA_FORMAT', undefined, /not Parquet/));
    await assert.rejects(
      readTable(file('cut.parquet', 'PAR1 and nothing more'), plain),
      refusal('DATA_FORMAT', undefined, /broken/),
    );
  });
});
