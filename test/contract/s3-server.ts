/** A real S3 server process (s3rver), and an HTTP proxy in front of it that makes trouble. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const testBucket = 'noisefold-test';

/** What s3rver accepts. To be in the environment before the first request. */
export function useTestCredentials(): void {
  process.env['AWS_ACCESS_KEY_ID'] = 'S3RVER';
  process.env['AWS_SECRET_ACCESS_KEY'] = 'S3RVER';
  for (const name of ['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_PROFILE', 'AWS_SESSION_TOKEN', 'AWS_REGION'])
    Reflect.deleteProperty(process.env, name);
}

export interface S3Server {
  readonly endpoint: string;
  readonly port: number;
  /** The file that holds an object's bytes. */
  fileOf(key: string): string;
  /** SIGKILL, and again on the same port and folder. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const program = createRequire(import.meta.url).resolve('s3rver/bin/s3rver.js');

export async function startS3(folder: string): Promise<S3Server> {
  let { child, port } = await launch(folder, 0);
  const stop = async (): Promise<void> => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  return {
    endpoint: `http://127.0.0.1:${port}`,
    port,
    fileOf: (key) => join(folder, testBucket, `${key}._S3rver_object`),
    async restart() {
      await stop();
      ({ child, port } = await launch(folder, port));
    },
    stop,
  };
}

async function launch(folder: string, port: number): Promise<{ child: ChildProcess; port: number }> {
  const options = ['-d', folder, '-a', '127.0.0.1', '-p', String(port), '--no-vhost-buckets', '--silent'];
  // Its continuation tokens are of a cipher that OpenSSL 3 has put away.
  const child = spawn(process.execPath, ['--openssl-legacy-provider', program, ...options, '--configure-bucket', testBucket], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  for await (const line of createInterface(child.stdout)) {
    const [, at] = /listening on \S+?:(\d+)$/.exec(line) ?? [];
    if (at !== undefined) return { child, port: Number(at) };
  }
  throw new Error('s3rver did not start');
}

/** What is to happen to a request, in place of the server's answer or to it. */
export type Fault =
  | { readonly status: number; readonly code: string }
  /** The answer's body ends after so many bytes. */
  | { readonly cutAfter: number }
  /** The request is carried out, and the connection breaks before the answer. */
  | 'lose-answer'
  /** No answer, ever. */
  | 'silence';

export interface FaultProxy {
  readonly endpoint: string;
  /** Requests that came, as `METHOD path?query`. */
  readonly requests: string[];
  /** Asked for every request; undefined lets it through. */
  trouble: (request: string) => Fault | undefined;
  close(): Promise<void>;
}

export async function startProxy(server: S3Server): Promise<FaultProxy> {
  const proxy: FaultProxy = {
    endpoint: '',
    requests: [],
    trouble: () => undefined,
    async close() {
      http.closeAllConnections();
      http.close();
      await once(http, 'close');
    },
  };
  const http = createServer((incoming, outgoing) => {
    const name = `${incoming.method ?? ''} ${incoming.url ?? ''}`;
    proxy.requests.push(name);
    pass(incoming, outgoing, server.port, proxy.trouble(name));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  return Object.assign(proxy, { endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
}

function pass(incoming: IncomingMessage, outgoing: ServerResponse, port: number, fault: Fault | undefined): void {
  if (fault === 'silence') {
    incoming.resume();
    return;
  }
  if (typeof fault === 'object' && 'status' in fault) {
    incoming.resume().on('end', () => {
      outgoing.writeHead(fault.status, { 'content-type': 'application/xml' });
      outgoing.end(
        incoming.method === 'HEAD' ? undefined : `<Error><Code>${fault.code}</Code><Message>made up</Message></Error>`,
      );
    });
    return;
  }
  const { method, url: path, headers } = incoming;
  const behind = request({ host: '127.0.0.1', port, method, path, headers }, (answer) => {
    if (fault === 'lose-answer') {
      answer.resume().on('end', () => outgoing.destroy());
      return;
    }
    outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
    if (fault === undefined) {
      answer.pipe(outgoing);
      return;
    }
    answer.once('data', (chunk: Buffer) => {
      answer.destroy();
      outgoing.write(chunk.subarray(0, fault.cutAfter), () => outgoing.destroy());
    });
  });
  behind.on('error', () => outgoing.destroy());
  incoming.pipe(behind);
}
