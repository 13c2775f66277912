/** The SDK's client, with bounds on everything. Credentials come from where the SDK looks for them: environment, files, SSO, web identity (IRSA), the machine's role. */
import type * as sdkOf from '@aws-sdk/client-s3';
import { NoisefoldError } from '../../base/errors.ts';
import type { S3Location } from './location.ts';

type Sdk = typeof sdkOf;

/** The SDK is an optional peer, and is loaded when it is needed. Throws ARTIFACTS_UNAVAILABLE when it is not installed. */
export async function loadSdk(load: () => Promise<Sdk> = () => import('@aws-sdk/client-s3')): Promise<Sdk> {
  try {
    return await load();
  } catch (cause) {
    throw new NoisefoldError('ARTIFACTS_UNAVAILABLE', 'artifacts on S3 need the package @aws-sdk/client-s3', {
      hint: 'npm install @aws-sdk/client-s3',
      cause,
    });
  }
}

export interface Limits {
  readonly tries: number;
  readonly connectMs: number;
  readonly silenceMs: number;
}

export function createClient(sdk: Sdk, location: S3Location, { tries, connectMs, silenceMs }: Limits): sdkOf.S3Client {
  const endpoint = location.endpoint ?? environmentEndpoint();
  const region = location.region ?? (endpoint === undefined ? undefined : (process.env['AWS_REGION'] ?? 'us-east-1'));
  return new sdk.S3Client({
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    forcePathStyle: location.forcePathStyle ?? endpoint !== undefined,
    maxAttempts: tries,
    retryMode: 'standard',
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectMs,
      requestTimeout: silenceMs,
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: 50 },
      httpsAgent: { keepAlive: true, maxSockets: 50 },
    },
  });
}

/** Set but empty counts as not set. */
export const environmentEndpoint = (): string | undefined =>
  process.env['AWS_ENDPOINT_URL_S3'] || process.env['AWS_ENDPOINT_URL'] || undefined;
