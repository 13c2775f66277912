import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { loadStudyInputs, rowIds } from '../../src/cli/context.ts';

const folder = mkdtempSync(join(tmpdir(), 'noisefold-context-'));
after(() => rmSync(folder, { recursive: true }));

describe('loadStudyInputs', () => {
  it('reads a configuration and the data beside it, and logs what is doubtful', async () => {
    const rows = Array.from({ length: 40 }, (_, i) => `${i},${'abc'[i % 3]},${i * 1.5},7,${Math.sin(i)}`);
    writeFileSync(join(folder, 'train.csv'), `id,kind,size,same,y\n${rows.join('\n')}\n`);
    writeFileSync(join(folder, 'small.yaml'), 'data: { train: train.csv, target: y, id: id }\ntraining: { batchSize: 8 }\n');
    const said: string[] = [];
    const log = { log: (level: string, message: string) => void said.push(`${level} ${message}`) };
    const { config, prepared } = await loadStudyInputs(join(folder, 'small.yaml'), log, ['training.epochs=3']);
    assert.equal(config.study, 'small');
    assert.equal(config.training.epochs, 3);
    assert.equal(config.data.train, join(folder, 'train.csv'));
    assert.deepEqual([prepared.data.inputs.rows, prepared.data.inputs.cols], [40, 4]);
    assert.ok(said.some((line) => line.startsWith('warn') && line.includes('same')));
    assert.ok(said.some((line) => line.startsWith('info') && line.includes('40 rows')));
  });

  it('says which configuration is not there, or that it is a folder', async () => {
    const log = { log: () => {} };
    await assert.rejects(loadStudyInputs(join(folder, 'none.yaml'), log), {
      code: 'CONFIG_NOT_FOUND',
      where: join(folder, 'none.yaml'),
    });
    await assert.rejects(loadStudyInputs(folder, log), { code: 'CONFIG_NOT_FOUND', message: /folder/ });
  });
});

describe('rowIds', () => {
  it('are integers where every id is a plain one, else text as it stands', () => {
    assert.deepEqual(rowIds('id', ['0', '-7', '900719925474099312']), {
      name: 'id',
      type: 'integer',
      values: BigInt64Array.of(0n, -7n, 900719925474099312n),
    });
    for (const odd of ['007', 'a', '', '1.5', '-0', '99999999999999999999'])
      assert.deepEqual(rowIds('id', ['1', odd]), { name: 'id', type: 'text', values: ['1', odd] });
    assert.equal(rowIds(undefined, ['1']).name, 'row');
  });
});
