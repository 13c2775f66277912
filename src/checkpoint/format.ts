/**
 * A checkpoint as bytes: safetensors with the weights under their state_dict names, Adam's moments as `adam.first.<name>` and
 * `adam.second.<name>`, where weights are averaged those of the last epochs' ends as `recent.<i>.<name>`, and one metadata entry,
 * `noisefold`, of canonical JSON. Equal checkpoints are equal bytes.
 */
import { z } from 'zod';
import { NoisefoldError } from '../base/errors.ts';
import { canonicalJson, type Json } from '../base/json.ts';
import { decodeSafetensors, encodeSafetensors, type SafeTensor } from '../base/safetensors.ts';
import type { TrainingState } from '../engine/engine.ts';
import { offsets, parameterCount, parameterSpecs } from '../model/parameters.ts';
import type { NetworkSpec } from '../model/types.ts';
import type { HistoryRow } from '../train/types.ts';
import type { RecentWeights } from './averaging.ts';

/** Everything needed to go on training, or to use the weights. */
export interface Checkpoint {
  readonly state: TrainingState;
  readonly network: NetworkSpec;
  /** The study's seed. */
  readonly seed: number;
  /** Hash of what it was trained on: see trainingHash. */
  readonly data: string;
  /** For averaging; see averaging.ts. */
  readonly recent: RecentWeights;
  readonly history: readonly HistoryRow[];
  /** What else the writer wants back: a cursor, a configuration. */
  readonly extra?: Json;
}

const version = 1;

const vectors = [
  { key: 'weights', prefix: '' },
  { key: 'firstMoment', prefix: 'adam.first.' },
  { key: 'secondMoment', prefix: 'adam.second.' },
] as const;

const recentPrefix = (i: number): string => `recent.${i}.`;

const count = z.int().min(0);
const networkSchema = z.strictObject({
  model: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('transformer'),
      tokens: count,
      tokenSize: count,
      heads: count,
      feedForward: count,
      layers: count,
    }),
    z.strictObject({ kind: z.literal('mlp'), units: count, layers: count }),
  ]),
  binary: count,
  numerical: count,
  categoricalSources: count,
  numericalSources: count,
  loss: z.strictObject({ emphasis: z.number(), maskWeight: z.number() }),
}) satisfies z.ZodType<NetworkSpec>;

const metadataSchema = z.object({
  step: count,
  network: networkSchema,
  seed: z.number(),
  data: z.string(),
  history: z.array(
    z.object({ epoch: z.number(), step: z.number(), loss: z.number(), learningRate: z.number(), corruption: z.number() }),
  ) satisfies z.ZodType<HistoryRow[]>,
  recent: count.optional(),
  extra: z.json().optional(),
});

/** The checkpoint's bytes. Throws a RangeError if a vector of the state does not fit the network or the history holds NaN. */
export function encodeCheckpoint({ state, recent, network, seed, data, history, extra }: Checkpoint): Uint8Array<ArrayBuffer> {
  const slices = offsets(parameterSpecs(network));
  const total = parameterCount(network);
  const tensors: Record<string, SafeTensor> = {};
  const all = [
    ...vectors.map(({ key, prefix }) => ({ key, prefix, vector: state[key] })),
    ...recent.map((vector, i) => ({ key: recentPrefix(i), prefix: recentPrefix(i), vector })),
  ];
  for (const { key, prefix, vector } of all) {
    if (vector.length !== total) throw new RangeError(`encodeCheckpoint: ${key} has ${vector.length} numbers, not ${total}`);
    for (const { name, shape, offset, size } of slices)
      tensors[prefix + name] = { dtype: 'F32', shape, data: vector.subarray(offset, offset + size) };
  }
  const recents = recent.length === 0 ? undefined : recent.length;
  const metadata = canonicalJson({ version, step: state.step, network, seed, data, history, recent: recents, extra });
  return encodeSafetensors(tensors, { noisefold: metadata });
}

/**
 * What encodeCheckpoint wrote. Throws CHECKPOINT_CORRUPT when it is not a whole checkpoint, CHECKPOINT_MISMATCH when it is one of
 * another version.
 */
export function decodeCheckpoint(bytes: Uint8Array): Checkpoint {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const { step, network, seed, data, history, recent: recents = 0, extra } = parseMetadata(metadata['noisefold']);
  const slices = offsets(specsOf(network));
  const unread = new Set(Object.keys(tensors));
  const read = (prefix: string): Float32Array => {
    const flat = new Float32Array(slices.reduce((total, { size }) => total + size, 0));
    for (const { name, shape, offset } of slices) {
      const tensor = Object.hasOwn(tensors, prefix + name) ? tensors[prefix + name] : undefined;
      if (tensor === undefined) throw corrupt(`the tensor ${prefix + name} is missing`);
      if (tensor.dtype !== 'F32' || tensor.shape.join() !== shape.join())
        throw corrupt(
          `the tensor ${prefix + name} is ${tensor.dtype} [${tensor.shape.join(', ')}], not F32 [${shape.join(', ')}]`,
        );
      flat.set(tensor.data, offset);
      unread.delete(prefix + name);
    }
    return flat;
  };
  const state = { step, weights: read(''), firstMoment: read('adam.first.'), secondMoment: read('adam.second.') };
  const recent = Array.from({ length: recents }, (_, i) => read(recentPrefix(i)));
  const [stranger] = unread;
  if (stranger !== undefined) throw corrupt(`there is a tensor ${stranger} that its network does not have`);
  return { state, recent, network, seed, data, history, ...(extra === undefined ? {} : { extra }) };
}

/** Throws CHECKPOINT_MISMATCH unless training that is described by `expected` can go on from the checkpoint. */
export function checkMatches(checkpoint: Checkpoint, expected: Pick<Checkpoint, 'network' | 'seed' | 'data'>): void {
  for (const key of ['data', 'seed', 'network'] as const) {
    const [found, wanted] = [canonicalJson(checkpoint[key]), canonicalJson(expected[key])];
    if (found !== wanted)
      throw new NoisefoldError('CHECKPOINT_MISMATCH', `the checkpoint's ${key} is ${found}, not ${wanted}`, {
        hint: 'Go on with the configuration and the data that it was trained with, or start anew.',
      });
  }
}

function parseMetadata(text: string | undefined): z.infer<typeof metadataSchema> {
  if (text === undefined) throw corrupt('it is a safetensors file without a noisefold entry');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw corrupt('its noisefold entry is not JSON', cause);
  }
  const found = z.object({ version: z.number() }).safeParse(json);
  if (!found.success) throw corrupt('its noisefold entry has no version');
  if (found.data.version !== version)
    throw new NoisefoldError('CHECKPOINT_MISMATCH', `the checkpoint has version ${found.data.version}, not ${version}`, {
      hint: 'It was written by another release of noisefold: use that one.',
    });
  const parsed = metadataSchema.safeParse(json);
  if (!parsed.success) throw corrupt(`its noisefold entry is not what a checkpoint has: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

function specsOf(network: NetworkSpec): ReturnType<typeof parameterSpecs> {
  try {
    return parameterSpecs(network);
  } catch (cause) {
    throw corrupt('its network cannot be built', cause);
  }
}

const corrupt = (what: string, cause?: unknown): NoisefoldError =>
  new NoisefoldError('CHECKPOINT_CORRUPT', `not a checkpoint: ${what}`, cause === undefined ? {} : { cause });
