/** A prepared data set as one safetensors file. Its hash is the SHA-256 of that file, so that it is also its address as an artifact. */
import { NoisefoldError } from '../base/errors.ts';
import { sha256, sha256OfParts } from '../base/hash.ts';
import { canonicalJson } from '../base/json.ts';
import { decodeSafetensors, encodeSafetensors, safetensorsParts } from '../base/safetensors.ts';
import type { EncodedLayout, PreparedData } from './types.ts';

const format = 'noisefold.prepared/1';

/** The file's bytes: the same for the same data. `hash` does not go in: it is the SHA-256 of what comes out. */
export const encodePrepared = (data: Omit<PreparedData, 'hash'>): Uint8Array<ArrayBuffer> => encodeSafetensors(...contents(data));

/** The SHA-256 of the file, without a second copy of the data in memory. */
export const preparedHash = (data: Omit<PreparedData, 'hash'>): string => sha256OfParts(safetensorsParts(...contents(data)));

function contents(data: Omit<PreparedData, 'hash'>): Parameters<typeof encodeSafetensors> {
  const { inputs, target, folds } = data;
  return [
    {
      inputs: { dtype: 'F32', shape: [inputs.rows, inputs.cols], data: inputs.data },
      target: { dtype: 'F64', shape: [target.length], data: target },
      folds: { dtype: 'I32', shape: [folds.length], data: folds },
    },
    {
      format,
      layout: canonicalJson(data.layout),
      task: data.task,
      foldCount: String(data.foldCount),
      ...(data.heldOut === undefined ? {} : { heldOut: String(data.heldOut) }),
    },
  ];
}

/**
 * Reads the file back. Throws DATA_MISMATCH if `expectedHash` is given and is not that of the bytes, or if they are no prepared data set;
 * CHECKPOINT_CORRUPT if they are no safetensors file.
 */
export function decodePrepared(bytes: Uint8Array, expectedHash?: string): PreparedData {
  const hash = sha256(bytes);
  if (expectedHash !== undefined && hash !== expectedHash)
    throw mismatch(
      `its hash is ${hash}, expected ${expectedHash}`,
      'Start the study anew, or give back the data files that it was started with.',
    );
  const { tensors, metadata } = decodeSafetensors(bytes);
  const { inputs, target, folds } = tensors;
  const { layout: layoutText, task, foldCount, heldOut } = metadata;
  if (metadata['format'] !== format) throw mismatch(`its format is ${metadata['format'] ?? 'missing'}, expected ${format}`);
  const [rows, cols] = inputs?.shape ?? [];
  if (inputs?.dtype !== 'F32' || target?.dtype !== 'F64' || folds?.dtype !== 'I32' || rows === undefined || cols === undefined)
    throw mismatch('a tensor is missing or of another type');
  if (layoutText === undefined || (task !== 'regression' && task !== 'binary')) throw mismatch('its description is incomplete');
  const layout = JSON.parse(layoutText) as EncodedLayout;
  if (target.data.length !== rows || folds.data.length !== rows || layout.binary + layout.numerical !== cols)
    throw mismatch('its tensors do not fit each other');
  return {
    hash,
    layout,
    inputs: { rows, cols, data: inputs.data },
    target: target.data,
    task,
    folds: folds.data,
    foldCount: Number(foldCount),
    ...(heldOut === undefined ? {} : { heldOut: Number(heldOut) }),
  };
}

const mismatch = (what: string, hint?: string): NoisefoldError =>
  new NoisefoldError('DATA_MISMATCH', `this is not the expected prepared data set: ${what}`, hint === undefined ? {} : { hint });
