/**
 * Why handshakes fail: libzmq only says that the other side hung up. A ZMTP greeting (RFC 23) is 64 bytes: signature FF .. 7F, version 3.1, the
 * mechanism's name in 20 bytes, whether the sender is a server, padding; both sides send theirs at once, so connecting by plain TCP shows what is there.
 */
import { connect } from 'node:net';

const greetingBytes = 64;
const mechanismAt = 12;

/** The mechanism (`CURVE`, `NULL`) of what listens at tcp://host:port; undefined when nothing does, or it is no ZeroMQ socket, or takes too long. */
export function mechanismAtAddress(address: string, mechanism: string, withinMs = 2_000): Promise<string | undefined> {
  const found = /^tcp:\/\/\[?([^\]]+)\]?:(\d+)$/.exec(address);
  if (!found) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const socket = connect({ host: found[1] ?? '', port: Number(found[2]) });
    let got = Buffer.alloc(0);
    const end = (answer: string | undefined): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(withinMs, () => end(undefined));
    socket.on('error', () => end(undefined));
    socket.on('close', () => end(undefined));
    socket.on('connect', () => socket.write(greeting(mechanism)));
    socket.on('data', (data) => {
      got = Buffer.concat([got, data]);
      if (got[0] !== 0xff) end(undefined);
      else if (got.length >= greetingBytes) end(got.toString('latin1', mechanismAt, mechanismAt + 20).replace(/\0.*$/s, ''));
    });
  });
}

function greeting(mechanism: string): Buffer {
  const bytes = Buffer.alloc(greetingBytes);
  bytes[0] = 0xff;
  bytes[8] = 1;
  bytes[9] = 0x7f;
  bytes[10] = 3;
  bytes[11] = 1;
  bytes.write(mechanism, mechanismAt, 'latin1');
  return bytes;
}
