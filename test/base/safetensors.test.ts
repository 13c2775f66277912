import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import { decodeSafetensors, encodeSafetensors, type SafeTensor } from '../../src/base/safetensors.ts';

const isCorrupt = (thrown: unknown): boolean => thrown instanceof NoisefoldError && thrown.code === 'CHECKPOINT_CORRUPT';

const tensor: fc.Arbitrary<SafeTensor> = fc.oneof(
  fc.float32Array({ maxLength: 9 }).map((data) => ({ dtype: 'F32' as const, shape: [data.length], data })),
  fc.float64Array({ maxLength: 9 }).map((data) => ({ dtype: 'F64' as const, shape: [1, data.length], data })),
  fc.int32Array({ maxLength: 9 }).map((data) => ({ dtype: 'I32' as const, shape: [data.length, 1], data })),
  fc.bigInt64Array({ maxLength: 9 }).map((data) => ({ dtype: 'I64' as const, shape: [data.length], data })),
  fc.uint8Array({ maxLength: 9 }).map((data) => ({ dtype: 'U8' as const, shape: [data.length], data })),
);
const name = fc.string({ maxLength: 6 }).filter((text) => text !== '__metadata__' && text !== '__proto__');
const tensors = fc.dictionary(name, tensor, { maxKeys: 5, noNullPrototype: true });

/** A file with this header over `data` bytes of zeros. */
function fileWith(header: string, data: number): Uint8Array {
  const json = new TextEncoder().encode(header);
  const file = new Uint8Array(8 + json.length + data);
  new DataView(file.buffer).setBigUint64(0, BigInt(json.length), true);
  file.set(json, 8);
  return file;
}

describe('safetensors', () => {
  it('gives back what was written, bit for bit', () => {
    fc.assert(
      fc.property(tensors, fc.dictionary(name, fc.string(), { noNullPrototype: true }), (written, metadata) => {
        const read = decodeSafetensors(encodeSafetensors(written, metadata));
        assert.deepEqual(read.metadata, metadata);
        assert.deepEqual(read.tensors, written);
      }),
    );
  });

  it('writes the same bytes whatever order the names come in, and aligns every tensor', () => {
    fc.assert(
      fc.property(tensors, (written) => {
        const bytes = encodeSafetensors(written, { b: '2', a: '1' });
        const reversed = Object.fromEntries(Object.entries(written).reverse());
        assert.deepEqual(encodeSafetensors(reversed, { a: '1', b: '2' }), bytes);
        const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
        assert.equal(headerBytes % 8, 0);
        const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + headerBytes))) as Record<
          string,
          { data_offsets: number[] }
        >;
        for (const [key, { data }] of Object.entries(written))
          assert.equal((header[key]?.data_offsets[0] ?? NaN) % data.BYTES_PER_ELEMENT, 0);
      }),
    );
  });

  it('reads a view into a larger buffer', () => {
    const bytes = encodeSafetensors({ x: { dtype: 'F64', shape: [2], data: Float64Array.of(1, 2) } });
    const larger = new Uint8Array(bytes.length + 3);
    larger.set(bytes, 3);
    assert.deepEqual(decodeSafetensors(larger.subarray(3)).tensors['x']?.data, Float64Array.of(1, 2));
  });

  it('refuses a file that was cut short or grew', () => {
    const bytes = encodeSafetensors({ x: { dtype: 'F32', shape: [3], data: Float32Array.of(1, 2, 3) } }, { a: 'b' });
    for (let length = 0; length < bytes.length; length++)
      assert.throws(() => decodeSafetensors(bytes.subarray(0, length)), isCorrupt);
    assert.throws(() => decodeSafetensors(Uint8Array.from([...bytes, 0])), isCorrupt);
  });

  it('says what it is instead: cut short, one of torch.save, of a type that is not read', () => {
    const bytes = encodeSafetensors({ x: { dtype: 'F32', shape: [3], data: Float32Array.of(1, 2, 3) } });
    assert.throws(
      () => decodeSafetensors(bytes.subarray(0, -4)),
      /cut short: tensor "x" ends at byte 12 of the data, and 8 are there/,
    );
    assert.throws(() => decodeSafetensors(new TextEncoder().encode('PK\u0003\u0004 and so on')), /torch\.save/);
    const half = fileWith('{"x":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}', 2);
    assert.throws(() => decodeSafetensors(half), /the type "F16", which is not read/);
  });

  const lies: readonly (readonly [string, string, number])[] = [
    ['a shape larger than its bytes', '{"x":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}', 4],
    ['an end beyond the file', '{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', 4],
    ['an end before its begin', '{"x":{"dtype":"F32","shape":[0],"data_offsets":[4,0]}}', 4],
    ['a negative size', '{"x":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}', 4],
    ['a fractional size', '{"x":{"dtype":"F32","shape":[0.5,2],"data_offsets":[0,4]}}', 4],
    ['an overflowing shape', '{"x":{"dtype":"F32","shape":[1e300,1e300,0],"data_offsets":[0,0]}}', 0],
    [
      'overlapping tensors',
      '{"x":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"y":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}}',
      4,
    ],
    [
      'a gap between tensors',
      '{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"y":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}',
      3,
    ],
    ['data that no tensor owns', '{}', 1],
    ['an unknown type', '{"x":{"dtype":"toString","shape":[1],"data_offsets":[0,1]}}', 1],
    ['metadata that is not text', '{"__metadata__":{"a":1}}', 0],
    ['a header that is a list', '[]', 0],
    ['a header that is not JSON', '{"x"', 0],
    ['three offsets', '{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1,1]}}', 1],
  ];
  for (const [lie, header, data] of lies)
    it(`refuses ${lie}`, () => {
      assert.throws(() => decodeSafetensors(fileWith(header, data)), isCorrupt);
    });

  it('refuses a header length beyond the file without allocating it', () => {
    const file = new Uint8Array(16).fill(0xff);
    assert.throws(() => decodeSafetensors(file), isCorrupt);
  });

  it('reads a Buffer inside a larger one as it reads any other bytes', () => {
    const tensors = { x: { dtype: 'F32', shape: [3], data: Float32Array.of(1, 2, 3) } } as const;
    const file = encodeSafetensors(tensors);
    const pool = Buffer.alloc(file.length + 24);
    pool.set(file, 16);
    assert.deepEqual(decodeSafetensors(pool.subarray(16, 16 + file.length)).tensors, tensors);
  });

  it('refuses to write a shape that does not fit its data', () => {
    assert.throws(() => encodeSafetensors({ x: { dtype: 'F32', shape: [2], data: new Float32Array(3) } }), RangeError);
  });
});
