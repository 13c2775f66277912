import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { NoisefoldError } from '../../src/base/errors.ts';
import { configHash, parseSweep, resolvePaths } from '../../src/config/parse.ts';

const minimal = 'data: { train: a.csv, target: price }\n';

/** The problems of a configuration, without the file's name. */
function problems(text: string): readonly string[] {
  try {
    parseSweep(text, 'f.yaml');
  } catch (thrown) {
    assert(thrown instanceof NoisefoldError, String(thrown));
    assert.equal(thrown.code, 'CONFIG_INVALID');
    const [, ...lines] = thrown.message.split('\n');
    return lines.map((line) => {
      assert.match(line, /^f\.yaml:\d+:\d+ {2}\S/);
      return line.slice('f.yaml:'.length);
    });
  }
  return [];
}

/** The problems of a configuration that is right but for one section. */
const wrong = (section: string): readonly string[] => problems(`${section}\n${minimal}`);

describe('a sweep configuration', () => {
  it('needs only a table and a target', () => {
    const config = parseSweep(minimal, 'examples/diamonds/sweep.yaml');
    assert.equal(config.study, 'diamonds');
    assert.deepEqual(config.data.target, { column: 'price', task: 'regression', transform: 'none' });
    assert.equal(config.model.kind, 'transformer');
    assert.deepEqual(config.search, { sampler: 'sobol', trials: 12 });
    assert.equal(config.data.test, undefined);
  });

  it('writes every parameter as a number or a distribution', () => {
    const config = parseSweep(
      `${minimal}
noise:
  swapProbability:
    numerical: { uniform: [0.05, 0.5] }
    levels: { 2: 0.4, 3-8: { choice: [0.5, 0.9] }, 9+: 0.9 }
    columns: { carat: { logUniform: [0.01, 0.1] } }
model: { kind: mlp, units: { integer: [16, 64] } }
`,
      'f.yaml',
    );
    assert.deepEqual(config.noise.swapProbability, {
      numerical: { uniform: [0.05, 0.5] },
      categorical: 0.5,
      levels: { 2: 0.4, '3-8': { choice: [0.5, 0.9] }, '9+': 0.9 },
      columns: { carat: { logUniform: [0.01, 0.1] } },
    });
    assert.deepEqual(config.model, { kind: 'mlp', units: { integer: [16, 64] }, layers: 3 });
  });

  it('is frozen at every depth', () => {
    const config = parseSweep(minimal, 'f.yaml');
    assert.throws(() => Object.assign(config.data, { train: 'b' }), TypeError);
    assert.throws(() => Object.assign(config.ridge.alphas, { 0: 2 }), TypeError);
  });
});

describe('a wrong configuration', () => {
  it('is refused with every problem at once, in file order', () => {
    assert.deepEqual(
      problems(`sed: 1
data:
  train: ""
  target: { column: price, task: binry }
training:
  epohcs: 5
  epochs: 1.5
ridge: { folds: { count: 1, kind: grouped } }
`),
      [
        '1:1  sed: unknown key `sed`; did you mean `seed`?',
        '3:10  data.train: must not be empty',
        '4:34  data.target.task: expected `regression` or `binary`, got the text "binry"; did you mean `binary`?',
        '6:3  training.epohcs: unknown key `epohcs`; did you mean `epochs`?',
        '7:11  training.epochs: expected a whole number or a distribution such as {integer: [1, 8]}, got `1.5`',
        '8:26  ridge.folds.count: must be at least 2, got `1`',
        '8:35  ridge.folds.kind: grouped folds need a column (add `column: NAME` beside it)',
      ],
    );
  });

  const cases: readonly (readonly [what: string, text: string, problem: RegExp])[] = [
    ['a key in the wrong section', 'epochs: 4', /^1:1 {2}epochs: unknown key `epochs`; did you mean `training.epochs`\?$/],
    ['a key of another model', 'model: { kind: mlp, heads: 4 }', /^1:21 {2}model.heads: .*another kind/],
    ['a misspelt model', 'model: { kind: mpl }', /^1:16 {2}model.kind: expected `transformer` or `mlp`.*did you mean `mlp`\?$/],
    ['a model without its kind', 'model: { heads: 4 }', /model.kind: required/],
    [
      'a misspelt distribution',
      'noise: { swapProbability: { numerical: { unifrom: [0, 1] } } }',
      /^1:42 .*unknown distribution `unifrom`; did you mean `uniform`\?/,
    ],
    [
      'two distributions at once',
      'noise: { swapProbability: { numerical: { uniform: [0, 1], choice: [1] } } }',
      /exactly one key, .*got 2/,
    ],
    [
      'fractions for a whole number',
      'training: { batchSize: { uniform: [1, 4] } }',
      /`uniform` does not fit, as this is a whole number \(use `choice` or `integer`\)/,
    ],
    [
      'a probability above 1',
      'noise: { swapProbability: { numerical: 1.5 } }',
      /^1:40 {2}noise.swapProbability.numerical: must be at most 1, got `1.5`$/,
    ],
    [
      'a distribution that reaches above 1',
      'noise: { swapProbability: { numerical: { uniform: [0.5, 1.2] } } }',
      /^1:57 .*uniform.1: must be at most 1, got `1.2`$/,
    ],
    [
      'a choice below 0',
      'noise: { swapProbability: { columns: { a: { choice: [-0.5] } } } }',
      /columns.a.choice.0: must be at least 0/,
    ],
    ['no choices', 'training: { epochs: { choice: [] } }', /must not be empty/],
    ['a choice twice', 'training: { epochs: { choice: [1, 2, 1] } }', /listed twice/],
    ['ends the wrong way round', 'training: { epochs: { integer: [8, 4] } }', /low end must be below the high end/],
    ['a logarithm of zero', 'noise: { swapProbability: { numerical: { logUniform: [0, 1] } } }', /starts above 0/],
    ['a number in quotes', 'training: { epochs: "5" }', /got the text "5" \(write it without quotes\)/],
    ['a text without quotes', 'output: 5', /expected text, got `5` \(write it in quotes\)/],
    ['an empty section', 'noise:', /expected a mapping, got nothing \(give it a value, or remove the key\)/],
    [
      'heads that do not divide',
      'model: { kind: transformer, tokenSize: { choice: [32, 36] }, heads: 8 }',
      /8 heads do not divide a tokenSize of 36/,
    ],
    ['penalties out of order', 'ridge: { alphas: [10, 1] }', /ridge.alphas: penalties ascend/],
    ['a penalty of zero', 'ridge: { alphas: [0, 1] }', /must be more than 0/],
    ['a group column without groups', 'ridge: { folds: { column: a } }', /kind is `shuffled`/],
    ['level ranges that overlap', 'noise: { swapProbability: { levels: { 2-4: 0.5, "3": 0.4 } } }', /overlaps/],
    [
      'a level range of no form',
      'noise: { swapProbability: { levels: { 4-2: 0.5 } } }',
      /`4-2` is not a number of levels \(write `2`, `3-8` or `9\+`\)/,
    ],
    ['a study name with a slash', 'study: a/b', /^1:8 {2}study: use letters/],
    ['a study name that climbs', 'study: ".."', /study: use letters/],
    [
      'a continuous grid',
      'search: { sampler: grid }\ntraining: { learningRate: { uniform: [0.1, 0.2] } }',
      /^2:13 {2}training.learningRate: a grid cannot list/,
    ],
    [
      'rungs of a searched number of epochs',
      'search: { halving: {} }\ntraining: { epochs: { integer: [1, 9] } }',
      /^2:13 {2}training.epochs: with `search.halving` the rungs decide how long a trial is trained \(give one number/,
    ],
    [
      'more rungs than epochs have',
      'search: { halving: { factor: 4, rungs: 4 } }\ntraining: { epochs: 10 }',
      /^1:11 {2}search.halving: 10 epochs, divided by 4, have no 4 rungs, only 1, 3, 10/,
    ],
    [
      'a grid of too many points',
      'search: { sampler: grid, trials: 5 }\ntraining: { epochs: { integer: [1, 2] }, batchSize: { choice: [8, 16, 32] } }',
      /^1:34 .*6 points \(training.epochs 2 x training.batchSize 3\)/,
    ],
    ['a layer beyond the last', 'features: { layers: [0, 3] }', /^1:25 {2}features.layers.1: .*last index is 2/],
    [
      'a device that the engine does not have',
      'workers: { engine: wasm, device: webgpu }',
      /^1:34 {2}workers.device: the engine wasm takes the device auto or cpu, not webgpu \(webgpu goes with the engines auto, onnx\)$/,
    ],
    ['a device for TensorFlow', 'workers: { device: cpu, engine: tensorflow }', /^1:20 .*takes the device auto or cuda, not cpu/],
    ['not a number', 'training: { learningRate: .nan }', /learningRate: expected a number/],
    ['an unknown protocol', 'protocol: inductve', /expected one of|did you mean/],
  ];
  for (const [what, text, problem] of cases)
    it(`says so: ${what}`, () => {
      const found = wrong(text);
      assert.equal(found.length, 1, found.join('\n'));
      assert.match(found[0] ?? '', problem);
    });

  it('hides no problem of one key behind another key of the same mapping', () => {
    const found = wrong('noise: { swapProbability: { levels: { foo: 0.1, 2-4: 2, "3": 0.5 } } }');
    assert.deepEqual(
      found.map((line) => line.slice(line.indexOf('levels.'), line.indexOf(':', line.indexOf('levels.')))),
      ['levels.foo', 'levels.2-4', 'levels.2-4'],
    );
  });

  it('says what the target may not be', () => {
    const found = problems(
      'data: { train: a, target: { column: y, task: binary, transform: log }, id: y, drop: [y], kinds: { y: numerical } }',
    );
    assert.equal(found.length, 4, found.join('\n'));
  });

  it('has YAML of one document without duplicate keys, dangling or multiplying aliases', () => {
    assert.match(problems(`${minimal}seed: 1\nseed: 2\n`).join(), /^3:1 {2}the key `seed` is written twice/);
    assert.match(problems('data: [1,\n').join(), /^\d+:\d+ {2}/);
    assert.match(problems('').join(), /^1:1 {2}the file is empty/);
    assert.match(problems('# nothing').join(), /^1:1 {2}the file is empty/);
    assert.match(problems('- 1').join(), /^1:1 {2}expected a mapping, got a list/);
    assert.match(problems('data: *nowhere').join(), /nowhere/);
    const tens = (name: string, of: string) => `${name}: &${name} [${Array.from({ length: 10 }, () => of).join(', ')}]\n`;
    assert.match(problems(tens('a', '1') + tens('b', '*a') + tens('c', '*b') + tens('d', '*c')).join(), /alias/i);
  });

  it('never ends in anything but CONFIG_INVALID, whatever the values', () => {
    const keys = [
      'data',
      'noise',
      'model',
      'training',
      'features',
      'search',
      'kind',
      'levels',
      'swapProbability',
      'uniform',
      'choice',
      'epochs',
      'train',
      'target',
    ];
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.constantFrom(null, true, 0, -1, 0.5, 1e9, '', 'mlp', 'grid'),
        fc.array(tie('any'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom(...keys), tie('any'), { maxKeys: 4 }),
      ),
    })).any;
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 6 }), (raw) => {
        assert(problems(stringify(raw)).length > 0);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the hash of a configuration', () => {
  const config = parseSweep(minimal, 'f.yaml');

  it('does not see how many trials there are, nor the learning curve: a study can be given more', () => {
    for (const line of ['search: { trials: 13 }', 'ridge: { learningCurve: { draws: 2 } }'])
      assert.equal(configHash(parseSweep(`${minimal}${line}`, 'f.yaml')), configHash(config), line);
  });

  it('does not see workers, output, or where the files are', () => {
    const moved = { ...resolvePaths(config, '/elsewhere'), output: 'other', workers: { ...config.workers, count: 4 } };
    assert.equal(configHash(moved), configHash(config));
  });

  it('sees everything else', () => {
    for (const line of [
      'seed: 2',
      'study: g',
      'training: { epochs: 11 }',
      'noise: { flavour: reference }',
      'ridge: { alphas: [1] }',
      'search: { sampler: random }',
      'features: { inputs: true }',
    ])
      assert.notEqual(configHash(parseSweep(`${minimal}${line}`, 'f.yaml')), configHash(config), line);
    assert.notEqual(configHash(parseSweep('data: { train: a.csv, target: price, test: b.csv }', 'f.yaml')), configHash(config));
  });
});

describe('the paths of a configuration', () => {
  it('are relative to its folder, unless absolute', () => {
    const config = parseSweep('data: { train: ../a.csv, test: /b.csv, target: y }', 'f.yaml');
    assert.deepEqual([resolvePaths(config, 'x/y').data.train, resolvePaths(config, 'x/y').data.test], ['x/a.csv', '/b.csv']);
    assert.equal(Object.hasOwn(resolvePaths(parseSweep(minimal, 'f.yaml'), 'x').data, 'test'), false);
  });
});
