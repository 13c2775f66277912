/** The model that --model names. */
import { join } from 'node:path';
import { NoisefoldError } from '../base/errors.ts';
import type { Log } from '../base/ports.ts';
import { type ModelBundle, readBundle } from '../checkpoint/bundle.ts';

const isNotThere = (thrown: unknown): boolean => thrown instanceof NoisefoldError && thrown.code === 'DATA_NOT_FOUND';

/** The bundle in a folder; the folder of a study, or of a training, stands for its best/, which is said. Throws what readBundle throws. */
export async function readModel(folder: string, log: Log): Promise<ModelBundle> {
  try {
    return await readBundle(folder);
  } catch (thrown) {
    if (!isNotThere(thrown)) throw thrown;
    const best = join(folder, 'best');
    const bundle = await readBundle(best).catch((other: unknown) => {
      throw isNotThere(other) ? thrown : other;
    });
    log.log('info', `The model is ${best}`);
    return bundle;
  }
}
