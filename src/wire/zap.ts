/**
 * The coordinator's answer to "may this key connect?": ZAP (ZeroMQ RFC 27), a socket on inproc://zeromq.zap.01 that libzmq asks at every handshake. It
 * belongs to a context, so each coordinator has a context of its own.
 *
 * A request is [version, id, domain, address, routing id, mechanism, public key]; the answer [version, id, status, text, user id, metadata].
 */
import { Reply, type Context } from 'zeromq';
import type { Log } from '../base/ports.ts';
import type { CoordinatorSecurity } from './security.ts';

type Authorised = Extract<CoordinatorSecurity, { kind: 'curve' }>['authorised'];

/** A stranger who knocks all day must not fill the log. */
const refusalLogMs = 1_000;

/** Answers until it is closed. */
export async function serveZap(context: Context, authorised: Authorised, log: Log): Promise<{ close(): void }> {
  const socket = new Reply({ context, linger: 0 });
  await socket.bind('inproc://zeromq.zap.01');
  let lastLogged = -Infinity;

  function decide(
    mechanism: string,
    key: Buffer | undefined,
    from: string,
  ): readonly [status: string, text: string, user: string] {
    if (mechanism !== 'CURVE' || key?.length !== 32) return ['400', 'no CURVE key', ''];
    const publicKey = key.toString('hex');
    try {
      const name = authorised(publicKey);
      if (name !== undefined) {
        log.log('debug', 'key accepted', { name, from });
        return ['200', 'OK', name];
      }
      if (performance.now() - lastLogged > refusalLogMs) {
        lastLogged = performance.now();
        log.log('warn', 'key refused: it is not on the list of authorised keys', { key: publicKey, from });
      }
      return ['400', 'not authorised', ''];
    } catch (error) {
      log.log('error', 'keys cannot be checked', { message: error instanceof Error ? error.message : String(error) });
      return ['500', 'the list of authorised keys cannot be read', ''];
    }
  }

  async function serve(): Promise<void> {
    for await (const [version, id, , address, , mechanism, key] of socket) {
      const [status, text, user] = decide(String(mechanism), key, String(address));
      await socket.send([version ?? '1.0', id ?? '', status, text, user, '']);
    }
  }
  // Ends with the socket; one that closes while an answer is on its way is no news.
  serve().catch(() => {});
  return { close: () => socket.close() };
}
