/** CURVE on a socket, and what becomes of its handshakes. */
import type { Dealer, Router } from 'zeromq';
import { NoisefoldError } from '../base/errors.ts';
import { mechanismAtAddress } from './diagnose.ts';
import type { KeyPair, PeerSecurity } from './security.ts';
import type { PeerTransport } from './transport.ts';

// zmq.h; set as 32 raw bytes, because zeromq's properties take Z85 text only.
const ZMQ_CURVE_PUBLICKEY = 48;
const ZMQ_CURVE_SECRETKEY = 49;
const ZMQ_CURVE_SERVERKEY = 50;

/** Only with a ZAP domain does libzmq ask who may connect. */
export const zapDomain = 'noisefold';

/** Throws WIRE_KEY for what is no key. */
export function setCurveServer(socket: Router, keys: KeyPair): void {
  socket.curveServer = true;
  socket.zapDomain = zapDomain;
  setKey(socket, ZMQ_CURVE_PUBLICKEY, keys.public);
  setKey(socket, ZMQ_CURVE_SECRETKEY, keys.secret);
}

/** Throws WIRE_KEY for what is no key. */
export function setCurveClient(socket: Dealer, { keys, coordinator }: Extract<PeerSecurity, { kind: 'curve' }>): void {
  setKey(socket, ZMQ_CURVE_SERVERKEY, coordinator);
  setKey(socket, ZMQ_CURVE_PUBLICKEY, keys.public);
  setKey(socket, ZMQ_CURVE_SECRETKEY, keys.secret);
}

function setKey(socket: Router | Dealer, option: number, key: string): void {
  if (!/^[0-9a-f]{64}$/.test(key)) throw new NoisefoldError('WIRE_KEY', 'a key is not 64 lower-case hexadecimal digits');
  (socket as unknown as { setStringOption(option: number, value: Buffer): void }).setStringOption(
    option,
    Buffer.from(key, 'hex'),
  );
}

type Failure = Awaited<PeerTransport['failed']>;

/** Handshakes in a row that break off before the other side is looked at more closely. */
const suspicious = 3;

/** A connection that libzmq gave up (what answered was no ZeroMQ) is made anew after so many milliseconds. */
const anewMs = 1_000;

/**
 * Resolves with why a connection will never come about. To be called before connect().
 *
 * What libzmq tells: a key that the coordinator refuses (and it does not try again); one side encrypted and the other not, unless the other side hangs up
 * first; but a coordinator with another key just hangs up, as one that dies does, or a proxy without a coordinator behind it. So after some such
 * handshakes the greeting of what is there is read: one that offers CURVE and then hangs up cannot read what was encrypted for it.
 */
export function watchHandshakes(socket: Dealer, address: string, kind: PeerSecurity['kind']): Promise<Failure> {
  const ours = kind === 'curve' ? 'CURVE' : 'NULL';
  let broken = 0;
  let anew: NodeJS.Timeout | undefined;
  let isOver = false;
  return new Promise((settle) => {
    const { events } = socket;
    const resolve = (failure: Failure): void => {
      isOver = true;
      settle(failure);
    };
    events.on('handshake', () => (broken = 0));
    events.on('handshake:error:auth', () =>
      resolve({
        code: 'WIRE_KEY',
        reason: `the coordinator at ${address} does not accept this key: add it with \`noisefold keys add\` there, unless it was revoked`,
      }),
    );
    events.on('handshake:error:protocol', ({ error }) => {
      if (error.code === 'ERR_ZMTP_MECHANISM_MISMATCH') resolve(mismatch(address, ours));
    });
    events.on('handshake:error:other', () => {
      broken++;
      if (broken % suspicious !== 0) return;
      void mechanismAtAddress(address, ours).then((theirs) => {
        if (broken < suspicious || theirs === undefined) return;
        if (theirs !== ours) resolve(mismatch(address, ours));
        else if (theirs === 'CURVE')
          resolve({
            code: 'WIRE_KEY',
            reason: `the coordinator at ${address} has another key than the one in this key file: it is another coordinator, or its keys were made anew`,
          });
      });
    });
    events.on('disconnect', () => {
      anew ??= setTimeout(() => {
        anew = undefined;
        if (!isOver) connectAnew(socket, address);
      }, anewMs).unref();
    });
    const triesAgain = (): void => {
      clearTimeout(anew);
      anew = undefined;
    };
    events.on('connect:retry', triesAgain);
    events.on('close', triesAgain);
    events.on('end', triesAgain);
  });
}

function mismatch(address: string, ours: 'CURVE' | 'NULL'): Failure {
  const reason =
    ours === 'CURVE'
      ? `the coordinator at ${address} is not encrypted, and this side is: start it with keys, or leave the keys away here`
      : `the coordinator at ${address} is encrypted: a key file is needed to connect (--key)`;
  return { code: 'WIRE_INSECURE', reason };
}

function connectAnew(socket: Dealer, address: string): void {
  if (socket.closed) return;
  try {
    socket.disconnect(address);
  } catch {
    // libzmq has forgotten it already.
  }
  socket.connect(address);
}
