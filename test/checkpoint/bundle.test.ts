import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { decodeSafetensors } from '../../src/base/safetensors.ts';
import { writeCheckpointFiles } from '../../src/checkpoint/files.ts';
import { bundleVersions, type ModelBundle, readBundle, writeBundle } from '../../src/checkpoint/bundle.ts';
import type { Preprocessor } from '../../src/dataset/encode.ts';
import type { NetworkSpec } from '../../src/model/types.ts';
import { initialState } from '../../src/model/parameters.ts';

const root = mkdtempSync(join(tmpdir(), 'noisefold-bundle-'));
after(() => rmSync(root, { recursive: true }));
const fresh = (): string => mkdtempSync(join(root, 'best-'));

const loss = { emphasis: 0.75, maskWeight: 2 };
const network: NetworkSpec = {
  model: { kind: 'mlp', units: 4, layers: 2 },
  binary: 2,
  numerical: 1,
  categoricalSources: 1,
  numericalSources: 1,
  loss,
};

const narrow: NetworkSpec = { ...network, binary: 0, categoricalSources: 0 };

const preprocessor: Preprocessor = {
  version: 1,
  columns: [
    { kind: 'categorical', name: 'cut', levels: ['Fair', 'Good'], rare: [], missing: false, numbers: false },
    { kind: 'numerical', name: 'carat', median: 0.7, mean: 0.1 + 0.2, deviation: 1 / 3, missing: false },
  ],
  ignored: ['price', 'id'],
};

const bundle: ModelBundle = {
  noisefold: '0.1.0',
  study: 'small',
  seed: 7,
  trial: 'trial-0001',
  data: 'ab'.repeat(32),
  config: {
    noise: { flavour: 'group', swapProbability: { cut: 0.5, carat: 0.25 } },
    model: network.model,
    training: { epochs: 1, batchSize: 8, learningRate: 1e-3, learningRateDecay: 1, loss, checkpointEveryEpochs: 1 },
    features: { layers: 'all', inputs: false },
  },
  target: { column: 'price', task: 'regression', transform: 'log' },
  id: 'id',
  reading: { missing: ['NA'] },
  ridge: { alpha: 50 },
  members: [{ preprocessor, network, weights: initialState(network, 7).weights }],
  combine: 'concatenate',
  ridgeWeights: Float64Array.from({ length: 9 }, (_, i) => Math.sin(i) / 3),
};

/** Of an inductive study: a network a fold, the second of which never saw `Fair`. */
const folds: ModelBundle = {
  ...bundle,
  members: [
    ...bundle.members,
    {
      preprocessor: { ...preprocessor, columns: preprocessor.columns.slice(1) },
      network: narrow,
      weights: initialState(narrow, 7).weights,
    },
  ],
  ridgeWeights: Float64Array.from({ length: 17 }, (_, i) => Math.cos(i) / 3),
};

describe('a model bundle', () => {
  it('reads back equal, to the last bit', async () => {
    const folder = fresh();
    await writeBundle(folder, bundle);
    assert.deepEqual(await readBundle(folder), bundle);
  });

  it('holds a network a fold just as well, in folders of their own, and says so in its version', async () => {
    const folder = fresh();
    await writeBundle(folder, folds);
    assert.deepEqual(await readBundle(folder), folds);
    assert.match(readFileSync(join(folder, 'manifest.json'), 'utf8'), /"fold-1\/model\.safetensors"[^]*"version": 2/);
    rmSync(join(folder, 'fold-1/model.safetensors'));
    await assert.rejects(readBundle(folder), { code: 'CHECKPOINT_CORRUPT', where: join(folder, 'fold-1/model.safetensors') });
  });

  it('is the same bytes for the same model', async () => {
    const [one, two] = [fresh(), fresh()];
    await writeBundle(one, bundle);
    await writeBundle(two, bundle);
    assert.equal(readFileSync(join(one, 'manifest.json'), 'utf8'), readFileSync(join(two, 'manifest.json'), 'utf8'));
  });

  it('names the weights as a state_dict does', async () => {
    const folder = fresh();
    await writeBundle(folder, bundle);
    const { tensors } = decodeSafetensors(readFileSync(join(folder, 'model.safetensors')));
    assert.deepEqual(tensors['linear_1.weight']?.shape, [4, 3]);
  });

  it('replaces an older bundle in its folder', async () => {
    const folder = fresh();
    await writeBundle(folder, bundle);
    await writeBundle(folder, { ...bundle, trial: 'trial-0002' });
    assert.equal((await readBundle(folder)).trial, 'trial-0002');
  });

  for (const name of ['bundle.json', 'preprocessor.json', 'model.safetensors', 'ridge.safetensors'])
    it(`is refused when one bit of ${name} has changed, or the file is gone`, async () => {
      const folder = fresh();
      await writeBundle(folder, bundle);
      const bytes = readFileSync(join(folder, name));
      bytes[bytes.length - 2] = (bytes[bytes.length - 2] ?? 0) ^ 1;
      writeFileSync(join(folder, name), bytes);
      await assert.rejects(readBundle(folder), { code: 'CHECKPOINT_CORRUPT', where: join(folder, name) });
      rmSync(join(folder, name));
      await assert.rejects(readBundle(folder), { code: 'CHECKPOINT_CORRUPT', where: join(folder, name) });
    });

  it('is refused when its version is another', async () => {
    const folder = fresh();
    await writeBundle(folder, bundle);
    const path = join(folder, 'manifest.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace(`"version": ${bundleVersions.one}`, '"version": 99'));
    await assert.rejects(readBundle(folder), { code: 'CHECKPOINT_MISMATCH', message: /version 99/ });
  });

  it('is not the folder of a trial, which says where the bundle is', async () => {
    const study = fresh();
    const trial = join(study, 'trials/trial-0001');
    await writeCheckpointFiles(trial, Uint8Array.of(1));
    await assert.rejects(readBundle(trial), { code: 'DATA_NOT_FOUND', where: trial, message: /of a trial/, hint: /best\// });
    await writeBundle(join(study, 'best'), bundle);
    await assert.rejects(readBundle(trial), {
      code: 'DATA_NOT_FOUND',
      hint: `The bundle of the best trial is ${join(study, 'best')}`,
    });
  });

  it('is not there without a manifest: a folder that was not written to its end is no bundle', async () => {
    await assert.rejects(readBundle(fresh()), { code: 'DATA_NOT_FOUND' });
    const folder = fresh();
    writeFileSync(join(folder, 'manifest.json'), '{"format": "something"}');
    await assert.rejects(readBundle(folder), { code: 'CHECKPOINT_CORRUPT' });
  });
});
