/** What a sweep leaves behind, that the seed alone decides it, and how trials that fail are told apart from studies that do. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { readNpy } from '../../src/dataset/npy.ts';
import { readTable } from '../../src/dataset/read.ts';
import type { RidgeScore } from '../../src/ridge/types.ts';
import {
  leases,
  run,
  type Run,
  smallSweep,
  studyAt,
  temporaryFolder,
  testRows,
  trainRows,
  writeDiamonds,
  startIn,
} from './harness.ts';

const folder = temporaryFolder();
const study = studyAt(folder, 'runs', 'small');
const trials = ['trial-0001', 'trial-0002', 'trial-0003'];
let first: Run;

before(async () => {
  writeDiamonds(folder);
  writeFileSync(join(folder, 'small.yaml'), smallSweep);
  first = await run(0, folder, 'sweep', 'small.yaml', '--workers', '2');
});

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Every file below a folder with its hash; `but` leaves some out. */
const hashes = (root: string, but: RegExp): Record<string, string> =>
  Object.fromEntries(
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => !but.test(path))
      .sort()
      .map((path) => [path.slice(root.length), sha256(readFileSync(path))]),
  );

describe('a sweep', () => {
  it('shows a leaderboard on standard output, and the path of what it wrote', () => {
    for (const id of ['raw', 'untrained-1', ...trials]) assert.match(first.stdout(), new RegExp(`^ *\\d+ +${id} `, 'm'));
    for (const name of ['report.md', 'ranking.csv', 'best/features.parquet', 'best/predictions.csv']) {
      assert.ok(first.stdout().includes(`runs/small/${name}`), name);
      assert.ok(existsSync(study.path(name)), name);
    }
    assert.doesNotMatch(first.stderr(), /error|defect|\x1b/i);
  });

  it('leaves a ranking with baselines, an error a fold, and paired differences', () => {
    const rows = study.table('ranking.csv');
    assert.deepEqual(rows.map(({ id }) => id).sort(), ['raw', ...trials, 'untrained-1']);
    const means = rows.map(({ mean }) => Number(mean));
    assert.deepEqual(
      means,
      means.toSorted((a, b) => a - b),
    );
    for (const row of rows) {
      const folds = [0, 1, 2, 3, 4].map((fold) => Number(row[`fold_${fold}`]));
      assert.ok(folds.every((rmse) => rmse > 0 && rmse < 1));
      assert.ok(Math.abs(folds.reduce((sum, rmse) => sum + rmse, 0) / 5 - Number(row['mean'])) < 1e-12);
      assert.equal(row['to_raw'] === '', row['kind'] === 'raw');
    }
    const { trials: json } = JSON.parse(study.text('ranking.json')) as { trials: { id: string; perFold: number[] }[] };
    assert.deepEqual(
      json.map(({ id, perFold }) => [id, String(perFold[0])]),
      rows.map(({ id, fold_0 }) => [id, fold_0]),
    );
    assert.deepEqual(
      study.table('timings.csv').map(({ trial, attempts }) => [trial, attempts]),
      ['raw', 'untrained-1', ...trials].map((id) => [id, '1']),
    );
  });

  it('leaves a folder a trial, whose checkpoint is the one that its manifest and the ranking name', () => {
    const checkpoints = new Map(study.table('ranking.csv').map(({ id, checkpoint }) => [id, checkpoint]));
    for (const id of trials) {
      const names = ['config.json', 'corruption.csv', 'history.csv', 'manifest.json', 'model.safetensors', 'score.json'];
      assert.deepEqual(readdirSync(study.path(`trials/${id}`)).sort(), names);
      const hash = sha256(study.bytes(`trials/${id}/model.safetensors`));
      assert.equal((JSON.parse(study.text(`trials/${id}/manifest.json`)) as { sha256: string }).sha256, hash);
      assert.equal(checkpoints.get(id), hash);
      assert.equal(study.table(`trials/${id}/history.csv`).length, 4);
    }
  });

  it('leaves the best trained model whole, with features of every row and predictions of the rows without target', async () => {
    const { files } = JSON.parse(study.text('best/manifest.json')) as {
      files: Record<string, { sha256: string; bytes: number }>;
    };
    assert.deepEqual(Object.keys(files).sort(), ['bundle.json', 'model.safetensors', 'preprocessor.json', 'ridge.safetensors']);
    for (const [name, { sha256: hash, bytes }] of Object.entries(files))
      assert.deepEqual([sha256(study.bytes(`best/${name}`)), study.bytes(`best/${name}`).length], [hash, bytes], name);
    const bundle = JSON.parse(study.text('best/bundle.json')) as { trial: string };
    assert.equal(bundle.trial, study.table('ranking.csv').find(({ kind }) => kind === 'trained')?.['id']);

    const npy = await readNpy(study.path('best/features.npy'));
    assert.deepEqual([npy.rows, npy.cols], [trainRows + testRows, 32]);
    const parquet = await readTable(study.path('best/features.parquet'), { missing: [] });
    assert.deepEqual([parquet.rows, parquet.columns.length, parquet.columns[0]?.name], [trainRows + testRows, 33, 'id']);
    const predictions = study.table('best/predictions.csv');
    assert.deepEqual(
      predictions.map(({ id }) => Number(id)),
      Array.from({ length: testRows }, (_, i) => trainRows + i),
    );
    assert.ok(predictions.every(({ prediction }) => Number(prediction) > 0 && Number(prediction) < 100_000));
  });

  it('leaves a report that names every trial and the protocol', () => {
    for (const part of ['transductive', 'raw', 'untrained-1', ...trials]) assert.ok(study.text('report.md').includes(part), part);
  });

  it('gives the same bytes for the same seed with another number of workers and threads', async () => {
    // A key for a coordinator elsewhere is nothing to the workers of a sweep.
    const elsewhere = { env: { NOISEFOLD_KEY: '/nonexistent/worker.json' } };
    const other = startIn(elsewhere, folder, 'sweep', 'small.yaml', '--workers', '1', '--threads', '2', '--output', 'other');
    assert.equal(await other.ended, 0, other.stderr());
    const machine = /study\.db|log\.jsonl|timings\.csv|report\.md|artifacts/;
    assert.deepEqual(hashes(join(folder, 'other'), machine), hashes(join(folder, 'runs'), machine));
  });

  it('runs nothing when it is finished already, and writes the same', async () => {
    const before = hashes(study.folder, /study\.db|log\.jsonl/);
    const again = await run(0, folder, 'sweep', 'small.yaml');
    assert.ok(again.stdout().includes('runs/small/ranking.csv'));
    assert.deepEqual(hashes(study.folder, /study\.db|log\.jsonl/), before);
    assert.deepEqual(new Set(Object.values(leases(study))), new Set([1]));
  });

  it('is not taken up with another configuration, nor with other data', async () => {
    const before = hashes(study.folder, /study\.db/);
    const config = await run(2, folder, 'sweep', 'small.yaml', '--set', 'training.epochs=5');
    assert.match(config.stderr(), /^CONFIG_CHANGED .*runs\/small: .*another configuration\n/m);
    cpSync(join(folder, 'test.csv'), join(folder, 'test.bak'));
    appendFileSync(join(folder, 'test.csv'), '9999,0.3,Ideal,E,SI2,61.5,55,4,4,2.5\n');
    const data = await run(2, folder, 'sweep', 'small.yaml');
    cpSync(join(folder, 'test.bak'), join(folder, 'test.csv'));
    assert.match(data.stderr(), /^CONFIG_CHANGED .*runs\/small: .*other data \(the tables have changed\)\n/m);
    assert.deepEqual(hashes(study.folder, /study\.db/), before);
  });
});

describe('the model that a sweep leaves', () => {
  it('gives the features in best/ again, to the byte, and ridge on them the error in the ranking', async () => {
    await run(0, folder, 'features', '--model', 'runs/small/best', '--data', 'test.csv', '--out', 'test.npy');
    const values = (path: string): Buffer => readFileSync(path).subarray(-testRows * 32 * Float32Array.BYTES_PER_ELEMENT);
    assert.ok(values(join(folder, 'test.npy')).equals(values(study.path('best/features.npy'))));

    const on = ['--features', 'runs/small/best/features.npy', '--data', 'train.csv', 'test.csv', '--target', 'price'];
    const options = ['--log', '--alphas', '1,10,100', '--seed', '1', '--json'];
    const { score } = JSON.parse((await run(0, folder, 'ridge', ...on, ...options)).stdout()) as { score: RidgeScore };
    const best = study.table('ranking.csv').find(({ kind }) => kind === 'trained');
    score.folds.forEach(({ metrics }, fold) => {
      const rmse = metrics[score.best]?.rmse ?? NaN;
      assert.ok(Math.abs(rmse - Number(best?.[`fold_${fold}`])) < 1e-6, `fold ${fold}: ${rmse}`);
    });
  });
});

describe('a trial that diverges', () => {
  it('fails with the reason, and the others finish; the report names it', async () => {
    const rates = '{choice: [0.003, 1]}';
    const grid = ['--set', 'search.sampler=grid', '--set', 'search.trials=2'];
    const fixed = ['--set', 'noise.numerical=0.2', '--set', 'noise.categorical=0.2'];
    const output = ['--output', 'diverging', '--workers', '2'];
    const swept = await run(
      0,
      folder,
      'sweep',
      'small.yaml',
      ...grid,
      ...fixed,
      '--set',
      `training.learningRate=${rates}`,
      ...output,
    );
    const diverging = studyAt(folder, 'diverging', 'small');
    const failed = trials.filter((id) => existsSync(diverging.path(`trials/${id}/error.json`)));
    assert.equal(failed.length, 1);
    const [id = ''] = failed;
    assert.match(diverging.text(`trials/${id}/error.json`), /"code": "TRAIN_DIVERGED"/);
    assert.match(swept.stderr(), new RegExp(`${id} failed.*TRAIN_DIVERGED`));
    assert.match(diverging.text('report.md'), new RegExp(`${id}.*TRAIN_DIVERGED`));
    assert.equal(leases(diverging)[id], 1, 'a diverged trial is not worth another attempt');
    assert.deepEqual(
      diverging
        .table('ranking.csv')
        .map(({ kind }) => kind)
        .sort(),
      ['raw', 'trained', 'untrained'],
    );
  });

  it('fails the study when every trial does', async () => {
    const output = ['--output', 'hopeless', '--workers', '2'];
    const swept = await run(
      1,
      folder,
      'sweep',
      'small.yaml',
      '--set',
      'training.learningRate=1',
      '--set',
      'search.trials=2',
      ...output,
    );
    assert.match(swept.stderr(), /^STUDY_FAILED .*hopeless\/small\/trials: no trial was scored/m);
    assert.equal(studyAt(folder, 'hopeless', 'small').table('ranking.csv').length, 2);
  });
});
