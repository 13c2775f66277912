/**
 * A person's end of the connection to a coordinator: one question, one answer.
 *
 * A question is asked again until it is answered, with the same number; every request may be carried out twice without harm. Whoever does not
 * answer within the time is not there.
 */
import { NoisefoldError, errorCodes, type ErrorCode } from '../../base/errors.ts';
import { protocolVersion, type ClientAnswer, type ClientRequest, type FromCoordinator } from '../../wire/messages.ts';
import type { PeerTransport } from '../../wire/transport.ts';

export interface Client {
  /** Throws the coordinator's error, WIRE_UNREACHABLE, WIRE_KEY, WIRE_INSECURE. */
  ask<Type extends ClientAnswer['type']>(request: ClientRequest, expected: Type): Promise<Extract<ClientAnswer, { type: Type }>>;
  close(): Promise<void>;
}

export interface ClientOptions {
  readonly transport: PeerTransport;
  readonly address: string;
  /** Milliseconds that a request may take. */
  readonly timeoutMs: number;
  /** Hears everything that is not a reply: blobs in chunks. */
  readonly onOther: (message: FromCoordinator) => void;
}

const againMs = 2_000;

export function createClient({ transport, address, timeoutMs, onOther }: ClientOptions): Client {
  const waiting = new Map<number, (answer: ClientAnswer) => void>();
  let requests = 0;
  transport.listen((message) => {
    if (message.type === 'reply') waiting.get(message.request)?.(message.body);
    else onOther(message);
  });

  const answered = (body: ClientRequest): Promise<ClientAnswer> =>
    new Promise((resolve, reject) => {
      const request = ++requests;
      const send = (): void => transport.send({ type: 'request', request, protocol: protocolVersion, body });
      const again = setInterval(send, againMs);
      const end = (settle: () => void): void => {
        clearInterval(again);
        clearTimeout(timeout);
        waiting.delete(request);
        settle();
      };
      const timeout = setTimeout(() => end(() => reject(unreachable(address, timeoutMs))), timeoutMs);
      waiting.set(request, (answer) => end(() => resolve(answer)));
      void transport.failed.then(({ code, reason }) => end(() => reject(new NoisefoldError(code, reason, { where: address }))));
      send();
    });

  return {
    async ask(request, expected) {
      const answer = await answered(request);
      if (answer.type === 'error') throw told(answer);
      if (answer.type !== expected)
        throw new NoisefoldError('WIRE_MALFORMED', `the coordinator answered ${request.type} with ${answer.type}`, {
          where: address,
        });
      return answer as Extract<ClientAnswer, { type: typeof expected }>;
    },
    close: () => transport.close(),
  };
}

const unreachable = (address: string, timeoutMs: number): NoisefoldError =>
  new NoisefoldError('WIRE_UNREACHABLE', `no coordinator answered within ${timeoutMs / 1000} s`, {
    where: address,
    hint: 'Start one with: noisefold coordinator --data DIR; or name its address with --connect (or NOISEFOLD_CONNECT).',
  });

/** The coordinator's own error; a code that this version does not know is kept in the message. */
function told({ code, message, hint }: Extract<ClientAnswer, { type: 'error' }>): NoisefoldError {
  const details = hint === undefined ? {} : { hint };
  return code in errorCodes
    ? new NoisefoldError(code as ErrorCode, message, details)
    : new NoisefoldError('WORKER_REFUSED', `${code}: ${message}`, details);
}
