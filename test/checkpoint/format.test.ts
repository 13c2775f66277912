import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { canonicalJson } from '../../src/base/json.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/base/safetensors.ts';
import { checkMatches, decodeCheckpoint, encodeCheckpoint, type Checkpoint } from '../../src/checkpoint/format.ts';
import { initialState, parameterCount, parameterSpecs } from '../../src/model/parameters.ts';
import type { NetworkSpec } from '../../src/model/types.ts';

const network: NetworkSpec = {
  model: { kind: 'transformer', tokens: 2, tokenSize: 4, heads: 2, feedForward: 6, layers: 1 },
  binary: 3,
  numerical: 2,
  categoricalSources: 1,
  numericalSources: 2,
  loss: { emphasis: 0.75, maskWeight: 2 },
};
const count = parameterCount(network);
const checkpoint: Checkpoint = {
  state: {
    step: 12,
    weights: initialState(network, 1).weights,
    firstMoment: initialState(network, 2).weights,
    secondMoment: initialState(network, 3).weights,
  },
  recent: [initialState(network, 4).weights, initialState(network, 5).weights],
  network,
  seed: 42,
  data: 'ab'.repeat(32),
  history: [{ epoch: 0, step: 12, loss: 1.25, learningRate: 3e-4, corruption: 0.31 }],
};
const withCode =
  (code: string, text = /./) =>
  (error: NoisefoldError) =>
    error.code === code && text.test(error.message);

/** The checkpoint's file with its tensors or its metadata changed. */
function altered(change: (file: { tensors: Record<string, unknown>; metadata: Record<string, unknown> }) => void): Uint8Array {
  const { tensors, metadata } = decodeSafetensors(encodeCheckpoint(checkpoint));
  const file = { tensors: { ...tensors }, metadata: JSON.parse(metadata['noisefold'] ?? '') as Record<string, unknown> };
  change(file);
  return encodeSafetensors(file.tensors, { noisefold: JSON.stringify(file.metadata) });
}

describe('a checkpoint', () => {
  it('comes back whole, with any state, history and extra', () => {
    const vector = fc.float32Array({ minLength: count, maxLength: count });
    const row = fc.record({
      epoch: fc.nat(),
      step: fc.nat(),
      loss: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
      learningRate: fc.constant(1e-3),
      corruption: fc.constant(0.5),
    });
    const extras = fc.option(
      fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        fc.nat(),
      ),
    );
    fc.assert(
      fc.property(
        vector,
        vector,
        vector,
        fc.nat(),
        fc.array(row, { maxLength: 3 }),
        extras,
        (weights, firstMoment, secondMoment, step, history, extra) => {
          const written = { ...checkpoint, state: { step, weights, firstMoment, secondMoment }, history, extra };
          const read = decodeCheckpoint(encodeCheckpoint(written));
          assert.equal(canonicalJson(read.history), canonicalJson(history));
          assert.equal(canonicalJson(read.extra), canonicalJson(extra));
          for (const key of ['weights', 'firstMoment', 'secondMoment'] as const)
            assert.ok(Buffer.from(read.state[key].buffer).equals(Buffer.from(written.state[key].buffer)));
          assert.equal(read.state.step, step);
        },
      ),
      { numRuns: 20 },
    );
    assert.deepEqual(decodeCheckpoint(encodeCheckpoint(checkpoint)), checkpoint);
  });

  it('is the same bytes for equal contents, whatever the order of keys', () => {
    const { model, ...others } = network;
    const reordered = {
      ...checkpoint,
      network: { ...others, model: Object.fromEntries(Object.entries(model).reverse()) },
    } as Checkpoint;
    assert.deepEqual(encodeCheckpoint(reordered), encodeCheckpoint(checkpoint));
    assert.notDeepEqual(encodeCheckpoint({ ...checkpoint, seed: 43 }), encodeCheckpoint(checkpoint));
  });

  it("holds the weights under the reference's names, so that a safetensors file loads as a state_dict", () => {
    const { tensors } = decodeSafetensors(encodeCheckpoint(checkpoint));
    const names = parameterSpecs(network).map(({ name }) => name);
    assert.deepEqual(
      new Set(Object.keys(tensors)),
      new Set(
        names.flatMap((name) => [name, `adam.first.${name}`, `adam.second.${name}`, `recent.0.${name}`, `recent.1.${name}`]),
      ),
    );
    assert.deepEqual(tensors['encoder_1.attn.in_proj_weight']?.shape, [12, 4]);
    assert.deepEqual(tensors['excite.weight']?.data, checkpoint.state.weights.subarray(0, 40));
  });

  it('is corrupt when a tensor is missing, foreign or of another shape, or the metadata is not its own', () => {
    const corrupt = (change: Parameters<typeof altered>[0], text: RegExp): void =>
      assert.throws(() => decodeCheckpoint(altered(change)), withCode('CHECKPOINT_CORRUPT', text));
    corrupt(({ tensors }) => delete tensors['adam.first.excite.bias'], /adam\.first\.excite\.bias is missing/);
    corrupt(({ tensors }) => (tensors['stranger'] = { dtype: 'F32', shape: [1], data: Float32Array.of(1) }), /stranger/);
    corrupt(
      ({ tensors }) => (tensors['excite.weight'] = { dtype: 'F32', shape: [5, 8], data: new Float32Array(40) }),
      /excite\.weight is F32 \[5, 8\]/,
    );
    corrupt(({ tensors }) => (tensors['excite.bias'] = { dtype: 'F64', shape: [8], data: new Float64Array(8) }), /F64/);
    corrupt(({ metadata }) => delete metadata['step'], /step/);
    corrupt(({ metadata }) => (metadata['network'] = { ...network, model: { ...network.model, heads: 3 } }), /network/);
    corrupt(({ metadata }) => delete metadata['version'], /version/);
    assert.throws(() => decodeCheckpoint(encodeSafetensors({})), withCode('CHECKPOINT_CORRUPT', /noisefold entry/));
    assert.throws(() => decodeCheckpoint(encodeCheckpoint(checkpoint).subarray(0, -1)), withCode('CHECKPOINT_CORRUPT'));
  });

  it('of another version, network, seed or data set is a mismatch', () => {
    assert.throws(
      () => decodeCheckpoint(altered(({ metadata }) => (metadata['version'] = 2))),
      withCode('CHECKPOINT_MISMATCH', /version 2/),
    );
    checkMatches(checkpoint, checkpoint);
    for (const change of [{ seed: 1 }, { data: 'cd' }, { network: { ...network, binary: 2 } }])
      assert.throws(
        () => checkMatches(checkpoint, { ...checkpoint, ...change }),
        withCode('CHECKPOINT_MISMATCH', new RegExp(Object.keys(change)[0]!)),
      );
  });

  it('cannot be written from a state that does not fit the network', () => {
    const state = { ...checkpoint.state, firstMoment: new Float32Array(count - 1) };
    assert.throws(() => encodeCheckpoint({ ...checkpoint, state }), RangeError);
  });
});
