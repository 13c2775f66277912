import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TargetConfig } from '../../src/config/types.ts';
import { inverseTarget, targetOf } from '../../src/dataset/target.ts';
import { csv, refusal, tableOf } from './tables.ts';

const config = (changes: Partial<TargetConfig> = {}): TargetConfig => ({
  column: 'y',
  task: 'regression',
  transform: 'none',
  ...changes,
});
type Values = readonly (number | string | null)[];
const read = (y: Values, changes: Partial<TargetConfig> = {}): ReturnType<typeof targetOf> =>
  targetOf(tableOf({ y }), config(changes));

describe('the target', () => {
  it('is its numbers, with NaN for rows that have none', () => {
    assert.deepEqual(read([1, null, 3]).values, Float64Array.of(1, NaN, 3));
  });

  it('is transformed to its logarithm, and back', () => {
    const { values } = read([1, null, 100], { transform: 'log' });
    assert.deepEqual(values, Float64Array.of(0, NaN, Math.log(100)));
    assert.ok(Math.abs((inverseTarget(values, 'log')[2] ?? 0) - 100) < 1e-9);
    assert.equal(inverseTarget(values, 'none'), values);
  });

  it('is 0 and 1 for a binary task, with the names of the two in order', () => {
    assert.deepEqual(read(['yes', null, 'no'], { task: 'binary' }), {
      values: Float64Array.of(1, NaN, 0),
      levels: ['no', 'yes'],
    });
    assert.deepEqual(read([10, 9, 10], { task: 'binary' }), { values: Float64Array.of(1, 0, 1), levels: ['9', '10'] });
  });

  const refusals: readonly (readonly [string, Values, Partial<TargetConfig>, RegExp])[] = [
    ['without any value', [null, null], {}, /no value/],
    ['with the same number in every row', [2, null, 2], {}, /2 in every row/],
    ['with one class', ['a', 'a', null], { task: 'binary' }, /"a" in every row/],
    [
      'with three classes',
      ['a', 'b', 'c'],
      { task: 'binary' },
      /3 values \("a", "b", "c"\), not two[^]*one can be predicted at a time/,
    ],
    ['with three numbers', [1, 2, 3], { task: 'binary' }, /3 values[^]*regression/],
    [
      'with many classes',
      ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
      { task: 'binary' },
      /7 values \("a", "b", "c", "d", "e", \.\.\.\)/,
    ],
    ['of a logarithm of zero', [1, 0, 2], { transform: 'log' }, /holds 0/],
    ['of a logarithm of classes', [1, 0, 1], { task: 'binary', transform: 'log' }, /log/],
    ['of text, for a regression', ['a', '1', '2'], {}, /not numeric.*"a"/],
  ];
  for (const [what, y, changes, words] of refusals)
    it(`is refused ${what}`, () => {
      assert.throws(() => read(y, changes), refusal('DATA_TARGET', undefined, words));
    });

  it('is refused with the place of the field that is wrong', () => {
    assert.throws(
      () => targetOf(csv('x,y\n1,1\n1,?\n'), config()),
      refusal('DATA_TARGET', 't.csv:3:3', /"y" is not numeric: it holds the text "\?" among its numbers.*Correct it there/s),
    );
    assert.throws(() => targetOf(csv('x,y\n1,1\n1,-1\n'), config({ transform: 'log' })), refusal('DATA_TARGET', 't.csv:3'));
    assert.throws(() => targetOf(csv('x,y\n1,1\n'), config({ column: 'Y ' })), refusal('DATA_UNKNOWN_COLUMN', 't.csv', /"y"/));
    const byOption = {
      column: '--target',
      regression: 'give --task regression',
      binary: '--task binary',
      untransformed: 'Leave out --log',
    };
    const features = csv('f0000,f0001\n1,2\n');
    assert.throws(
      () => targetOf(features, config({ column: 'nope' }), byOption),
      refusal('DATA_UNKNOWN_COLUMN', 't.csv', /^--target names .* All of its columns are features\.$/),
    );
    assert.throws(
      () => targetOf(csv('x,y\n1,1\n1,-1\n'), config({ transform: 'log' }), byOption),
      refusal('DATA_TARGET', 't.csv:3', /Leave out --log/),
    );
  });
});
