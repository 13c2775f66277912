import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { applySettings, pathOf } from '../../src/cli/settings.ts';

const text = `# Kept.
data: { train: a.csv, target: price }
noise:
  swapProbability: { numerical: { uniform: [0.1, 0.5] } }
`;

describe('--set', () => {
  it('replaces and adds values, and leaves the rest of the file alone', () => {
    const changed = applySettings(text, [
      'noise.numerical=0.2',
      'training.epochs=20',
      'search.sampler=random',
      'data.drop=[x, y]',
    ]);
    assert.deepEqual(parse(changed), {
      data: { train: 'a.csv', target: 'price', drop: ['x', 'y'] },
      noise: { swapProbability: { numerical: 0.2 } },
      training: { epochs: 20 },
      search: { sampler: 'random' },
    });
    assert.match(changed, /^# Kept\./);
  });

  it('takes the last of two', () => {
    assert.deepEqual(parse(applySettings('a: 1', ['a=2', 'a=3'])), { a: 3 });
  });

  it('takes short names of parameters, and column names with dots', () => {
    assert.deepEqual(pathOf('noise.numerical'), ['noise', 'swapProbability', 'numerical']);
    assert.deepEqual(pathOf('noise.levels.3-8'), ['noise', 'swapProbability', 'levels', '3-8']);
    assert.deepEqual(pathOf('noise.columns.a.b c'), ['noise', 'swapProbability', 'columns', 'a.b c']);
    assert.deepEqual(pathOf('noise.swapProbability.numerical'), ['noise', 'swapProbability', 'numerical']);
    assert.deepEqual(pathOf('noise.flavour'), ['noise', 'flavour']);
    assert.deepEqual(pathOf('data.kinds.zip.code'), ['data', 'kinds', 'zip.code']);
  });

  for (const wrong of ['epochs', '=3', 'training.epochs=[', 'data.target.transform=log'])
    it(`refuses ${wrong}`, () => {
      assert.throws(() => applySettings(text, [wrong]), { code: 'USAGE', where: '--set' });
    });

  it('leaves a file that is not YAML to the parser, which knows the line', () => {
    assert.equal(applySettings('a: [', ['a=1']), 'a: [');
  });
});
