/** What an object store answers, in the words of the error table. */
import { NoisefoldError } from '../../base/errors.ts';

interface ServiceError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number };
}

export const statusOf = (error: unknown): number | undefined => (error as ServiceError | undefined)?.$metadata?.httpStatusCode;

export const nameOf = (error: unknown): string => (error instanceof Error ? error.name : '');

/** The object is not there. A bucket that is not there is another matter. */
export const isMissing = (error: unknown): boolean =>
  ['NoSuchKey', 'NotFound'].includes(nameOf(error)) || (statusOf(error) === 404 && !/^NoSuch/.test(nameOf(error)));

/** 507 by WebDAV's example; the others by MinIO, Ceph and Swift. */
const fullNames = /QuotaExceeded|StorageFull|InsufficientStorage|ServiceQuota/i;

const permissions = 's3:GetObject, PutObject, DeleteObject, AbortMultipartUpload on the prefix, s3:ListBucket on the bucket';

/** ARTIFACTS_UNAVAILABLE, or DISK_FULL where the store is full. */
export function storeError(error: unknown, where: string, tries: number): NoisefoldError {
  if (error instanceof NoisefoldError) return error;
  const status = statusOf(error);
  const name = nameOf(error);
  const said = error instanceof Error && error.message !== '' && error.message !== 'UnknownError' ? `: ${error.message}` : '';
  const what = `${name === '' ? 'it fails' : name}${status === undefined ? '' : ` (HTTP ${status})`}${said}`;
  if (status === 507 || fullNames.test(name))
    return new NoisefoldError('DISK_FULL', `the object store is full: ${what}`, {
      where,
      hint: 'Free some space, or raise the quota: finished work is kept.',
      cause: error,
    });
  return new NoisefoldError('ARTIFACTS_UNAVAILABLE', what, { where, hint: hintFor(name, status, tries), cause: error });
}

function hintFor(name: string, status: number | undefined, tries: number): string {
  if (name === 'CredentialsProviderError')
    return 'Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or give this machine or pod a role.';
  if (name === 'NoSuchBucket') return 'Make the bucket first; noisefold makes none.';
  if (name === 'PermanentRedirect' || name === 'AuthorizationHeaderMalformed' || status === 301)
    return 'The bucket is in another region: set AWS_REGION, or add ?region=... to the URL.';
  if (/Expired|InvalidToken/.test(name)) return 'The credentials have expired; get new ones.';
  if (/SignatureDoesNotMatch|InvalidAccessKeyId/.test(name)) return 'The store does not know these credentials.';
  if (status === 403) return `The credentials need ${permissions}.`;
  if (name === 'RequestTimeTooSkewed') return 'This machine’s clock is wrong.';
  return `It was tried up to ${tries} times. Is the endpoint right, and the store up?`;
}
