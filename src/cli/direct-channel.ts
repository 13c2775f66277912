/** Whether a worker reads and writes the coordinator's artifacts on S3 itself. */
import { isS3Url, s3Location } from '../artifacts/s3/location.ts';
import { environmentEndpoint } from '../artifacts/s3/client.ts';
import { s3Artifacts } from '../artifacts/s3/store.ts';
import { asNoisefoldError, NoisefoldError } from '../base/errors.ts';
import type { Log } from '../base/ports.ts';
import type { BlobChannel } from '../worker/blobs.ts';
import { directBlobs } from '../worker/direct.ts';

export interface DirectChannelOptions {
  /** What the coordinator said in its welcome. */
  readonly artifacts: string;
  readonly coordinator: string;
  /** Instead of the coordinator's endpoint. Default: the environment's. */
  readonly endpoint: string | undefined;
  readonly wire: BlobChannel;
  readonly log: Log;
}

/** A store that does not answer soon is no shorter way. */
const probeMs = 10_000;

/** Asks the store whose it is: one small request, which shows that it is reached, lets this worker read, and is the coordinator's. Undefined: over the wire. */
export async function directChannel(options: DirectChannelOptions): Promise<BlobChannel | undefined> {
  const { artifacts, coordinator, wire, log } = options;
  if (!isS3Url(artifacts)) return undefined;
  try {
    const location = s3Location(artifacts);
    const endpoint = options.endpoint ?? environmentEndpoint() ?? location.endpoint;
    const store = await s3Artifacts({ ...location, ...(endpoint === undefined ? {} : { endpoint }) });
    if ((await within(store.owner())) === coordinator) return directBlobs({ store, wire, log });
    store.close();
    throw new NoisefoldError('ARTIFACTS_UNAVAILABLE', 'it is not the coordinator’s', { where: artifacts });
  } catch (thrown) {
    const { message, hint } = asNoisefoldError(thrown);
    log.log('info', 'the coordinator’s object store is not used directly', { artifacts, reason: message, hint });
    return undefined;
  }
}

async function within<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new NoisefoldError('ARTIFACTS_UNAVAILABLE', `no answer in ${probeMs} ms`)), probeMs);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
