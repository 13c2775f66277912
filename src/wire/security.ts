/**
 * Who may connect: CURVE (CurveZMQ, RFC 26: X25519 keys, every frame encrypted, both sides prove their key), or nothing, which is for this machine only
 * unless somebody says `insecure` by that name.
 */
import { NoisefoldError } from '../base/errors.ts';

/** 32 bytes each, as 64 lower-case hexadecimal digits. */
export interface KeyPair {
  readonly public: string;
  readonly secret: string;
}

export type CoordinatorSecurity =
  | {
      readonly kind: 'curve';
      readonly keys: KeyPair;
      /** Asked at every handshake: the name under which a public key is authorised, undefined when it is not. A throw refuses, and is logged. */
      readonly authorised: (publicKey: string) => string | undefined;
    }
  | { readonly kind: 'none'; readonly insecure?: boolean };

export type PeerSecurity =
  | { readonly kind: 'curve'; readonly keys: KeyPair; /** Its public key. */ readonly coordinator: string }
  | { readonly kind: 'none'; readonly insecure?: boolean };

export const addressHint = 'Addresses are tcp://host:port; the port must be free on the coordinator.';

/** Whether nothing leaves this machine by it. */
export const isLoopback = (address: string): boolean =>
  /^tcp:\/\/(127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost|\[::1\]):/.test(address);

/** Throws WIRE_ADDRESS for what is not tcp://host:port, WIRE_INSECURE where a connection beyond this machine would be unencrypted and nobody asked for that. */
export function requireSecure(address: string, security: CoordinatorSecurity | PeerSecurity): void {
  if (!/^tcp:\/\/[^/]+:(\d+|\*)$/.test(address)) {
    const [, meant] = /^(?:\w+:\/\/)?((?:[\w.*-]+|\[[^\]]+\]):\d+)\/?$/.exec(address) ?? [];
    throw new NoisefoldError('WIRE_ADDRESS', `${address} is not an address`, {
      hint: meant === undefined ? addressHint : `Write tcp:// before host and port: tcp://${meant}`,
    });
  }
  if (security.kind === 'curve' || security.insecure === true || isLoopback(address)) return;
  throw new NoisefoldError(
    'WIRE_INSECURE',
    `${address} is not on this machine, and there are no keys to encrypt and authenticate with`,
    {
      hint: 'Make keys with `noisefold keys init` and name them with --keys (a coordinator) or --key (its workers and clients), or say --insecure where everybody on the network may command the sweep.',
    },
  );
}
