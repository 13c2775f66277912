/** A program as TensorFlow holds it: loaded once, its functions called by name. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import { failure, lifetime, soon, withBackend } from '../backend.ts';
import { backend, type Library, type SavedModel } from './library.ts';
import { lower, type Program } from './lower.ts';
import { servingTag } from './protobuf.ts';

export interface Model {
  /** Runs a signature; operands and results live as long as the call. */
  call<T>(signature: string, operands: () => tf.NamedTensorMap, take: (results: tf.NamedTensorMap) => T): Promise<T>;
  release(): Promise<void>;
}

/** Loads a program. TensorFlow reads it from a folder, which is gone when this resolves. */
export async function openModel(library: Pick<Library, 'loadSavedModel'>, program: Program): Promise<Model> {
  const bytes = lower(program);
  const folder = await mkdtemp(join(tmpdir(), 'noisefold-'));
  const signatures = new Map<string, SavedModel>();
  const free = (): void => {
    for (const signature of signatures.values()) signature.dispose();
  };
  try {
    await writeFile(join(folder, 'saved_model.pb'), bytes);
    for (const name of [...Object.keys(program.functions), 'set', 'get'])
      signatures.set(name, await withBackend(backend, () => library.loadSavedModel(folder, [servingTag], name)));
  } catch (cause) {
    free();
    throw failure(cause);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const life = lifetime(free);
  return {
    call: (name, operands, take) =>
      soon(() => {
        life.check();
        return withBackend(backend, () => take(signatures.get(name)!.predict(operands())));
      }),
    release: () => life.end(),
  };
}
