import { createRequire } from 'node:module';

/** noisefold's version, from package.json (beside both src/ and dist/). */
export const version = (createRequire(import.meta.url)('../../package.json') as { version: string }).version;
