/** Where blobs are in an object store, as one URL that people and messages can carry: `s3://bucket/prefix?endpoint=...&region=...`. */
import { NoisefoldError } from '../../base/errors.ts';

export interface S3Location {
  readonly bucket: string;
  /** Before every key; '' for none. */
  readonly prefix: string;
  /** http(s)://host:port of a store that is not Amazon's. Default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or Amazon's. */
  readonly endpoint?: string;
  /** Default: what the SDK finds (AWS_REGION, the profile); us-east-1 with an endpoint. */
  readonly region?: string;
  /** endpoint/bucket/key instead of bucket.endpoint/key. Default: with an endpoint. */
  readonly forcePathStyle?: boolean;
  /** Whether uploads carry x-amz-checksum-sha256, for the store to check. Default: yes. */
  readonly checksums?: boolean;
}

export const isS3Url = (text: string): boolean => text.startsWith('s3://');

const bucketPattern = /^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i;
const switches: Readonly<Record<string, boolean>> = { on: true, off: false };

/** Throws USAGE. */
export function s3Location(text: string): S3Location {
  const url = URL.parse(text);
  const wrong = (what: string): NoisefoldError =>
    new NoisefoldError('USAGE', what, {
      where: text,
      hint: 'For example s3://bucket/prefix, or s3://bucket/prefix?endpoint=http://minio:9000',
    });
  if (url?.protocol !== 's3:' || !bucketPattern.test(url.hostname) || /%(?![0-9a-f]{2})/i.test(url.pathname))
    throw wrong('no s3://bucket/prefix');
  const given = new Map(url.searchParams);
  const take = (name: string): string | undefined => {
    const value = given.get(name);
    given.delete(name);
    return value;
  };
  const flag = (name: string): boolean | undefined => {
    const value = take(name);
    if (value !== undefined && switches[value] === undefined) throw wrong(`${name} is on or off, not ${value}`);
    return value === undefined ? undefined : switches[value];
  };
  const endpoint = take('endpoint');
  if (endpoint !== undefined && !/^https?:$/.test(URL.parse(endpoint)?.protocol ?? ''))
    throw wrong(`${endpoint} is no http(s) URL`);
  const region = take('region');
  const forcePathStyle = flag('path-style');
  const checksums = flag('checksums');
  for (const name of given.keys()) throw wrong(`${name} is none of endpoint, region, path-style, checksums`);
  return {
    bucket: url.hostname,
    prefix: decodeURIComponent(url.pathname).replace(/^\/+|\/+$/g, ''),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(forcePathStyle === undefined ? {} : { forcePathStyle }),
    ...(checksums === undefined ? {} : { checksums }),
  };
}

/** The inverse of s3Location. */
export function s3Url({ bucket, prefix, endpoint, region, forcePathStyle, checksums }: S3Location): string {
  const query = new URLSearchParams();
  if (endpoint !== undefined) query.set('endpoint', endpoint);
  if (region !== undefined) query.set('region', region);
  if (forcePathStyle !== undefined) query.set('path-style', forcePathStyle ? 'on' : 'off');
  if (checksums !== undefined) query.set('checksums', checksums ? 'on' : 'off');
  const path = prefix === '' ? '' : `/${prefix.split('/').map(encodeURIComponent).join('/')}`;
  return `s3://${bucket}${path}${query.size > 0 ? `?${query.toString()}` : ''}`;
}
