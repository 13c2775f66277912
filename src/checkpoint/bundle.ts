/**
 * The model bundle: a folder with all that turns new rows into features and predictions.
 *
 *     manifest.json       format and version, and size and SHA-256 of every other file
 *     bundle.json         the trial's configuration, the network, the target and where all of it comes from
 *     preprocessor.json   from columns to encoded inputs
 *     model.safetensors   the weights, under the names of the reference's state_dict
 *     ridge.safetensors   the regression on the features: `weights` [features] and `intercept` [1], float64
 *
 * The manifest is taken away first and written last, so a folder with a manifest is a whole bundle.
 */
import { access, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { NoisefoldError } from '../base/errors.ts';
import { sha256 } from '../base/hash.ts';
import { canonicalJson } from '../base/json.ts';
import { decodeSafetensors, encodeSafetensors, type SafeTensor } from '../base/safetensors.ts';
import type { TargetConfig, TrialConfig } from '../config/types.ts';
import type { Preprocessor } from '../dataset/encode.ts';
import { offsets, parameterSpecs } from '../model/parameters.ts';
import type { NetworkSpec } from '../model/types.ts';
import { writeFileDurably } from './files.ts';

export const bundleVersion = 1;

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
  readonly network: NetworkSpec;
  /** `levels`: what 0 and 1 of a binary target are called. */
  readonly target: TargetConfig & { readonly levels?: readonly [zero: string, one: string] };
  /** The column that identifies a row. */
  readonly id?: string | undefined;
  /** How CSV files were read: texts that stand for a missing value, and the delimiter if it was given. */
  readonly reading: { readonly missing: readonly string[]; readonly delimiter?: string | undefined };
  readonly ridge: { readonly alpha: number };
}

export interface ModelBundle extends BundleDescription {
  readonly preprocessor: Preprocessor;
  /** The flat vector in the layout of model/parameters.ts. */
  readonly weights: Float32Array;
  /** [features + 1], the intercept last. */
  readonly ridgeWeights: Float64Array;
}

interface Manifest {
  readonly format: 'noisefold-bundle';
  readonly version: number;
  readonly files: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
}

const fileNames = ['bundle.json', 'preprocessor.json', 'model.safetensors', 'ridge.safetensors'] as const;
type FileName = (typeof fileNames)[number];

/** Writes the bundle into a folder, which is made if need be; other files in it are left alone. */
export async function writeBundle(folder: string, bundle: ModelBundle): Promise<void> {
  const { preprocessor, weights, ridgeWeights, ...description } = bundle;
  const json = (value: unknown): Uint8Array => new TextEncoder().encode(`${canonicalJson(value, 2)}\n`);
  const files: Record<FileName, Uint8Array> = {
    'bundle.json': json(description satisfies BundleDescription),
    'preprocessor.json': json(preprocessor),
    'model.safetensors': encodeSafetensors(namedTensors(bundle.network, weights), { format: 'pt' }),
    'ridge.safetensors': encodeSafetensors({
      weights: { dtype: 'F64', shape: [ridgeWeights.length - 1], data: ridgeWeights.subarray(0, -1) },
      intercept: { dtype: 'F64', shape: [1], data: ridgeWeights.subarray(-1) },
    }),
  };
  const manifest: Manifest = {
    format: 'noisefold-bundle',
    version: bundleVersion,
    files: Object.fromEntries(fileNames.map((name) => [name, { bytes: files[name].length, sha256: sha256(files[name]) }])),
  };
  await mkdir(folder, { recursive: true });
  await rm(join(folder, 'manifest.json'), { force: true });
  for (const name of fileNames) await writeFileDurably(join(folder, name), files[name]);
  await writeFileDurably(join(folder, 'manifest.json'), json(manifest));
}

/**
 * Reads a bundle, every file checked against the manifest. Throws DATA_NOT_FOUND where there is none, CHECKPOINT_CORRUPT where bytes differ or
 * are missing, CHECKPOINT_MISMATCH where a newer noisefold wrote it.
 */
export async function readBundle(folder: string): Promise<ModelBundle> {
  const { files } = await readManifest(folder);
  const read = async (name: FileName): Promise<Uint8Array> => {
    const where = join(folder, name);
    const bytes = await readFile(where).catch((cause: unknown) => {
      throw corrupt('the file is not there', where, cause);
    });
    if (files[name]?.sha256 !== sha256(bytes)) throw corrupt('the bytes are not those that the manifest names', where);
    return bytes;
  };
  const json = async (name: FileName): Promise<unknown> => JSON.parse(new TextDecoder().decode(await read(name)));
  const description = (await json('bundle.json')) as BundleDescription;
  const ridge = decodeSafetensors(await read('ridge.safetensors')).tensors;
  return {
    ...description,
    preprocessor: (await json('preprocessor.json')) as Preprocessor,
    weights: flatWeights(description.network, decodeSafetensors(await read('model.safetensors')).tensors, folder),
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
  if (version !== bundleVersion)
    throw new NoisefoldError(
      'CHECKPOINT_MISMATCH',
      `the bundle has version ${version}; this noisefold reads version ${bundleVersion}`,
      {
        where,
        hint: version > bundleVersion ? 'Use the noisefold that wrote it, or a newer one.' : 'Export it again.',
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
