import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NoisefoldError } from '../../src/base/errors.ts';
import {
  checkNetwork,
  featureWidth,
  hiddenLayers,
  initialState,
  offsets,
  parameterCount,
  parameterSpecs,
} from '../../src/model/parameters.ts';
import type { NetworkSpec } from '../../src/model/types.ts';

const reference: NetworkSpec = {
  model: { kind: 'transformer', tokens: 8, tokenSize: 128, heads: 8, feedForward: 512, layers: 3 },
  binary: 56,
  numerical: 14,
  categoricalSources: 10,
  numericalSources: 14,
  loss: { emphasis: 0.75, maskWeight: 2 },
};
const mlp: NetworkSpec = { ...reference, model: { kind: 'mlp', units: 1536, layers: 3 } };
const shapesOf = (network: NetworkSpec): Record<string, readonly number[]> =>
  Object.fromEntries(parameterSpecs(network).map(({ name, shape }) => [name, shape]));

describe('the parameter layout', () => {
  it('has the names and shapes of the reference state_dict', () => {
    const shapes = shapesOf(reference);
    assert.equal(Object.keys(shapes).length, 2 + 3 * 12 + 4);
    assert.deepEqual(shapes['excite.weight'], [1024, 70]);
    assert.deepEqual(
      Object.entries(shapes).filter(([name]) => name.startsWith('encoder_2.')),
      [
        ['encoder_2.attn.in_proj_weight', [384, 128]],
        ['encoder_2.attn.in_proj_bias', [384]],
        ['encoder_2.attn.out_proj.weight', [128, 128]],
        ['encoder_2.attn.out_proj.bias', [128]],
        ['encoder_2.linear_1.weight', [512, 128]],
        ['encoder_2.linear_1.bias', [512]],
        ['encoder_2.linear_2.weight', [128, 512]],
        ['encoder_2.linear_2.bias', [128]],
        ['encoder_2.layernorm_1.weight', [128]],
        ['encoder_2.layernorm_1.bias', [128]],
        ['encoder_2.layernorm_2.weight', [128]],
        ['encoder_2.layernorm_2.bias', [128]],
      ],
    );
    assert.deepEqual(shapes['mask_predictor.weight'], [70, 1024]);
    assert.deepEqual(shapes['reconstructor.weight'], [70, 1094]);
    assert.deepEqual(shapesOf(mlp), {
      'linear_1.weight': [1536, 70],
      'linear_1.bias': [1536],
      'linear_2.weight': [1536, 1536],
      'linear_2.bias': [1536],
      'linear_3.weight': [1536, 1536],
      'linear_3.bias': [1536],
      'mask_predictor.weight': [70, 1536],
      'mask_predictor.bias': [70],
      'reconstructor.weight': [70, 1606],
      'reconstructor.bias': [70],
    });
  });

  it('counts the parameters as the formula does', () => {
    const [d, h, e, f] = [70, 1024, 128, 512];
    const encoder = 3 * e * e + 3 * e + (e * e + e) + (e * f + f) + (f * e + e) + 4 * e;
    assert.equal(parameterCount(reference), d * h + h + 3 * encoder + (h * d + d) + ((h + d) * d + d));
    assert.equal(parameterCount(reference), 815_920);
    assert.equal(parameterCount(mlp), 70 * 1536 + 1536 + 2 * (1536 * 1536 + 1536) + (1536 * 70 + 70) + (1606 * 70 + 70));
    assert.equal(featureWidth(reference, [0, 1, 2]), 3072);
    assert.equal(featureWidth(mlp, [2]), 1536);
    assert.equal(hiddenLayers(mlp), 3);
  });

  it('lays the tensors side by side, without gap or overlap', () => {
    let next = 0;
    for (const { offset, size, shape } of offsets(parameterSpecs(reference))) {
      assert.equal(offset, next);
      assert.equal(
        size,
        shape.reduce((a, b) => a * b),
      );
      next += size;
    }
    assert.equal(next, parameterCount(reference));
  });
});

describe('the initial state', () => {
  const small: NetworkSpec = {
    ...reference,
    model: { kind: 'transformer', tokens: 2, tokenSize: 16, heads: 2, feedForward: 24, layers: 2 },
  };
  const tensor = (network: NetworkSpec, name: string, seed = 1): Float32Array => {
    const slice = offsets(parameterSpecs(network)).find((candidate) => candidate.name === name);
    assert.ok(slice, name);
    return initialState(network, seed).weights.subarray(slice.offset, slice.offset + slice.size);
  };

  it('is step 0 with zero moments, and depends on the seed alone', () => {
    const state = initialState(small, 5);
    assert.equal(state.step, 0);
    assert.ok(state.firstMoment.every((value) => value === 0) && state.secondMoment.every((value) => value === 0));
    assert.deepEqual(state, initialState(small, 5));
    assert.notDeepEqual(state.weights, initialState(small, 6).weights);
  });

  it("draws from PyTorch's distributions", () => {
    const expectUniform = (name: string, bound: number): void => {
      const values = tensor(small, name);
      assert.ok(
        values.every((value) => Math.abs(value) <= bound),
        name,
      );
      const variance = values.reduce((sum, value) => sum + value ** 2, 0) / values.length;
      // The variance of the squared draws gives the standard error: 4/45 bound^4 / n.
      assert.ok(Math.abs(variance - bound ** 2 / 3) < 5 * bound ** 2 * Math.sqrt(4 / 45 / values.length), name);
    };
    expectUniform('excite.weight', 1 / Math.sqrt(70));
    expectUniform('excite.bias', 1 / Math.sqrt(70));
    expectUniform('encoder_1.attn.in_proj_weight', Math.sqrt(6 / 64));
    expectUniform('encoder_1.attn.out_proj.weight', 1 / Math.sqrt(16));
    expectUniform('encoder_2.linear_2.weight', 1 / Math.sqrt(24));
    for (const name of ['encoder_1.attn.in_proj_bias', 'encoder_1.attn.out_proj.bias', 'encoder_1.layernorm_1.bias'])
      assert.ok(
        tensor(small, name).every((value) => value === 0),
        name,
      );
    assert.ok(tensor(small, 'encoder_2.layernorm_2.weight').every((value) => value === 1));
  });

  it('gives a tensor that two networks share the same values, and tensors of one network different ones', () => {
    const deeper = { ...small, model: { ...small.model, layers: 4 } } as NetworkSpec;
    const name = 'encoder_2.linear_1.weight';
    assert.deepEqual(tensor(deeper, name), tensor(small, name));
    assert.notDeepEqual(tensor(small, 'encoder_1.linear_1.weight'), tensor(small, name));
  });
});

describe('a network that cannot be', () => {
  const refused = (change: object, where: string): void => {
    assert.throws(
      () => checkNetwork({ ...reference, ...change }),
      (error: NoisefoldError) => error.code === 'MODEL_SHAPE' && error.where === where && error.hint !== undefined,
    );
  };

  it('is refused with the name of the size', () => {
    const { model, loss } = reference;
    refused({ model: { ...model, heads: 3 } }, 'model.heads');
    refused({ model: { ...model, layers: 0 } }, 'model.layers');
    refused({ model: { ...model, tokens: 1.5 } }, 'model.tokens');
    refused({ model: { kind: 'mlp', units: NaN, layers: 2 } }, 'model.units');
    refused({ binary: 0, numerical: 0 }, 'data');
    refused({ categoricalSources: 0, numericalSources: 0 }, 'data');
    refused({ binary: -1 }, 'binary');
    refused({ loss: { ...loss, emphasis: 1.1 } }, 'training.loss.emphasis');
    refused({ loss: { ...loss, maskWeight: -1 } }, 'training.loss.maskWeight');
  });

  it('is any transformer whose token size is not a multiple of its heads, and no other', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 16 }), (tokenSize, heads) => {
        const network = { ...reference, model: { ...reference.model, tokenSize, heads } } as NetworkSpec;
        if (tokenSize % heads === 0) checkNetwork(network);
        else assert.throws(() => checkNetwork(network));
      }),
    );
  });
});
