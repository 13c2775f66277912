/** The coordinator's artifacts: the folder of its data, or a prefix of a bucket with a folder of copies in front. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileArtifacts } from '../artifacts/files.ts';
import { nearArtifacts } from '../artifacts/near.ts';
import { environmentEndpoint } from '../artifacts/s3/client.ts';
import { isS3Url, s3Location, s3Url } from '../artifacts/s3/location.ts';
import { s3Artifacts } from '../artifacts/s3/store.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { NoisefoldError } from '../base/errors.ts';
import { identityIn } from './coordinator-parts.ts';

export interface CoordinatorArtifacts {
  readonly artifacts: ArtifactStore;
  /** What workers are told: a folder or an s3:// URL. */
  readonly at: string;
  readonly identity: string;
  close(): void;
}

export interface ArtifactsOptions {
  /** The coordinator's data. */
  readonly folder: string;
  /** s3://bucket/prefix; undefined for the folder. */
  readonly url: string | undefined;
  readonly endpoint: string | undefined;
  /** Bytes of copies of what is on S3. */
  readonly cacheBytes: number;
}

/** Throws USAGE, ARTIFACTS_UNAVAILABLE, and STORE_LOCKED for a prefix of another coordinator. */
export async function openArtifacts({ folder, url, endpoint, cacheBytes }: ArtifactsOptions): Promise<CoordinatorArtifacts> {
  const local = join(folder, 'artifacts');
  const identity = identityIn(local);
  if (url === undefined) return { artifacts: fileArtifacts(local), at: local, identity, close: () => {} };
  if (!isS3Url(url))
    throw new NoisefoldError('USAGE', `--artifacts is s3://bucket/prefix, not ${url}`, {
      hint: 'Without --artifacts they are in the folder artifacts of --data.',
    });
  const given = s3Location(url);
  const reached = endpoint ?? given.endpoint ?? environmentEndpoint();
  // Read again: the endpoint is checked, wherever it came from.
  const location = s3Location(s3Url({ ...given, ...(reached === undefined ? {} : { endpoint: reached }) }));
  const far = await s3Artifacts(location);
  try {
    // Two coordinators would delete each other's blobs as referred to by nothing.
    const owner = await far.claim(identity);
    if (owner !== identity)
      throw new NoisefoldError('STORE_LOCKED', `another coordinator (${owner}) keeps its artifacts here`, {
        where: url,
        hint: 'Choose another prefix; or delete the object coordinator.id there, if that coordinator is gone for good.',
      });
  } catch (error) {
    far.close();
    throw error;
  }
  const copies = join(folder, 'artifacts-cache');
  mkdirSync(copies, { recursive: true });
  const artifacts = nearArtifacts({ near: fileArtifacts(copies), far, limit: cacheBytes });
  return { artifacts, at: s3Url(location), identity, close: () => far.close() };
}
