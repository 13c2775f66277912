/** The inductive protocol from the command line: a network a fold, whose ranking and model are the seed's alone. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { readBundle } from '../../src/checkpoint/bundle.ts';
import { readNpy } from '../../src/dataset/npy.ts';
import { run, smallSweep, start, studyAt, temporaryFolder, testRows, trainRows, until, writeDiamonds } from './harness.ts';

const folder = temporaryFolder();
const study = studyAt(folder, 'runs', 'small');
const options = ['--set', 'protocol=inductive', '--set', 'search.trials=2', '--set', 'ridge.folds.count=3'];
const more = ['--set', 'training.averageLast=2', '--set', 'training.epochs=12'];
const sweep = ['sweep', 'small.yaml', ...options, ...more];

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
const machine = /study\.db|log\.jsonl|timings\.csv|report\.md|artifacts/;
const hashes = (root: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(root, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !machine.test(path))
      .sort()
      .map((path) => [path.slice(root.length), sha256(readFileSync(path))]),
  );

before(async () => {
  writeDiamonds(folder);
  writeFileSync(join(folder, 'small.yaml'), smallSweep);
  const first = start(folder, ...sweep, '--workers', '2');
  await until(first, 'checkpoint of a fold', () => study.log().some(({ message }) => /^checkpoint at step [1-9]/.test(message)));
  first.interrupt();
  assert.equal(await first.ended, 75, first.stderr());
  assert.match(first.stderr(), /\d of 2 trials and \d of 2 baselines are done; /);
  await run(0, folder, ...sweep, '--workers', '2');
});

describe('an inductive sweep', () => {
  it('that was interrupted and taken up again leaves the bytes of one that was not, with another number of workers', async () => {
    await run(0, folder, ...sweep, '--workers', '1', '--output', 'other');
    assert.deepEqual(hashes(join(folder, 'other')), hashes(join(folder, 'runs')));
  });

  it('says in ranking and report which protocol it is of', () => {
    assert.deepEqual(new Set(study.table('ranking.csv').map(({ protocol }) => protocol)), new Set(['inductive']));
    assert.match(study.text('report.md'), /Protocol: \*\*inductive\*\*\. One autoencoder a trial and fold/);
  });

  it('leaves a folder a fold, and the checkpoint that the ranking names lists theirs', () => {
    for (const { id = '', kind, checkpoint } of study.table('ranking.csv')) {
      if (kind === 'raw') continue;
      assert.equal(sha256(study.bytes(`trials/${id}/folds.json`)), checkpoint);
      const { folds } = JSON.parse(study.text(`trials/${id}/folds.json`)) as { folds: { fold: number; checkpoint: string }[] };
      for (const { fold, checkpoint: own } of folds)
        assert.equal(sha256(study.bytes(`trials/${id}/fold-${fold}/model.safetensors`)), own);
      assert.equal(folds.length, 3);
      assert.equal(existsSync(study.path(`trials/${id}/fold-2/history.csv`)), kind === 'trained');
    }
    assert.deepEqual(
      study.table('timings.csv').map(({ trial, fold }) => `${trial}/${fold}`),
      ['raw', 'untrained-1', 'trial-0001', 'trial-0002'].flatMap((trial) => [0, 1, 2].map((fold) => `${trial}/${fold}`)),
    );
  });

  it('leaves one model of all folds, which gives features and predictions of new rows', async () => {
    const { members, ridgeWeights } = await readBundle(study.path('best'));
    assert.deepEqual([members.length, ridgeWeights.length], [3, 3 * 32 + 1]);
    const npy = await readNpy(study.path('best/features.npy'));
    assert.deepEqual([npy.rows, npy.cols], [trainRows + testRows, 96]);
    const outputs = ['--out', 'test.npy', '--predictions', 'test-predictions.csv'];
    await run(0, folder, 'features', '--model', 'runs/small/best', '--data', 'test.csv', ...outputs);
    const values = (path: string): Buffer => readFileSync(path).subarray(-testRows * 96 * Float32Array.BYTES_PER_ELEMENT);
    assert.ok(values(join(folder, 'test.npy')).equals(values(study.path('best/features.npy'))));
    assert.ok(readFileSync(join(folder, 'test-predictions.csv')).equals(study.bytes('best/predictions.csv')));
  });

  it('makes only the model again when the folds are to be averaged', async () => {
    const ranking = study.bytes('ranking.csv');
    await run(0, folder, ...sweep, '--set', 'features.folds=average');
    assert.ok(study.bytes('ranking.csv').equals(ranking));
    assert.equal((await readNpy(study.path('best/features.npy'))).cols, 32);
    assert.equal((await readBundle(study.path('best'))).combine, 'average');
  });
});
