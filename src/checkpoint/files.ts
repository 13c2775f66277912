/**
 * Files that are whole or not there. A reader, a crash or a full disk never sees half of one: the bytes go to a temporary file beside it,
 * are forced to disk, and take the name in one rename, which is forced to disk as well.
 */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { NoisefoldError } from '../base/errors.ts';
import { sha256 } from '../base/hash.ts';
import { canonicalJson } from '../base/json.ts';

const modelFile = 'model.safetensors';
const manifestFile = 'manifest.json';

const manifestSchema = z.object({ version: z.literal(1), file: z.literal(modelFile), bytes: z.int().min(0), sha256: z.string() });

/** What manifest.json says of model.safetensors. */
export type CheckpointManifest = z.infer<typeof manifestSchema>;

/** Writes or replaces a file so that it survives a crash. Its folder must exist. Throws the file system's errors, and leaves no temporary file then. */
export async function writeFileDurably(path: string, bytes: Uint8Array | string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    // A write that fails names no file.
    if (error instanceof Error && 'code' in error && !('path' in error)) Object.assign(error, { path });
    throw error;
  }
  await syncFolder(dirname(path));
}

/**
 * Writes a checkpoint's bytes as model.safetensors and then, once that is on disk, manifest.json with its SHA-256.
 * @param folder made if needed
 */
export async function writeCheckpointFiles(folder: string, bytes: Uint8Array): Promise<CheckpointManifest> {
  const manifest: CheckpointManifest = { version: 1, file: modelFile, bytes: bytes.length, sha256: sha256(bytes) };
  await mkdir(folder, { recursive: true });
  await writeFileDurably(join(folder, modelFile), bytes);
  await writeFileDurably(join(folder, manifestFile), `${canonicalJson(manifest, 2)}\n`);
  return manifest;
}

/** The bytes that writeCheckpointFiles wrote. Throws CHECKPOINT_CORRUPT when a file is missing or is not what the manifest says. */
export async function readCheckpointFiles(folder: string): Promise<Uint8Array> {
  const text = await readFile(join(folder, manifestFile), 'utf8').catch((cause: unknown) => {
    throw corrupt(folder, `${manifestFile} cannot be read`, cause);
  });
  const manifest = manifestSchema.safeParse(parsed(text));
  if (!manifest.success) throw corrupt(folder, `${manifestFile} is not a checkpoint's manifest`, manifest.error);
  const bytes = await readFile(join(folder, modelFile)).catch((cause: unknown) => {
    throw corrupt(folder, `${modelFile} cannot be read`, cause);
  });
  const found = sha256(bytes);
  if (found !== manifest.data.sha256) throw corrupt(folder, `${modelFile} has SHA-256 ${found}, not ${manifest.data.sha256}`);
  return bytes;
}

/** Forces a rename in a folder to disk. Some platforms cannot open folders; their renames are as durable as they get. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const corrupt = (folder: string, message: string, cause?: unknown): NoisefoldError =>
  new NoisefoldError('CHECKPOINT_CORRUPT', message, {
    where: folder,
    hint: 'Copy the folder again, or write the checkpoint again.',
    ...(cause === undefined ? {} : { cause }),
  });
