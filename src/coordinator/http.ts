/** Metrics and health over HTTP, for whoever places the process: GET /metrics, /healthz (the process turns), /readyz (it does what it is there for). */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NoisefoldError } from '../base/errors.ts';
import type { Metrics } from './metrics.ts';

export interface HttpOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** Left out: there is no /metrics. */
  readonly metrics?: Pick<Metrics, 'text' | 'contentType'>;
  /** Why it does not, if so. */
  readonly unready: () => string | undefined;
}

export interface HttpServer {
  /** `http://127.0.0.1:9090`, with the port that was bound. */
  readonly address: string;
  close(): Promise<void>;
}

/** Throws WIRE_ADDRESS when the address is taken or is none of this machine's. */
export async function serveHttp({ host, port, metrics, unready }: HttpOptions): Promise<HttpServer> {
  const server = createServer((request, response) => {
    const end = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type }).end(request.method === 'HEAD' ? undefined : text);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      end(405, 'only GET\n');
      return;
    }
    const path = (request.url ?? '').split('?')[0];
    if (path === '/metrics' && metrics !== undefined)
      metrics.text().then(
        (text) => end(200, text, metrics.contentType),
        (error: unknown) => end(500, `${String(error)}\n`),
      );
    else if (path === '/healthz') end(200, 'ok\n');
    else if (path === '/readyz') {
      const reason = unready();
      end(reason === undefined ? 200 : 503, `${reason ?? 'ok'}\n`);
    } else end(404, `there are ${metrics === undefined ? '' : '/metrics, '}/healthz and /readyz\n`);
  });
  // Nobody here has anything to send, or takes long.
  server.requestTimeout = 10_000;
  server.maxHeadersCount = 100;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = cause.code === 'EADDRINUSE' ? 'another process listens there' : cause.message;
      reject(
        new NoisefoldError('WIRE_ADDRESS', `${metrics === undefined ? 'health' : 'metrics'} cannot be served: ${why}`, {
          where: `${host}:${port}`,
          cause,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
  const bound = server.address() as AddressInfo;
  return {
    address: `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
