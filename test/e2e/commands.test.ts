/** The single steps as a user runs them: real processes, a table of 600 rows, a network of 8 units. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readNpy } from '../../src/dataset/npy.ts';
import { readTable } from '../../src/dataset/read.ts';
import type { RidgeScore } from '../../src/ridge/types.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const loader = import.meta.resolve('tsx');
const folder = mkdtempSync(join(tmpdir(), 'noisefold-commands-'));
after(() => rmSync(folder, { recursive: true }));

const options = { cwd: folder, encoding: 'utf8' } as const;
const noisefold = (...args: readonly string[]) => spawnSync(process.execPath, ['--import', loader, main, ...args], options);

function succeed(...args: readonly string[]): string {
  const { status, stdout, stderr } = noisefold(...args);
  assert.equal(status, 0, stderr);
  return stdout;
}

const config = `
seed: 3
data: { train: data/train.csv, test: data/test.csv, target: target, id: id }
noise: { swapProbability: { numerical: { uniform: [0.1, 0.4] } } }
model: { kind: mlp, units: 8, layers: 2 }
training: { epochs: 4, batchSize: 32 }
ridge: { alphas: [1, 10] }
`;
const fixed = ['small.yaml', '--set', 'noise.numerical=0.2', '--threads', '1'];

before(() => {
  const stdout = succeed(
    'data',
    'generate',
    '--like',
    'tps-feb-2021',
    '--rows',
    '500',
    '--test-rows',
    '100',
    '--out',
    'data',
    '-q',
  );
  assert.equal(stdout, 'data/train.csv\ndata/test.csv\n');
  writeFileSync(join(folder, 'small.yaml'), config);
});

describe('noisefold train, features, ridge', () => {
  let score: RidgeScore;
  before(() => {
    const stdout = succeed('train', ...fixed, '--out', 'out', '--quiet');
    assert.match(stdout, /raw inputs.*\n.*untrained network.*\n.*trained network/);
    score = JSON.parse(readFileSync(join(folder, 'out/score.json'), 'utf8')) as RidgeScore;
  });

  it('train writes features of every row, train then test, and predictions for the test rows', async () => {
    const features = await readNpy(join(folder, 'out/best/features.npy'));
    assert.deepEqual([features.rows, features.cols], [600, 16]);
    const table = await readTable(join(folder, 'out/best/features.parquet'), { missing: [] });
    assert.deepEqual([table.rows, table.columns.length, table.columns[0]?.name], [600, 17, 'id']);
    const lines = readFileSync(join(folder, 'out/best/predictions.csv'), 'utf8').trimEnd().split('\n');
    assert.equal(lines[0], 'id,prediction');
    assert.deepEqual(
      lines.slice(1).map((line) => line.split(',')[0]),
      Array.from({ length: 100 }, (_, i) => String(500 + i)),
    );
  });

  it('features of the same rows are the same bytes, and so are the predictions', () => {
    succeed(
      'features',
      '--model',
      'out/best',
      '--data',
      'data/test.csv',
      '--out',
      'test.npy',
      '--predictions',
      'p.csv',
      '--threads',
      '1',
    );
    const all = readFileSync(join(folder, 'out/best/features.npy'));
    const test = readFileSync(join(folder, 'test.npy'));
    assert.deepEqual(test.subarray(-100 * 16 * 4), all.subarray(-100 * 16 * 4));
    assert.equal(readFileSync(join(folder, 'p.csv'), 'utf8'), readFileSync(join(folder, 'out/best/predictions.csv'), 'utf8'));
  });

  it('features takes the folder of a study or a training for its best/, and says so', () => {
    const { status, stderr } = noisefold('features', '--model', 'out', '--data', 'data/test.csv', '--out', 'by-folder.npy');
    assert.equal(status, 0, stderr);
    assert.match(stderr, /^The model is out\/best$/m);
    assert.deepEqual(readFileSync(join(folder, 'by-folder.npy')), readFileSync(join(folder, 'test.npy')));
  });

  it('ridge on the features gives the score that train gave', () => {
    const given = ['--data', 'data/train.csv', 'data/test.csv', '--target', 'target', '--seed', '3', '--alphas', '10,1'];
    for (const file of ['features.npy', 'features.parquet']) {
      const found = JSON.parse(succeed('ridge', '--features', `out/best/${file}`, ...given, '--json')) as { score: RidgeScore };
      assert.deepEqual(
        found.score.folds.map(({ rows }) => rows),
        score.folds.map(({ rows }) => rows),
      );
      found.score.folds.forEach(({ metrics }, fold) =>
        metrics.forEach(({ rmse }, alpha) => {
          const other = score.folds[fold]?.metrics[alpha]?.rmse ?? NaN;
          assert.ok(Math.abs(rmse - other) < 1e-9 * other, `fold ${fold}: ${rmse} and ${other}`);
        }),
      );
    }
  });

  it('ridge reads tables as a study was told to: with its delimiter, and its texts for missing values', () => {
    const lines = Array.from({ length: 40 }, (_, i) => `${(i * 7) % 11}:${i === 3 ? '?' : (i * 5) % 13}`);
    writeFileSync(join(folder, 'colons.csv'), ['x:y', ...lines].join('\n'));
    const given = ['ridge', '--features', 'colons.csv', '--target', 'y', '--delimiter', ':', '--json'];
    const { score } = JSON.parse(succeed(...given, '--missing', '?', 'n/a')) as { score: RidgeScore };
    assert.equal(score.features, 1);
    assert.equal(
      score.folds.reduce((sum, { rows }) => sum + rows, 0),
      39,
    );
    assert.match(noisefold(...given).stderr, /^DATA_TARGET colons.csv:5:4: .*"\?"/m);
  });

  it('an interrupted training goes on where it stopped, to the same bytes', async () => {
    const long = ['train', ...fixed, '--set', 'training.epochs=400', '--set', 'training.checkpointEveryEpochs=1000', '-q'];
    succeed(...long, '--out', 'straight');
    const child = spawn(process.execPath, ['--import', loader, main, ...long.slice(0, -1), '--out', 'stopped'], { cwd: folder });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (text.includes('training: 0')) child.kill('SIGINT');
    });
    const [code] = (await once(child, 'exit')) as [number];
    assert.equal(code, 75);
    const { step } = JSON.parse(readFileSync(join(folder, 'stopped/checkpoint.json'), 'utf8')) as { step: number };
    assert.ok(step < 400 * 18, `stopped at step ${step}`);
    succeed(...long, '--out', 'stopped');
    for (const file of ['model.safetensors', 'history.csv', 'best/features.npy', 'best/predictions.csv'])
      assert.ok(readFileSync(join(folder, 'stopped', file)).equals(readFileSync(join(folder, 'straight', file))), file);
  });
});

describe('what is wrong is said with a code, on standard error, before anything is written', () => {
  const refusals: readonly (readonly [why: string, exit: number, message: RegExp, args: readonly string[]])[] = [
    ['an unknown command', 2, /^USAGE: .*train/, ['trian']],
    ['an unknown option', 2, /^USAGE: .*bogus/, ['train', 'small.yaml', '--bogus']],
    ['no configuration', 2, /^CONFIG_NOT_FOUND none\.yaml/, ['train', 'none.yaml', '--out', 'no']],
    [
      'searched parameters',
      2,
      /^CONFIG_INVALID: .*noise\.numerical\n.*--set noise\.numerical=0\.25/,
      ['train', 'small.yaml', '--out', 'no'],
    ],
    [
      'another configuration in the folder',
      2,
      /^CONFIG_CHANGED out: .*another configuration\n {2}training\.epochs: 4 -> 5\n/m,
      ['train', ...fixed, '--set', 'training.epochs=5', '--out', 'out'],
    ],
    [
      'a folder without a bundle',
      2,
      /^DATA_NOT_FOUND data: .*bundle/,
      ['features', '--model', 'data', '--data', 'data/test.csv', '--out', 'no.npy'],
    ],
    [
      'text where the model knows numbers, without advice on a configuration that is not there',
      2,
      /^DATA_NOT_NUMERIC text\.csv:2:\d+: .*"cont0".*\n {2}The model was trained on numbers/,
      ['features', '--model', 'out/best', '--data', 'text.csv', '--out', 'no.npy'],
    ],
    ['results below a file', 2, /^OUTPUT_NOT_WRITABLE small\.yaml\/x: /m, ['train', ...fixed, '--out', 'small.yaml/x']],
    [
      'features below a file, before they are computed',
      2,
      /^OUTPUT_NOT_WRITABLE small\.yaml: /,
      ['features', '--model', 'out/best', '--data', 'data/test.csv', '--out', 'small.yaml/x.npy'],
    ],
    [
      'features over the rows that they are of',
      2,
      /^OUTPUT_NOT_WRITABLE \.\/data\/test\.csv: .*over the file that they are made from/,
      ['features', '--model', 'out/best', '--data', 'data/test.csv', '--out', './data/test.csv'],
    ],
    [
      'a generated table below a file',
      2,
      /^OUTPUT_NOT_WRITABLE /,
      ['data', 'generate', '--like', 'tps-feb-2021', '--out', 'small.yaml'],
    ],
    [
      'a target that is not there, by its option, and without a list of features',
      2,
      /^DATA_UNKNOWN_COLUMN .*--target names the column "nope".*\n {2}The columns are: id\.$/m,
      ['ridge', '--features', 'out/best/features.parquet', '--target', 'nope'],
    ],
    [
      'rows that do not match',
      2,
      /^DATA_MISMATCH --data: .*600 rows.*500/,
      ['ridge', '--features', 'out/best/features.npy', '--data', 'data/train.csv', '--target', 'target'],
    ],
    [
      'text among the features',
      2,
      /^DATA_NOT_NUMERIC .*--drop cat0/s,
      ['ridge', '--features', 'data/train.csv', '--target', 'target'],
    ],
  ];
  before(() => {
    const [header = '', row = ''] = readFileSync(join(folder, 'data/test.csv'), 'utf8').split('\n');
    const fields = row.split(',');
    fields[header.split(',').indexOf('cont0')] = 'much';
    writeFileSync(join(folder, 'text.csv'), `${header}\n${fields.join(',')}\n`);
  });
  for (const [why, exit, message, args] of refusals)
    it(why, () => {
      const { status, stdout, stderr } = noisefold(...args);
      assert.deepEqual([status, stdout], [exit, '']);
      assert.match(stderr, message);
      assert.ok(!existsSync(join(folder, 'no')));
    });
});

describe('noisefold data inspect', () => {
  it('shows every column with its kind, as a table or as JSON', () => {
    assert.match(
      succeed('data', 'inspect', 'data/train.csv', '--target', 'target'),
      /cat9.*categorical.*\n[^]*cont0.*numerical[^]*target.*target/,
    );
    const { rows, columns } = JSON.parse(succeed('data', 'inspect', 'data/train.csv', 'data/test.csv', '--json')) as {
      rows: number;
      columns: { name: string }[];
    };
    assert.deepEqual([rows, columns.length], [600, 26]);
  });

  it('refuses to count the rows of a file twice', () => {
    const { status, stderr } = noisefold('data', 'inspect', 'data/train.csv', './data/train.csv');
    assert.equal(status, 2);
    assert.match(stderr, /^USAGE: \.\/data\/train\.csv is named twice/);
  });
});

describe('noisefold config schema', () => {
  it('prints a JSON Schema', () => {
    assert.ok('properties' in (JSON.parse(succeed('config', 'schema')) as object));
  });
});
