import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { parquetReadObjects } from 'hyparquet';
import { readNpy } from '../../src/dataset/npy.ts';
import {
  type RowIds,
  type RowWriter,
  openCsv,
  openFeatureCsv,
  openFeatures,
  openNpy,
  openParquet,
} from '../../src/dataset/write.ts';

const folder = mkdtempSync(join(tmpdir(), 'noisefold-write-'));
after(() => rmSync(folder, { recursive: true }));

const integerIds = (rows: number): RowIds => ({
  name: 'id',
  type: 'integer',
  values: BigInt64Array.from({ length: rows }, (_, i) => BigInt(i) * 1_000_000_007n),
});

/** Random matrices with random cuts into blocks. */
const matrices = fc
  .record({ rows: fc.integer({ min: 1, max: 40 }), width: fc.integer({ min: 1, max: 9 }) })
  .chain(({ rows, width }) =>
    fc.record({
      rows: fc.constant(rows),
      width: fc.constant(width),
      block: fc.integer({ min: 1, max: rows }),
      data: fc
        .array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: rows * width, maxLength: rows * width })
        .map((values) => Float32Array.from(values)),
    }),
  );

async function writeBlocks(writer: RowWriter, data: Float32Array, rows: number, width: number, block: number): Promise<void> {
  const reused = new Float32Array(block * width);
  for (let row = 0; row < rows; row += block) {
    const count = Math.min(block, rows - row);
    reused.set(data.subarray(row * width, (row + count) * width));
    await writer.write(row, count, width, reused);
    reused.fill(NaN);
  }
  await writer.close();
}

describe('feature writers', () => {
  it('write .npy files that read back to the same floats, however rows are cut into blocks', async () => {
    await fc.assert(
      fc.asyncProperty(matrices, async ({ rows, width, block, data }) => {
        const path = join(folder, 'a.npy');
        await writeBlocks(await openNpy(path, rows, width), data, rows, width, block);
        const read = await readNpy(path);
        assert.deepEqual([read.rows, read.cols], [rows, width]);
        assert.deepEqual(read.data, data);
      }),
      { numRuns: 30 },
    );
  });

  it('write Parquet files with the ids first and one float column a feature', async () => {
    await fc.assert(
      fc.asyncProperty(matrices, async ({ rows, width, block, data }) => {
        const path = join(folder, 'a.parquet');
        const ids = integerIds(rows);
        await writeBlocks(await openParquet(path, ids, width), data, rows, width, block);
        const bytes = readFileSync(path);
        const objects = await parquetReadObjects({ file: new Uint8Array(bytes).buffer });
        assert.deepEqual(
          objects.map((row) => Object.keys(row)[0]),
          objects.map(() => 'id'),
        );
        assert.deepEqual(
          objects.map(({ id }) => id as unknown),
          [...ids.values],
        );
        assert.deepEqual(Float32Array.from(objects.flatMap((row) => Object.values(row).slice(1) as number[])), data);
      }),
      { numRuns: 30 },
    );
  });

  it('write several row groups where one would not fit in memory', async () => {
    // 2 ** 23 values a group: four rows of this width fill one.
    const [rows, width] = [9, 2 ** 21];
    const data = Float32Array.from({ length: width }, (_, j) => j % 97);
    const path = join(folder, 'groups.npy');
    const writer = await openNpy(path, rows, width);
    for (let row = 0; row < rows; row++) await writer.write(row, 1, width, data);
    await writer.close();
    assert.equal((await readNpy(path)).data[8 * width + 98], 1);
    rmSync(path);
    const narrow = 2 ** 10;
    const many = 2 ** 13 + 5;
    const parquet = await openParquet(join(folder, 'groups.parquet'), integerIds(many), narrow);
    const row = new Float32Array(narrow);
    for (let i = 0; i < many; i++) await parquet.write(i, 1, narrow, row.fill(i));
    await parquet.close();
    const objects = await parquetReadObjects({
      file: new Uint8Array(readFileSync(join(folder, 'groups.parquet'))).buffer,
      columns: ['id', 'f1023'],
      rowStart: 2 ** 13 - 1,
    });
    assert.deepEqual(
      objects.map(({ f1023 }) => f1023 as number),
      Array.from({ length: 6 }, (_, i) => 2 ** 13 - 1 + i),
    );
  });

  it('write text ids, quoted in CSV where they need it', async () => {
    const ids: RowIds = { name: 'who', type: 'text', values: ['plain', 'a "quote", and comma', 'two\nlines'] };
    const path = join(folder, 'a.csv');
    await writeBlocks(await openFeatureCsv(path, ids, 2), Float32Array.of(0.1, 1, -2.5e-7, 3, 4, 5), 3, 2, 2);
    assert.equal(
      readFileSync(path, 'utf8'),
      'who,f0000,f0001\nplain,0.1,1\n"a ""quote"", and comma",-2.5e-7,3\n"two\nlines",4,5\n',
    );
  });

  it('leave no file under the final name before close, and none at all after discard', async () => {
    const own = mkdtempSync(join(folder, 'own-'));
    for (const name of ['a.npy', 'a.parquet', 'a.csv']) {
      const writer = await openFeatures(join(own, name), integerIds(2), 3);
      assert.ok(writer);
      await writer.write(0, 1, 3, new Float32Array(3));
      assert.ok(!readdirSync(own).includes(name));
      await assert.rejects(writer.close(), RangeError, 'a row is missing');
      await assert.rejects(writer.write(0, 1, 3, new Float32Array(3)), RangeError, 'the row was written already');
      await assert.rejects(writer.write(1, 1, 4, new Float32Array(4)), RangeError, 'another width');
      await writer.discard();
    }
    assert.deepEqual(readdirSync(own), []);
    assert.equal(openFeatures(join(own, 'a.xlsx'), integerIds(2), 3), undefined);
  });

  it('write CSV records of mixed fields', async () => {
    const path = join(folder, 'records.csv');
    const csv = await openCsv(path, ['id', 'a,b']);
    await csv.record([7n, 0.30000000000000004]);
    await csv.close();
    assert.equal(readFileSync(path, 'utf8'), 'id,"a,b"\n7,0.30000000000000004\n');
  });
});

describe('readNpy', () => {
  it('refuses what is not a whole .npy file of rows and columns', async () => {
    const path = join(folder, 'good.npy');
    await writeBlocks(await openNpy(path, 2, 2), Float32Array.of(1, 2, 3, 4), 2, 2, 2);
    const good = readFileSync(path);
    const bad = async (bytes: Uint8Array, message: RegExp): Promise<void> => {
      writeFileSync(path, bytes);
      await assert.rejects(readNpy(path), { code: 'DATA_FORMAT', message });
    };
    await bad(good.subarray(0, good.length - 1), /do not fit/);
    await bad(good.subarray(0, 20), /within its header/);
    await bad(new Uint8Array(40), /does not begin/);
    const edited = (from: string, to: string): Uint8Array => Buffer.from(good.toString('latin1').replace(from, to), 'latin1');
    await bad(edited("'<f4'", "'<i4'"), /header is/);
    await bad(edited('(2, 2)', '(2,2,1)'), /3 dimensions/);
    await assert.rejects(readNpy(join(folder, 'none.npy')), { code: 'DATA_NOT_FOUND' });
  });
});

describe('a file whose writer was killed', () => {
  it('leaves nothing behind once it is written again; what a live process writes is left alone', async () => {
    const here = mkdtempSync(join(folder, 'killed-'));
    const ended = spawnSync(process.execPath, ['-e', '']).pid;
    const name = (file: string, pid: number): string => `${file}.partial-${pid}`;
    const [stale, live, other] = [name('x.csv', ended), name('x.csv', process.ppid), name('y.csv', ended)];
    for (const file of [stale, live, other, 'x.csv.partial-notes']) writeFileSync(join(here, file), 'half');
    const csv = await openCsv(join(here, 'x.csv'), ['a']);
    await csv.close();
    assert.deepEqual(readdirSync(here).sort(), ['x.csv', live, other, 'x.csv.partial-notes'].sort());
  });
});
