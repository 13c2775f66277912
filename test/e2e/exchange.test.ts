/** Weights that come from PyTorch and models that leave for other runtimes, as a user moves them. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { InferenceSession, Tensor, type TypedTensor } from 'onnxruntime-node';
import { sequence, stream } from '../../src/base/rng.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/base/safetensors.ts';
import { readBundle, writeBundle } from '../../src/checkpoint/bundle.ts';
import { transform } from '../../src/dataset/encode.ts';
import { readNpy } from '../../src/dataset/npy.ts';
import { readTable } from '../../src/dataset/read.ts';
import { cpuEngine } from '../../src/engine/eager/engine.ts';
import type { LevelMap } from '../../src/engine/onnx/encoding.ts';
import { goldenFile, readGolden } from '../golden/golden.ts';
import { run, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const rows = 60;

/** The columns of the golden network: levels 2, 2 and 3, and four numbers. */
function writeTable(name: string): void {
  const draw = sequence(stream(1, name));
  const level = (...levels: string[]): string => levels[Math.floor(draw() * levels.length)] ?? '';
  const lines = Array.from({ length: rows }, () =>
    [
      level('yes', 'no'),
      level('1', '2'),
      level('a', 'b', 'c'),
      ...[1, 10, 100, 1e6].map((scale) => scale * draw()),
      draw(),
    ].join(),
  );
  writeFileSync(at(name), `flag,code,kind,w,x,y,z,target\n${lines.join('\n')}\n`);
}

const config = `
data: { train: train.csv, target: target, kinds: { code: categorical } }
noise: { swapProbability: { categorical: 0.2, numerical: { uniform: [0.1, 0.5] } } }
model: { kind: transformer, tokens: 4, tokenSize: 8, heads: 2, feedForward: 16, layers: 3 }
training: { batchSize: 20 }
ridge: { alphas: [1, 10], learningCurve: { labels: [] } }
`;

before(() => {
  writeTable('train.csv');
  writeTable('new.csv');
  writeFileSync(at('sweep.yaml'), config);
  copyFileSync(goldenFile('transformer.safetensors'), at('model.safetensors'));
});

const imports = ['--config', 'sweep.yaml', '--threads', '1', '-q'];

describe('noisefold import', () => {
  it('makes a bundle of what PyTorch wrote, whose features are those of the weights', async () => {
    const { stdout } = await run(0, folder, 'import', 'model.safetensors', '--out', 'imported', ...imports);
    assert.deepEqual(stdout().trimEnd().split('\n'), ['imported', 'imported/features.npy', 'imported/features.parquet']);
    await run(0, folder, 'features', '--model', 'imported', '--data', 'new.csv', '--out', 'new.npy', '--threads', '1', '-q');
    const found = await readNpy(at('new.npy'));
    assert.deepEqual([found.rows, found.cols], [rows, 96]);

    const { network, start } = readGolden('transformer');
    const bundle = await readBundle(at('imported'));
    const [member = assert.fail('no network')] = bundle.members;
    assert.deepEqual(member.network, network);
    assert.deepEqual(member.weights, start.weights);
    const { inputs } = transform(member.preprocessor, await readTable(at('new.csv'), bundle.reading));
    const session = await cpuEngine().features(network, [0, 1, 2], rows, start.weights);
    const expected = await session.run(inputs.data);
    found.data.forEach((value, i) => assert.ok(Math.abs(value - (expected[i] ?? NaN)) < 1e-5));
  });

  it('writes over an earlier import of the same weights, and over nothing else', async () => {
    await run(0, folder, 'import', 'model.safetensors', '--out', 'again', ...imports);
    const before = readFileSync(at('again/manifest.json'));
    writeFileSync(at('again/features.npy.partial-1'), 'of an import that was killed');
    await run(0, folder, 'import', 'model.safetensors', '--out', 'again', ...imports);
    assert.deepEqual(readFileSync(at('again/manifest.json')), before);

    const { tensors } = decodeSafetensors(readFileSync(at('model.safetensors')));
    const bias = tensors['excite.bias'] ?? assert.fail('no bias');
    bias.data[0] = 0.5;
    writeFileSync(at('other.safetensors'), encodeSafetensors(tensors));
    const other = await run(2, folder, 'import', 'other.safetensors', '--out', 'again', ...imports);
    assert.match(
      other.stderr(),
      /^OUTPUT_NOT_WRITABLE again: this folder holds an import of other weights, .*\n {2}Choose another/m,
    );
    assert.deepEqual(readFileSync(at('again/manifest.json')), before);

    mkdirSync(at('mine'));
    copyFileSync(at('model.safetensors'), at('mine/model.safetensors'));
    const mine = await run(2, folder, 'import', 'mine/model.safetensors', '--out', 'mine', ...imports);
    assert.match(mine.stderr(), /^OUTPUT_NOT_WRITABLE mine: this folder holds files that are no import \(model\.safetensors\)/m);
    assert.deepEqual(readdirSync(at('mine')), ['model.safetensors']);

    await writeBundle(at('best'), { ...(await readBundle(at('again'))), trial: 'trial-0003' });
    const best = await run(2, folder, 'import', 'model.safetensors', '--out', 'best', ...imports);
    assert.match(best.stderr(), /^OUTPUT_NOT_WRITABLE best: this folder holds the model of trial-0003 of the study /m);
  });

  it('refuses a protocol with a network a fold', async () => {
    const { stderr } = await run(
      2,
      folder,
      'import',
      'model.safetensors',
      '--out',
      'x',
      '--set',
      'protocol=inductive',
      ...imports,
    );
    assert.match(stderr(), /^CONFIG_INVALID protocol: .*one a fold/);
  });

  it('refuses weights of another network, naming what differs, before anything is written', async () => {
    copyFileSync(goldenFile('mlp.safetensors'), at('mlp.safetensors'));
    const { stderr } = await run(2, folder, 'import', 'mlp.safetensors', '--out', 'refused', ...imports);
    assert.match(stderr(), /^CHECKPOINT_MISMATCH mlp\.safetensors/);
    assert.match(stderr(), /missing: excite\.weight/);
    assert.match(stderr(), /unexpected: .*linear_1\.weight/);
    assert.throws(() => readFileSync(at('refused/manifest.json')), /ENOENT/);
  });
});

describe('noisefold export onnx', () => {
  /** Exports the bundle, and holds what ONNX Runtime makes of the new rows against `noisefold features`. Resolves to the number of features. */
  async function check(model: string): Promise<number> {
    const { stdout } = await run(0, folder, 'export', 'onnx', '--model', model, '--out', 'model.onnx', '-q');
    assert.equal(stdout(), 'model.onnx\nmodel.json\n');
    const files = ['--out', 'new.npy', '--predictions', 'new-predictions.csv'];
    await run(0, folder, 'features', '--model', model, '--data', 'new.csv', ...files, '--threads', '1', '-q');

    const { levels, numbers } = JSON.parse(readFileSync(at('model.json'), 'utf8')) as {
      levels: LevelMap[];
      numbers: string[];
    };
    const [header = [], ...lines] = readFileSync(at('new.csv'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(','));
    const cell = (line: readonly string[], column: string): string => line[header.indexOf(column)] ?? '';
    const indices = lines.flatMap((line) => levels.map(({ column, levels }) => levels[cell(line, column)] ?? -1));
    const values = lines.flatMap((line) => numbers.map((column) => Number(cell(line, column))));
    const session = await InferenceSession.create(at('model.onnx'), { intraOpNumThreads: 1 });
    const results = await session.run({
      levels: new Tensor('int32', Int32Array.from(indices), [lines.length, levels.length]),
      numbers: new Tensor('float64', Float64Array.from(values), [lines.length, numbers.length]),
    });
    await session.release();

    const expected = await readNpy(at('new.npy'));
    const features = results['features'] as TypedTensor<'float32'>;
    assert.deepEqual(features.dims, [expected.rows, expected.cols]);
    features.data.forEach((value, i) => assert.ok(Math.abs(value - (expected.data[i] ?? NaN)) < 1e-5));
    const predictions = readFileSync(at('new-predictions.csv'), 'utf8').trimEnd().split('\n').slice(1);
    const found = results['prediction'] as TypedTensor<'float64'>;
    assert.equal(found.data.length, predictions.length);
    predictions.forEach((line, i) => assert.ok(Math.abs(Number(line.split(',')[1]) - (found.data[i] ?? NaN)) < 1e-5));
    return expected.cols;
  }

  it('writes a model that ONNX Runtime runs from levels and numbers to the features and predictions of noisefold features', async () => {
    assert.equal(await check('imported'), 96);
  });

  it('writes the networks of all folds of an inductive study as one model', async () => {
    const inductive = ['--set', 'protocol=inductive', '--set', 'ridge.folds.count=3', '--set', 'training.epochs=2'];
    const fixed = ['--set', 'noise.numerical=0.2', '--set', 'data.rareBelow=22', '--threads', '1', '-q'];
    await run(0, folder, 'train', 'sweep.yaml', '--out', 'folds', ...inductive, ...fixed);
    assert.equal((await readBundle(at('folds/best'))).members.length, 3);
    // The folder of the training stands for its best/.
    assert.equal(await check('folds'), 3 * 96);
  });

  it('writes over an earlier export, and over nothing else: neither the model nor the .json beside it', async () => {
    const arguments_ = ['export', 'onnx', '--model', 'imported', '--out', 'kept.onnx', '-q'];
    for (const name of ['kept.json', 'kept.onnx']) {
      writeFileSync(at(name), '{ "name": "mine" }\n');
      const { stderr } = await run(2, folder, ...arguments_);
      assert.match(stderr(), new RegExp(`^OUTPUT_NOT_WRITABLE ${name}: a file is here that no export wrote`));
      assert.equal(readFileSync(at(name), 'utf8'), '{ "name": "mine" }\n');
      rmSync(at(name));
    }
    await run(0, folder, ...arguments_);
    const first = readFileSync(at('kept.onnx'));
    await run(0, folder, ...arguments_);
    assert.deepEqual(readFileSync(at('kept.onnx')), first);
  });

  it('refuses a folder without a model, and a file of another kind', async () => {
    const missing = await run(2, folder, 'export', 'onnx', '--model', 'nowhere', '--out', 'x.onnx', '-q');
    assert.match(missing.stderr(), /^DATA_NOT_FOUND nowhere/);
    const named = await run(2, folder, 'export', 'onnx', '--model', 'imported', '--out', 'x.pb', '-q');
    assert.match(named.stderr(), /^USAGE --out/);
  });
});
