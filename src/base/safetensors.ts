/**
 * The safetensors format (https://github.com/huggingface/safetensors#format): 8 bytes with the header's length (unsigned, little-endian),
 * a JSON header `{"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {...}}`, then the tensors' bytes.
 *
 * Written deterministically: names and metadata keys sorted, and the header padded with spaces to a multiple of 8. Wider types come first,
 * so that every tensor is aligned. Equal contents give equal bytes.
 */
import { NoisefoldError } from './errors.ts';
import { canonicalJson } from './json.ts';
import { bytesOf } from './matrix.ts';

export type SafeTensor =
  | { readonly dtype: 'F32'; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly dtype: 'F64'; readonly shape: readonly number[]; readonly data: Float64Array }
  | { readonly dtype: 'I32'; readonly shape: readonly number[]; readonly data: Int32Array }
  | { readonly dtype: 'I64'; readonly shape: readonly number[]; readonly data: BigInt64Array }
  | { readonly dtype: 'U8'; readonly shape: readonly number[]; readonly data: Uint8Array };

export interface SafeTensorFile {
  readonly tensors: Readonly<Record<string, SafeTensor>>;
  readonly metadata: Readonly<Record<string, string>>;
}

const itemBytes = { F64: 8, I64: 8, F32: 4, I32: 4, U8: 1 } as const satisfies Record<SafeTensor['dtype'], number>;

/** The longest header that the reference implementation reads. */
const maxHeaderBytes = 100_000_000;

const elements = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const refused = (what: string): NoisefoldError => new NoisefoldError('CHECKPOINT_CORRUPT', what);
const corrupt = (what: string): NoisefoldError => refused(`not a safetensors file: ${what}`);

/** One file holding `tensors` and `metadata`, the same bytes for the same contents. Throws a RangeError if a shape does not fit its data. */
export function encodeSafetensors(
  tensors: Readonly<Record<string, SafeTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const parts = safetensorsParts(tensors, metadata);
  const file = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

/** The bytes of that file in parts, one after the other. Those of the tensors are the tensors' own memory, not copies. */
export function safetensorsParts(
  tensors: Readonly<Record<string, SafeTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): readonly Uint8Array[] {
  const entries = Object.entries(tensors).sort(
    ([nameA, a], [nameB, b]) => itemBytes[b.dtype] - itemBytes[a.dtype] || byText(nameA, nameB),
  );
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [['__metadata__', metadata]] : [];
  let end = 0;
  for (const [name, { dtype, shape, data }] of entries) {
    if (name === '__metadata__' || elements(shape) !== data.length)
      throw new RangeError(`encodeSafetensors: tensor "${name}" [${shape.join(', ')}] has ${data.length} elements`);
    header.push([name, { dtype, shape, data_offsets: [end, end + data.byteLength] }]);
    end += data.byteLength;
  }
  const json = new TextEncoder().encode(canonicalJson(Object.fromEntries(header)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const head = new Uint8Array(8 + headerBytes).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(headerBytes), true);
  head.set(json, 8);
  return [head, ...entries.map(([, { data }]) => bytesOf(data))];
}

/**
 * The contents of a safetensors file, copied out of `bytes`. Nothing in the header is believed before it is checked: lengths, types,
 * shapes, and that the tensors cover the data without gap or overlap. Throws CHECKPOINT_CORRUPT.
 */
export function decodeSafetensors(bytes: Uint8Array): SafeTensorFile {
  const { header, data } = splitHeader(bytes);
  let metadata: Readonly<Record<string, string>> = {};
  const spans: { readonly name: string; readonly begin: number; readonly end: number }[] = [];
  const tensors: [string, SafeTensor][] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isRecord(entry) || !Object.values(entry).every((value) => typeof value === 'string'))
        throw corrupt('metadata is not text');
      metadata = entry as Record<string, string>;
      continue;
    }
    const { dtype, shape, begin, end } = checkedEntry(name, entry, data.length);
    spans.push({ name, begin, end });
    tensors.push([name, view(dtype, shape, data.slice(begin, end).buffer)]);
  }
  spans.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of spans) {
    if (begin !== at) throw corrupt(`tensor "${name}" begins at ${begin}, expected ${at}`);
    at = end;
  }
  if (at !== data.length) throw corrupt(`${data.length} bytes of data, ${at} in tensors`);
  return { tensors: Object.fromEntries(tensors), metadata };
}

function splitHeader(bytes: Uint8Array): { header: Record<string, unknown>; data: Uint8Array } {
  if (bytes.length < 8) throw corrupt(`${bytes.length} bytes`);
  // A zip archive.
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) throw corrupt('it is one of torch.save, or another archive');
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  if (length > maxHeaderBytes || length > bytes.length - 8)
    throw corrupt(`a header of ${length} bytes in a file of ${bytes.length}`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch {
    throw corrupt('the header is not JSON');
  }
  if (!isRecord(header)) throw corrupt('the header is not an object');
  // Not bytes.subarray: of a Buffer that is a Buffer, whose slice() copies nothing.
  return { header, data: new Uint8Array(bytes.buffer, bytes.byteOffset + 8 + length, bytes.length - 8 - length) };
}

function checkedEntry(
  name: string,
  entry: unknown,
  dataBytes: number,
): { dtype: SafeTensor['dtype']; shape: readonly number[]; begin: number; end: number } {
  if (!isRecord(entry)) throw corrupt(`tensor "${name}" is not an object`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(itemBytes, dtype))
    throw refused(
      `tensor "${name}" has the type ${JSON.stringify(dtype)}, which is not read (only ${Object.keys(itemBytes).join(', ')})`,
    );
  if (!isSizes(shape) || !isSizes(offsets)) throw corrupt(`tensor "${name}" has no valid shape or offsets`);
  const [begin = -1, end = -1] = offsets;
  const type = dtype as SafeTensor['dtype'];
  if (end > dataBytes && end - begin === elements(shape) * itemBytes[type])
    throw refused(`the file is cut short: tensor "${name}" ends at byte ${end} of the data, and ${dataBytes} are there`);
  if (offsets.length !== 2 || begin < 0 || end < begin || end > dataBytes || end - begin !== elements(shape) * itemBytes[type])
    throw corrupt(`tensor "${name}" ${dtype} [${shape.join(', ')}] at ${begin} to ${end} of ${dataBytes} bytes`);
  return { dtype: type, shape, begin, end };
}

function view(dtype: SafeTensor['dtype'], shape: readonly number[], buffer: ArrayBufferLike): SafeTensor {
  switch (dtype) {
    case 'F32':
      return { dtype, shape, data: new Float32Array(buffer) };
    case 'F64':
      return { dtype, shape, data: new Float64Array(buffer) };
    case 'I32':
      return { dtype, shape, data: new Int32Array(buffer) };
    case 'I64':
      return { dtype, shape, data: new BigInt64Array(buffer) };
    case 'U8':
      return { dtype, shape, data: new Uint8Array(buffer) };
    default:
      return dtype satisfies never;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isSizes = (value: unknown): value is readonly number[] =>
  Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && (size as number) >= 0);
