import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect as connectTcp, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import { encodeToCoordinator } from '../../src/wire/codec.ts';
import { addKey, coordinatorSecurity, initKeys, makeKeyPair, readPeerSecurity, revokeKey } from '../../src/wire/keys.ts';
import type { ToCoordinator } from '../../src/wire/messages.ts';
import { isLoopback, type CoordinatorSecurity, type PeerSecurity } from '../../src/wire/security.ts';
import type { CoordinatorTransport, PeerTransport } from '../../src/wire/transport.ts';
import { bindCoordinator, connectPeer } from '../../src/wire/zmq.ts';
import { until } from '../contract/transport.ts';

const failsWith = (code: string) => (error: unknown) => error instanceof NoisefoldError && error.code === code;
const hello: ToCoordinator = { type: 'goodbye' };

describe('which addresses are on this machine', () => {
  it('is told by the address alone', () => {
    for (const address of ['tcp://127.0.0.1:1', 'tcp://127.8.8.8:1', 'tcp://localhost:1', 'tcp://[::1]:1'])
      assert.ok(isLoopback(address), address);
    for (const address of [
      'tcp://0.0.0.0:1',
      'tcp://*:1',
      'tcp://[::]:1',
      'tcp://10.0.0.1:1',
      'tcp://127.evil.org:1',
      'tcp://localhost.evil:1',
    ])
      assert.ok(!isLoopback(address), address);
  });

  it('is refused without tcp://, with the address that was meant', () => {
    const hintOf = (address: string): string | undefined => {
      try {
        connectPeer({ address });
      } catch (thrown) {
        return thrown instanceof NoisefoldError && thrown.code === 'WIRE_ADDRESS' ? thrown.hint : undefined;
      }
      return undefined;
    };
    const corrected = {
      'my-host.example:7777': 'tcp://my-host.example:7777',
      '127.0.0.1:7777': 'tcp://127.0.0.1:7777',
      '[::1]:7777': 'tcp://[::1]:7777',
      'http://host:7777/': 'tcp://host:7777',
    };
    for (const [address, meant] of Object.entries(corrected))
      assert.equal(hintOf(address), `Write tcp:// before host and port: ${meant}`);
    for (const address of ['host', 'tcp://host', '::1:7777', 'host:port', ''])
      assert.match(hintOf(address) ?? '', /^Addresses are tcp:\/\/host:port/, address);
  });

  it('decides whether a connection without keys is made, unless somebody says insecure', async () => {
    await assert.rejects(bindCoordinator({ address: 'tcp://0.0.0.0:0' }), failsWith('WIRE_INSECURE'));
    assert.throws(() => connectPeer({ address: 'tcp://192.0.2.1:7777' }), failsWith('WIRE_INSECURE'));
    const open = await bindCoordinator({ address: 'tcp://0.0.0.0:0', security: { kind: 'none', insecure: true } });
    await open.close();
  });
});

describe('a coordinator with keys', () => {
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-'));
  const keys = join(folder, 'keys');
  let coordinator: CoordinatorTransport;
  const heard: string[] = [];
  const logged: string[] = [];
  const open: { close(): Promise<void> }[] = [];

  before(async () => {
    initKeys(keys);
    addKey(keys, 'worker');
    const log = { log: (_level: string, message: string) => void logged.push(message) };
    coordinator = await bindCoordinator({ address: 'tcp://127.0.0.1:0', security: coordinatorSecurity(keys), log });
    coordinator.listen(
      (peer) => heard.push(peer),
      (_peer, reason) => assert.fail(reason),
    );
  });
  after(async () => {
    await Promise.all(open.map((each) => each.close()));
    await coordinator.close();
    rmSync(folder, { recursive: true });
  });

  const peerKey = (name: string) => readPeerSecurity(join(keys, `${name}.json`));
  function connect(address: string, security: PeerSecurity): PeerTransport {
    const peer = connectPeer({ address, security });
    open.push(peer);
    peer.send(hello);
    return peer;
  }
  async function heardAfter(connecting: () => unknown): Promise<void> {
    const count = heard.length;
    connecting();
    await until(() => heard.length > count, 'the peer’s message');
  }
  /** Why the connection failed; rejects after five seconds. */
  async function failure(peer: PeerTransport): Promise<Awaited<PeerTransport['failed']>> {
    let failed: Awaited<PeerTransport['failed']> | undefined;
    void peer.failed.then((why) => (failed = why));
    await until(() => failed !== undefined, 'the connection to fail');
    return failed ?? assert.fail();
  }

  it('hears a peer whose key is on its list', () => heardAfter(() => connect(coordinator.address, peerKey('worker'))));

  it('refuses a key that is not on the list, which the peer is told', async () => {
    const stranger = { ...peerKey('worker'), keys: makeKeyPair() };
    const count = heard.length;
    const { code, reason } = await failure(connect(coordinator.address, stranger));
    assert.equal(code, 'WIRE_KEY');
    assert.match(reason, /does not accept this key/);
    assert.equal(heard.length, count);
    assert.ok(logged.some((message) => message.startsWith('key refused')));
  });

  it('refuses a revoked key at its next handshake, and a new key works at once', async () => {
    addKey(keys, 'gpu-7');
    const security = peerKey('gpu-7');
    await heardAfter(() => connect(coordinator.address, security));
    revokeKey(keys, 'gpu-7');
    assert.equal((await failure(connect(coordinator.address, security))).code, 'WIRE_KEY');
  });

  it('refuses everybody while its list cannot be read, and says so in its log', async () => {
    const list = join(keys, 'authorised_keys');
    const text = `${readPeerSecurity(join(keys, 'worker.json')).keys.public} worker\n`;
    writeFileSync(list, 'not a key\n');
    assert.equal((await failure(connect(coordinator.address, peerKey('worker')))).code, 'WIRE_KEY');
    assert.ok(logged.some((message) => message === 'keys cannot be checked'));
    writeFileSync(list, text);
    await heardAfter(() => connect(coordinator.address, peerKey('worker')));
  });

  it('is not trusted when its key is another one than the peer knows', async () => {
    const { code, reason } = await failure(
      connect(coordinator.address, { ...peerKey('worker'), coordinator: makeKeyPair().public }),
    );
    assert.equal(code, 'WIRE_KEY');
    assert.match(reason, /has another key/);
  });

  it('tells a peer without keys that it needs some', async () => {
    const { code, reason } = await failure(connect(coordinator.address, { kind: 'none' }));
    assert.equal(code, 'WIRE_INSECURE');
    assert.match(reason, /is encrypted: a key file is needed/);
  });

  it('hears nobody who speaks a protocol from before there was encryption', async () => {
    const frame = Buffer.from(encodeToCoordinator(hello));
    const speakers = {
      'ZMTP 1.0': Buffer.concat([Buffer.of(1, 0), Buffer.of(frame.length + 1, 0), frame]),
      'ZMTP 2.0': Buffer.concat([Buffer.of(0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 5, 0, 0), Buffer.of(0, frame.length), frame]),
    };
    const plain = await bindCoordinator({ address: 'tcp://127.0.0.1:0' });
    open.push(plain);
    const plainHeard: ToCoordinator[] = [];
    plain.listen(
      (_peer, message) => plainHeard.push(message),
      () => {},
    );
    for (const bytes of Object.values(speakers)) {
      const [before, plainBefore] = [heard.length, plainHeard.length];
      // Closed by the coordinator; without keys it listens, so that these bytes are what they are taken for.
      await spoken(coordinator.address, bytes);
      void spoken(plain.address, bytes);
      await until(() => plainHeard.length > plainBefore, 'the coordinator without keys');
      assert.equal(heard.length, before);
    }
  });

  it('is what a peer with keys insists on', async () => {
    const plain = await bindCoordinator({ address: 'tcp://127.0.0.1:0' });
    open.push(plain);
    const { code, reason } = await failure(connect(plain.address, peerKey('worker')));
    assert.equal(code, 'WIRE_INSECURE');
    assert.match(reason, /is not encrypted, and this side is/);
  });
});

describe('a coordinator that is not there yet', () => {
  /** Accepts and hangs up, as a proxy without a coordinator behind it does; or says something that no ZeroMQ socket says. */
  async function impostor(greeting: string): Promise<Server> {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      // Unread, a socket does not notice that the other side hung up.
      socket.resume();
      if (greeting === '') setTimeout(() => socket.destroy(), 5);
      else socket.end(greeting);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  for (const [what, greeting] of [
    ['nobody listens', undefined],
    ['somebody accepts and hangs up', ''],
    ['another service listens', 'SSH-2.0-OpenSSH_9.6\r\n'],
  ] as const)
    it(`is waited for while ${what}`, async () => {
      const server = greeting === undefined ? undefined : await impostor(greeting);
      const probe = server ?? (await impostor(''));
      const address = `tcp://127.0.0.1:${(probe.address() as AddressInfo).port}`;
      if (!server) await new Promise((resolve) => probe.close(resolve));
      const folder = mkdtempSync(join(tmpdir(), 'noisefold-'));
      initKeys(folder);
      const security = readPeerSecurity(addKey(folder, 'worker'));
      const peer = connectPeer({ address, security });
      let failed: unknown;
      void peer.failed.then((why) => (failed = why));
      peer.send(hello);
      // Long enough for several handshakes to break off.
      await new Promise((resolve) => setTimeout(resolve, 800));
      assert.equal(failed, undefined);
      if (server) await new Promise((resolve) => server.close(resolve));
      const coordinator = await bindAgain(address, coordinatorSecurity(folder));
      const heard: ToCoordinator[] = [];
      coordinator.listen(
        (_peer, message) => heard.push(message),
        () => {},
      );
      await until(() => heard.length === 1, 'the message that waited');
      assert.equal(failed, undefined);
      await peer.close();
      await coordinator.close();
      rmSync(folder, { recursive: true });
    });
});

/** Says something over TCP; resolves when the other side hangs up, or after half a second. */
function spoken(address: string, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: '127.0.0.1', port: Number(address.split(':').at(-1)) }, () => socket.write(bytes));
    socket.setTimeout(500, () => socket.destroy());
    socket.on('data', () => {});
    socket.on('error', () => {});
    socket.on('close', () => resolve());
  });
}

async function bindAgain(address: string, security: CoordinatorSecurity, tries = 40): Promise<CoordinatorTransport> {
  try {
    return await bindCoordinator({ address, security });
  } catch (thrown) {
    if (tries === 0) throw thrown;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return bindAgain(address, security, tries - 1);
  }
}
