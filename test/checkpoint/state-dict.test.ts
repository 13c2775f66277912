import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { decodeSafetensors, encodeSafetensors, type SafeTensor } from '../../src/base/safetensors.ts';
import { readStateDict } from '../../src/checkpoint/state-dict.ts';
import type { NetworkSpec } from '../../src/model/types.ts';
import { goldenFile, goldenNames, readGolden } from '../golden/golden.ts';

const bytesOf = (name: string): Uint8Array => readFileSync(goldenFile(`${name}.safetensors`));
const { network, start } = readGolden('mlp');
const tensors = decodeSafetensors(bytesOf('mlp')).tensors;

function refusal(changed: Readonly<Record<string, SafeTensor>>, of: NetworkSpec = network): NoisefoldError {
  try {
    readStateDict(encodeSafetensors(changed), of, 'model.safetensors');
  } catch (error) {
    return error as NoisefoldError;
  }
  return assert.fail('it was taken');
}

describe('a state_dict', () => {
  for (const name of goldenNames)
    it(`that PyTorch wrote is taken: the ${name}`, () => {
      const golden = readGolden(name);
      assert.deepEqual(readStateDict(bytesOf(name), golden.network, 'x'), golden.start.weights);
    });

  it('may be a checkpoint of noisefold', () => {
    const moments = Object.entries(tensors).flatMap(([name, tensor]) => [
      [`adam.first.${name}`, tensor] as const,
      [`adam.second.${name}`, tensor] as const,
      [`recent.0.${name}`, tensor] as const,
    ]);
    const checkpoint = encodeSafetensors({ ...tensors, ...Object.fromEntries(moments) }, { noisefold: '{}' });
    assert.deepEqual(readStateDict(checkpoint, network, 'x'), start.weights);
  });

  it('may be float64', () => {
    const doubles = Object.fromEntries(
      Object.entries(tensors).map(([name, { shape, data }]) => [
        name,
        { dtype: 'F64', shape, data: Float64Array.from(data as Float32Array) } as const,
      ]),
    );
    assert.deepEqual(readStateDict(encodeSafetensors(doubles), network, 'x'), start.weights);
  });

  it('of a training that diverged is refused, and named', () => {
    const [[name, first] = ['', undefined]] = Object.entries(tensors);
    assert.ok(first?.dtype === 'F32');
    const error = refusal({ ...tensors, [name]: { ...first, data: first.data.map((value, i) => (i === 1 ? NaN : value)) } });
    assert.equal(error.code, 'CHECKPOINT_MISMATCH');
    assert.ok(error.message.includes(`NaN or infinite in: ${name}`), error.message);
    assert.match(error.hint ?? '', /diverged/);
  });

  it('that does not fit is refused with everything that is missing, unexpected and misshapen', () => {
    const error = refusal({
      ...Object.fromEntries(Object.entries(tensors).filter(([name]) => name !== 'linear_2.bias')),
      'linear_9.bias': { dtype: 'F32', shape: [1], data: Float32Array.of(1) },
      'mask_predictor.bias': { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) },
    });
    assert.equal(error.code, 'CHECKPOINT_MISMATCH');
    assert.equal(error.where, 'model.safetensors');
    assert.match(error.message, /missing: linear_2\.bias/);
    assert.match(error.message, /unexpected: linear_9\.bias/);
    assert.match(error.message, /misshapen: mask_predictor\.bias is \[2\], not \[11\]/);
  });

  it('with the prefix of a wrapper says to take it off', () => {
    const wrapped = Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [`module.${name}`, tensor]));
    assert.match(refusal(wrapped).hint ?? '', /"module\."/);
  });

  it('for other inputs says so', () => {
    assert.match(refusal(tensors, { ...network, numerical: 5 }).hint ?? '', /other inputs/);
  });

  it('of whole numbers, or that is no safetensors file, is refused, with the line of Python that writes one', () => {
    const whole: SafeTensor = { dtype: 'I32', shape: [11], data: new Int32Array(11) };
    assert.match(refusal({ ...tensors, 'mask_predictor.bias': whole }).message, /mask_predictor\.bias is I32/);
    assert.throws(
      () => readStateDict(Uint8Array.of(0x80, 2, 0x8a), network, 'model.pt'),
      (error: NoisefoldError) =>
        error.code === 'CHECKPOINT_CORRUPT' && error.where === 'model.pt' && /save_file/.test(error.hint ?? ''),
    );
  });
});
