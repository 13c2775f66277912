/** tfjs has one current backend a process: engines that use one take it for the length of a synchronous call, and give it back. */
import * as tf from '@tensorflow/tfjs';
import { NoisefoldError } from '../base/errors.ts';

/** Runs synchronous tfjs code on a backend that is initialised, and frees every tensor that it makes and does not keep. */
export function withBackend<T>(backend: string, work: () => T): T {
  // Keeps tfjs from advising other backends on the console.
  tf.enableProdMode();
  const previous = (tf.getBackend() as string | undefined) ?? 'cpu';
  void tf.setBackend(backend);
  tf.engine().startScope();
  try {
    return work();
  } finally {
    tf.engine().endScope();
    void tf.setBackend(previous);
  }
}

/** A copy of a tensor's values, since tfjs may reuse the memory. */
export const valuesOf = (tensor: tf.Tensor): Float32Array => Float32Array.from(tensor.dataSync<'float32'>());

/** Synchronous work behind an asynchronous port: what it throws rejects. What is not a NoisefoldError becomes ENGINE_FAILED. */
export function soon<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => {
    try {
      resolve(work());
    } catch (cause) {
      throw failure(cause);
    }
  });
}

export const failure = (cause: unknown): NoisefoldError =>
  cause instanceof NoisefoldError
    ? cause
    : new NoisefoldError('ENGINE_FAILED', cause instanceof Error ? cause.message : String(cause), { cause });

/** What a session holds, freed at its first release; a session that is used after that is refused with ENGINE_FAILED. */
export function lifetime(free: () => void): { check(): void; end(): Promise<void> } {
  let released = false;
  return {
    check() {
      if (released) throw new NoisefoldError('ENGINE_FAILED', 'the session was used after its release');
    },
    end() {
      if (released) return Promise.resolve();
      released = true;
      return soon(free);
    },
  };
}
