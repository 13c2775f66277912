/**
 * The model bundle: a folder with all that turns new rows into features and predictions.
 *
 *     manifest.json       format and version, and size and SHA-256 of every other file
 *     bundle.json         the trial's configuration, the network, the target and where all of it comes from
 *     preprocessor.json   from columns to encoded inputs
 *     model.safetensors   the weights, under the names of the reference's state_dict
 *     ridge.safetensors   the regression on the features: `weights` [features] and `intercept` [1], float64
 *
 * Of an inductive study it has one network a fold: then `fold-0/`, `fold-1/`, ... hold a preprocessor.json and a model.safetensors each, and
 * bundle.json tells how their features are put together (version 2 of the format).
 *
 * The manifest is taken away first and written last, so a folder with a manifest is a whole bundle.
 */
import { access, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { NoisefoldError } from '../base/errors.ts';
import { sha256 } from '../base/hash.ts';
import { canonicalJson } from '../base/json.ts';
import { decodeSafetensors, encodeSafetensors, type SafeTensor } from '../base/safetensors.ts';
import type { FoldFeatures, TargetConfig, TrialConfig } from '../config/types.ts';
import type { Preprocessor } from '../dataset/encode.ts';
import { offsets, parameterSpecs } from '../model/parameters.ts';
import type { NetworkSpec } from '../model/types.ts';
import { writeFileDurably } from './files.ts';

/** By the number of networks: one, or one a fold. */
export const bundleVersions = { one: 1, folds: 2 } as const;

/** What bundle.json holds. */
export interface BundleDescription {
  /** The noisefold that wrote it. */
  readonly noisefold: string;
  readonly study: string;
  readonly seed: number;
  /** `trial-0001` */
  readonly trial: string;
  /** Hash of the prepared data that it was trained on. */
  readonly data: string;
  readonly config: TrialConfig;
  /** `levels`: what 0 and 1 of a binary target are called. */
  readonly target: TargetConfig & { readonly levels?: readonly [zero: string, one: string] };
  /** The column that identifies a row. */
  readonly id?: string | undefined;
  /** How CSV files were read: texts that stand for a missing value, and the delimiter if it was given. */
  readonly reading: { readonly missing: readonly string[]; readonly delimiter?: string | undefined };
  readonly ridge: { readonly alpha: number };
}

/** A network with the encoding of its inputs. */
export interface BundleMember {
  readonly preprocessor: Preprocessor;
  readonly network: NetworkSpec;
  /** The flat vector in the layout of model/parameters.ts. */
  readonly weights: Float32Array;
}

export interface ModelBundle extends BundleDescription {
  /** One, or one a fold. */
  readonly members: readonly BundleMember[];
  /** How the features of several members become a row's. */
  readonly combine: FoldFeatures;
  /** [features + 1], the intercept last. */
  readonly ridgeWeights: Float64Array;
}

interface Manifest {
  readonly format: 'noisefold-bundle';
  readonly version: number;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

/** What bundle.json says of the networks. */
type Networks =
  | { readonly network: NetworkSpec }
  | { readonly folds: { readonly combine: FoldFeatures; readonly networks: readonly NetworkSpec[] } };

const memberFolder = (member: number, members: number): string => (members === 1 ? '' : `fold-${member}/`);

/** Writes the bundle into a folder, which is made if need be; other files in it are left alone. */
export async function writeBundle(folder: string, bundle: ModelBundle): Promise<void> {
  const { members, combine, ridgeWeights, ...description } = bundle;
  const [first] = members;
  if (first === undefined) throw new NoisefoldError('INTERNAL', 'a bundle without a network');
  const networks: Networks =
    members.length === 1 ? { network: first.network } : { folds: { combine, networks: members.map(({ network }) => network) } };
  const json = (value: unknown): Uint8Array => new TextEncoder().encode(`${canonicalJson(value, 2)}\n`);
  const files: Readonly<Record<string, Uint8Array>> = {
    'bundle.json': json({ ...(description satisfies BundleDescription), ...networks }),
    ...Object.fromEntries(
      members.flatMap(({ preprocessor, network, weights }, i) => {
        const folder = memberFolder(i, members.length);
        return [
          [`${folder}preprocessor.json`, json(preprocessor)],
          [`${folder}model.safetensors`, encodeSafetensors(namedTensors(network, weights), { format: 'pt' })],
        ] as const;
      }),
    ),
    'ridge.safetensors': encodeSafetensors({
      weights: { dtype: 'F64', shape: [ridgeWeights.length - 1], data: ridgeWeights.subarray(0, -1) },
      intercept: { dtype: 'F64', shape: [1], data: ridgeWeights.subarray(-1) },
    }),
  };
  const manifest: Manifest = {
    format: 'noisefold-bundle',
    version: members.length === 1 ? bundleVersions.one : bundleVersions.folds,
    files: Object.fromEntries(
      Object.entries(files).map(([name, bytes]) => [name, { bytes: bytes.length, sha256: sha256(bytes) }]),
    ),
  };
  await mkdir(folder, { recursive: true });
  await rm(join(folder, 'manifest.json'), { force: true });
  for (const [name, bytes] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFileDurably(join(folder, name), bytes);
  }
  await writeFileDurably(join(folder, 'manifest.json'), json(manifest));
}

/**
 * Reads a bundle, every file checked against the manifest. Throws DATA_NOT_FOUND where there is none, CHECKPOINT_CORRUPT where bytes differ or
 * are missing, CHECKPOINT_MISMATCH where a newer noisefold wrote it.
 */
export async function readBundle(folder: string): Promise<ModelBundle> {
  const { files } = await readManifest(folder);
  const read = async (name: string): Promise<Uint8Array> => {
    const where = join(folder, name);
    const bytes = await readFile(where).catch((cause: unknown) => {
      throw corrupt('the file is not there', where, cause);
    });
    if (files[name]?.sha256 !== sha256(bytes)) throw corrupt('the bytes are not those that the manifest names', where);
    return bytes;
  };
  const json = async (name: string): Promise<unknown> => JSON.parse(new TextDecoder().decode(await read(name)));
  const { network, folds, ...description } = (await json('bundle.json')) as BundleDescription & {
    readonly network?: NetworkSpec;
    readonly folds?: Extract<Networks, { readonly folds: unknown }>['folds'];
  };
  const networks = folds?.networks ?? (network === undefined ? [] : [network]);
  const members: BundleMember[] = [];
  for (const [i, own] of networks.entries()) {
    const part = memberFolder(i, networks.length);
    members.push({
      network: own,
      preprocessor: (await json(`${part}preprocessor.json`)) as Preprocessor,
      weights: flatWeights(own, decodeSafetensors(await read(`${part}model.safetensors`)).tensors, join(folder, part)),
    });
  }
  const ridge = decodeSafetensors(await read('ridge.safetensors')).tensors;
  return {
    ...description,
    members,
    combine: folds?.combine ?? 'concatenate',
    ridgeWeights: Float64Array.of(...float64(ridge, 'weights', folder), ...float64(ridge, 'intercept', folder)),
  };
}

async function readManifest(folder: string): Promise<Manifest> {
  const where = join(folder, 'manifest.json');
  const text = await readFile(where, 'utf8').catch((cause: unknown) => {
    throw new NoisefoldError('DATA_NOT_FOUND', 'there is no model bundle in this folder (it has no manifest.json)', {
      where: folder,
      hint: 'A bundle is the folder best/ that `noisefold sweep` and `noisefold train` write.',
      cause,
    });
  });
  let manifest: Partial<Manifest>;
  try {
    manifest = JSON.parse(text) as Partial<Manifest>;
  } catch (cause) {
    throw corrupt('it is not JSON', where, cause);
  }
  const { format, version, files } = manifest;
  if (format === undefined && 'file' in manifest)
    throw new NoisefoldError('DATA_NOT_FOUND', 'this folder holds the checkpoint of a trial or a training, not a model bundle', {
      where: folder,
      hint: await bundleBeside(folder),
    });
  if (format !== 'noisefold-bundle' || typeof version !== 'number' || typeof files !== 'object')
    throw corrupt('it is not the manifest of a model bundle', where);
  if (version !== bundleVersions.one && version !== bundleVersions.folds)
    throw new NoisefoldError(
      'CHECKPOINT_MISMATCH',
      `the bundle has version ${version}; this noisefold reads versions ${bundleVersions.one} and ${bundleVersions.folds}`,
      {
        where,
        hint: version > bundleVersions.folds ? 'Use the noisefold that wrote it, or a newer one.' : 'Export it again.',
      },
    );
  return { format, version, files };
}

/** Where the bundle of a study, or of a training, is: said to who named `runs/x/trials/trial-0001` or `runs/x-train`. */
async function bundleBeside(folder: string): Promise<string> {
  for (const best of [join(folder, '../../best'), join(folder, 'best')])
    if (
      await access(join(best, 'manifest.json')).then(
        () => true,
        () => false,
      )
    )
      return `The bundle of the best trial is ${best}`;
  return 'A bundle is the folder best/ that `noisefold sweep` and `noisefold train` write.';
}

/** The flat vector as named tensors. */
function namedTensors(network: NetworkSpec, weights: Float32Array): Readonly<Record<string, SafeTensor>> {
  return Object.fromEntries(
    offsets(parameterSpecs(network)).map(({ name, shape, offset, size }) => [
      name,
      { dtype: 'F32', shape, data: weights.subarray(offset, offset + size) } as const,
    ]),
  );
}

function flatWeights(network: NetworkSpec, tensors: Readonly<Record<string, SafeTensor>>, where: string): Float32Array {
  const slices = offsets(parameterSpecs(network));
  const weights = new Float32Array(slices.reduce((sum, { size }) => sum + size, 0));
  for (const { name, offset, size } of slices) {
    const tensor = tensors[name];
    if (tensor?.dtype !== 'F32' || tensor.data.length !== size)
      throw corrupt(`it has no tensor ${name} of ${size} float32 values`, where);
    weights.set(tensor.data, offset);
  }
  return weights;
}

function float64(tensors: Readonly<Record<string, SafeTensor>>, name: string, where: string): Float64Array {
  const tensor = tensors[name];
  if (tensor?.dtype !== 'F64') throw corrupt(`it has no float64 tensor ${name}`, where);
  return tensor.data;
}

const corrupt = (what: string, where: string, cause?: unknown): NoisefoldError =>
  new NoisefoldError('CHECKPOINT_CORRUPT', what, {
    where,
    hint: 'Copy the whole folder again, or export the bundle anew.',
    ...(cause === undefined ? {} : { cause }),
  });
