import { createHash } from 'node:crypto';
import { canonicalJson } from './json.ts';

/** The SHA-256 of bytes or text, as 64 lower-case hexadecimal digits. */
export function sha256(data: Uint8Array | string): string {
  return createHash('sha256').update(data).digest('hex');
}

/** The SHA-256 of bytes that come in parts. */
export function sha256OfParts(parts: Iterable<Uint8Array>): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}

/** The SHA-256 of a value's canonical JSON. */
export const hashOf = (value: unknown): string => sha256(canonicalJson(value));
