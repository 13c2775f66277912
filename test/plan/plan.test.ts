import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError, type ErrorCode } from '../../src/base/errors.ts';
import { configHash, parseSweep } from '../../src/config/parse.ts';
import type { EncodedLayout } from '../../src/dataset/types.ts';
import { fixTrial } from '../../src/plan/fix.ts';
import { planStudy, stepsPerEpoch } from '../../src/plan/plan.ts';

/** Three categorical columns of 2, 5 and 12 levels, and two numerical ones. */
const layout: EncodedLayout = {
  binary: 19,
  numerical: 2,
  names: Array.from({ length: 21 }, (_, i) => `e${i}`),
  sources: [
    { name: 'sex', kind: 'categorical', levels: 2, encoded: [0, 1] },
    { name: 'cut', kind: 'categorical', levels: 5, encoded: [2, 3, 4, 5, 6] },
    { name: 'city', kind: 'categorical', levels: 12, encoded: Array.from({ length: 12 }, (_, i) => 7 + i) },
    { name: 'carat', kind: 'numerical', levels: 0, encoded: [19] },
    { name: 'depth', kind: 'numerical', levels: 0, encoded: [20] },
  ],
};
const data = { layout, rows: 1000 };

const sweep = (text = '') => parseSweep(`data: { train: a.csv, target: y }\n${text}`, 'f.yaml');

const fails = (code: ErrorCode, message: RegExp) => (thrown: unknown) => {
  assert(thrown instanceof NoisefoldError);
  assert.equal(thrown.code, code);
  assert.match(thrown.format(), message);
  return true;
};

describe('the swap probability of a column', () => {
  const noise = (text: string) => fixTrial(sweep(`noise: { swapProbability: ${text} }`), {}, layout).noise.swapProbability;

  it('is that of its kind', () => {
    assert.deepEqual(noise('{ numerical: 0.2, categorical: 0.6 }'), { sex: 0.6, cut: 0.6, city: 0.6, carat: 0.2, depth: 0.2 });
  });

  it('is that of its number of levels, where one is given', () => {
    assert.deepEqual(noise('{ categorical: 0.6, levels: { 2: 0.1, 9+: 0.9 } }'), {
      sex: 0.1,
      cut: 0.6,
      city: 0.9,
      carat: 0.25,
      depth: 0.25,
    });
  });

  it('is its own, where one is given', () => {
    const found = noise('{ levels: { 3-8: 0.3 }, columns: { cut: 0, depth: 1 } }');
    assert.deepEqual(found, { sex: 0.5, cut: 0, city: 0.5, carat: 0.25, depth: 1 });
  });

  it('is what the sampler drew, where it is searched', () => {
    const config = sweep('noise: { swapProbability: { numerical: { uniform: [0, 1] }, columns: { cut: { uniform: [0, 1] } } } }');
    const { noise: fixed } = fixTrial(config, { 'noise.numerical': 0.125, 'noise.columns.cut': 0.75 }, layout);
    assert.deepEqual(fixed.swapProbability, { sex: 0.5, cut: 0.75, city: 0.5, carat: 0.125, depth: 0.125 });
    assert.throws(() => fixTrial(config, { 'noise.numerical': 0.125 }, layout), fails('CONFIG_INVALID', /noise\.columns\.cut/));
  });

  it('is not taken from the members of every object', () => {
    const named = { ...layout, sources: [{ name: 'constructor', kind: 'numerical', levels: 0, encoded: [0] }] } as const;
    assert.deepEqual(fixTrial(sweep(), {}, named).noise.swapProbability, { constructor: 0.25 });
  });
});

describe('a trial that does not fit', () => {
  it('names columns that are no inputs, with a suggestion', () => {
    const config = sweep('noise: { swapProbability: { columns: { carrat: 0.1, zzz: 0.2 } } }');
    assert.throws(
      () => fixTrial(config, {}, layout),
      fails('CONFIG_INVALID', /`carrat` is not an input column; did you mean `carat`\?\n`zzz` is not an input column\n/),
    );
  });

  it('is refused by its shape', () => {
    const heads = sweep('model: { kind: transformer, heads: { integer: [1, 20000] } }');
    assert.throws(
      () => fixTrial(heads, { 'model.heads': 5 }, layout),
      fails('MODEL_SHAPE', /5 heads do not divide a tokenSize of 32/),
    );
    const config = { ...sweep(), features: { ...sweep().features, layers: [1, 3] } };
    assert.throws(() => fixTrial(config, {}, layout), fails('MODEL_SHAPE', /no hidden layer 3 in a network of 3/));
  });

  it('is refused where a searched probability has no column', () => {
    const config = sweep('noise: { swapProbability: { levels: { 20+: { uniform: [0, 1] } } } }');
    assert.throws(() => planStudy(config, data), fails('CONFIG_INVALID', /noise\.swapProbability\.levels\.20\+/));
    assert.equal(planStudy(sweep('noise: { swapProbability: { levels: { 20+: 0.5 } } }'), data).trials.length, 3);
  });
});

describe('the plan of a study', () => {
  const searched = sweep(`
noise: { swapProbability: { numerical: { choice: [0.1, 0.2] } } }
model: { kind: mlp, units: { choice: [16, 32] } }
training: { epochs: 3, batchSize: 64 }
search: { sampler: grid, trials: 4 }
`);
  const plan = planStudy(searched, data);

  it('has the raw baseline, an untrained one for each network, then the trials', () => {
    assert.deepEqual(
      plan.trials.map(({ id, kind, untrained }) => [id, kind, untrained]),
      [
        ['raw', 'raw', undefined],
        ['untrained-1', 'untrained', undefined],
        ['untrained-2', 'untrained', undefined],
        ['trial-0001', 'trained', 'untrained-1'],
        ['trial-0002', 'trained', 'untrained-2'],
        ['trial-0003', 'trained', 'untrained-1'],
        ['trial-0004', 'trained', 'untrained-2'],
      ],
    );
    assert.deepEqual(plan.trials[4]?.parameters, { 'noise.numerical': 0.1, 'model.units': 32 });
  });

  it('gives each trial one task, of whole batches; baselines train for no step', () => {
    assert.deepEqual(
      plan.tasks.map(({ id }) => id),
      ['raw/all/0-0', 'untrained-1/all/0-0', 'untrained-2/all/0-0', ...[1, 2, 3, 4].map((i) => `trial-000${i}/all/0-45`)],
    );
    assert.deepEqual(plan.tasks.at(-1), {
      id: 'trial-0004/all/0-45',
      trial: 'trial-0004',
      fold: 'all',
      rung: 0,
      fromStep: 0,
      toStep: 45,
    });
  });

  it('gives each trial a task for each fold where autoencoders are trained on those, of the fold’s own steps', () => {
    const inductive = planStudy(searched, { ...data, foldRows: [640, 639, 641] });
    assert.deepEqual(inductive.trials, plan.trials);
    assert.deepEqual(
      inductive.tasks.filter(({ trial }) => trial === 'trial-0002' || trial === 'raw').map(({ id, fold }) => [id, fold]),
      [
        ...[0, 1, 2].map((fold) => [`raw/${fold}/0-0`, fold]),
        ['trial-0002/0/0-30', 0],
        ['trial-0002/1/0-27', 1],
        ['trial-0002/2/0-30', 2],
      ],
    );
    assert.equal(new Set(inductive.tasks.map(({ id }) => id)).size, 21);
    assert.throws(
      () => planStudy(searched, { ...data, foldRows: [640, 63] }),
      fails('CONFIG_INVALID', /64 rows is more than the 63 rows/),
    );
  });

  it('keeps averaged weights and what the study makes of folds apart: the one is the trial’s, the other is not', () => {
    const config = sweep('training: { averageLast: 3 }\nfeatures: { folds: average }');
    const fixed = fixTrial(config, {}, layout);
    assert.equal(fixed.training.averageLast, 3);
    assert.deepEqual(fixed.features, { layers: 'all', inputs: false });
    assert.equal('averageLast' in fixTrial(sweep(), {}, layout).training, false);
    assert.equal(configHash(config), configHash(sweep('training: { averageLast: 3 }')));
    assert.notEqual(configHash(config), configHash(sweep()));
    assert.notEqual(configHash(sweep('protocol: inductive')), configHash(sweep()));
  });

  it('points each trial to a baseline of the same network and features, at epoch 0', () => {
    for (const trial of plan.trials.filter(({ kind }) => kind === 'trained')) {
      const baseline = plan.trials.find(({ id }) => id === trial.untrained);
      assert.deepEqual(baseline?.config.model, trial.config.model);
      assert.deepEqual(baseline.config.features, trial.config.features);
      assert.equal(baseline.config.training.epochs, 0);
    }
    assert.deepEqual(plan.trials[1]?.config.noise, plan.trials[3]?.config.noise);
  });

  it('is the same each time it is made, with ids that are unique', () => {
    assert.deepEqual(planStudy(searched, data), plan);
    assert.equal(new Set(plan.trials.map(({ id }) => id)).size, plan.trials.length);
    assert.equal(new Set(plan.tasks.map(({ id }) => id)).size, plan.tasks.length);
  });

  it('keeps its first trials when more are asked for', () => {
    const of = (trials: number) => {
      const config = sweep(`noise: { swapProbability: { numerical: { uniform: [0, 1] } } }\nsearch: { trials: ${trials} }`);
      return planStudy(config, data).trials.filter(({ kind }) => kind === 'trained');
    };
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), (n) => {
        assert.deepEqual(of(n), of(20).slice(0, n));
      }),
      { numRuns: 10 },
    );
  });

  it('refuses a batch of more rows than there are', () => {
    assert.throws(
      () => planStudy(searched, { layout, rows: 63 }),
      fails('CONFIG_INVALID', /training\.batchSize.*64 rows.*63 rows to train on/s),
    );
  });

  it('counts whole batches only', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 1, max: 1e4 }), (rows, batchSize) => {
        fc.pre(batchSize <= rows);
        const steps = stepsPerEpoch(rows, batchSize);
        assert(steps >= 1 && steps * batchSize <= rows && (steps + 1) * batchSize > rows);
      }),
    );
  });
});
