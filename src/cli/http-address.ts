/** Where a process serves its health, and the coordinator its metrics. */
import { NoisefoldError } from '../base/errors.ts';

/** What --http says: `host:port`, or a port of this machine alone. Throws USAGE. */
export function hostAndPort(text: string): { readonly host: string; readonly port: number } {
  const [, host = '', port = ''] = /^(?:\[?([^\]]*?)\]?:)?(\d{1,5})$/.exec(text) ?? [];
  if (port === '' || Number(port) > 65_535)
    throw new NoisefoldError('USAGE', `--http must be host:port, not ${JSON.stringify(text)}`, {
      hint: 'Such as 127.0.0.1:9090, or 0.0.0.0:9090 for other machines.',
    });
  return { host: host === '' ? '127.0.0.1' : host, port: Number(port) };
}
