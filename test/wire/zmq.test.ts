import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Dealer } from 'zeromq';
import { NoisefoldError } from '../../src/base/errors.ts';
import { protocolVersion, type FromCoordinator, type ToCoordinator } from '../../src/wire/messages.ts';
import type { CoordinatorTransport } from '../../src/wire/transport.ts';
import { bindCoordinator, connectPeer } from '../../src/wire/zmq.ts';
import { until } from '../contract/transport.ts';

const anyPort = { address: 'tcp://127.0.0.1:0' };
const wrongAddress = (error: unknown) => error instanceof NoisefoldError && error.code === 'WIRE_ADDRESS';

describe('the ZeroMQ transport', () => {
  it('says which port it took', async () => {
    const coordinator = await bindCoordinator(anyPort);
    assert.match(coordinator.address, /^tcp:\/\/127\.0\.0\.1:[1-9]\d+$/);
    await coordinator.close();
  });

  it('refuses an address that is wrong or taken', async () => {
    const coordinator = await bindCoordinator(anyPort);
    await assert.rejects(bindCoordinator({ address: coordinator.address }), wrongAddress);
    await assert.rejects(bindCoordinator({ address: 'here' }), wrongAddress);
    assert.throws(() => connectPeer({ address: 'there' }), wrongAddress);
    await coordinator.close();
  });

  it('reports bytes that are no message, and goes on', async () => {
    const coordinator = await bindCoordinator(anyPort);
    const heard: ToCoordinator[] = [];
    const malformed: string[] = [];
    coordinator.listen(
      (_peer, message) => heard.push(message),
      (peer, reason) => malformed.push(`${peer}: ${reason}`),
    );
    const stranger = new Dealer({ linger: 0 });
    stranger.connect(coordinator.address);
    await stranger.send('GET / HTTP/1.1');
    await stranger.send(['two', 'frames']);
    await stranger.send('');
    const worker = connectPeer(coordinator);
    worker.send({ type: 'goodbye' });
    await until(() => heard.length === 1 && malformed.length === 3, 'one message and three complaints');
    for (const complaint of malformed) assert.match(complaint, /^[0-9a-f]{10}: ./);
    stranger.close();
    await worker.close();
    await coordinator.close();
  });

  it('ends a connection that has gone silent without a FIN, on both sides', { timeout: 40_000 }, async () => {
    const coordinator = await bindCoordinator(anyPort);
    let heard = 0;
    coordinator.listen(
      () => heard++,
      () => {},
    );
    const ends = new Set<string>();
    let connections = 0;
    let cable: (() => void) | undefined;
    const between = createServer((worker) => {
      const first = ++connections === 1;
      const up = connectTcp(Number(new URL(coordinator.address).port), '127.0.0.1');
      worker.pipe(up).pipe(worker);
      for (const [socket, name] of [
        [worker, 'worker'],
        [up, 'coordinator'],
      ] as const) {
        socket.on('error', () => {});
        // The ends are heard of, and nothing passes.
        socket.on('close', () => first && ends.add(name));
      }
      if (first)
        cable = () => {
          worker.unpipe(up).resume();
          up.unpipe(worker).resume();
        };
    });
    await once(between.listen(0, '127.0.0.1'), 'listening');
    const { port } = between.address() as AddressInfo;
    const worker = connectPeer({ address: `tcp://127.0.0.1:${port}` });
    worker.send({ type: 'goodbye' });
    await until(() => heard === 1, 'a message');
    // Its heartbeat, every two seconds, has told how long it may be silent.
    await sleep(2_500);
    cable?.();
    const began = Date.now();
    while (ends.size < 2 && Date.now() - began < 20_000) await sleep(50);
    assert.deepEqual([...ends].sort(), ['coordinator', 'worker']);
    worker.send({ type: 'goodbye' });
    await until(() => heard === 2, 'a message over another connection');
    await worker.close();
    await coordinator.close();
    between.close();
  });

  it('lets a worker that came first, or outlived its coordinator, talk to the next one, as a new peer', async () => {
    const first = await bindCoordinator(anyPort);
    const { address } = first;
    await first.close();

    const worker = connectPeer({ address });
    const got: FromCoordinator[] = [];
    worker.listen((message) => got.push(message));
    const peers = new Set<string>();
    for (const generation of [1, 2]) {
      const coordinator = await bindAgain(address);
      coordinator.listen(
        (peer, message) => {
          peers.add(peer);
          if (message.type === 'returned')
            coordinator.send(peer, { type: 'acknowledge', study: message.study, task: message.task, attempt: message.attempt });
        },
        (_peer, reason) => assert.fail(reason),
      );
      // Repeated as a worker does: what was on its way when the connection broke is lost.
      const repeat = setInterval(() => worker.send({ type: 'returned', study: 's', task: 't', attempt: generation }), 20);
      await until(
        () => got.some((message) => message.type === 'acknowledge' && message.attempt === generation),
        `coordinator ${generation}`,
      );
      clearInterval(repeat);
      await coordinator.close();
    }
    assert.equal(peers.size, 2);
    await worker.close();
  });

  it('says one hello to a coordinator that was away, however often it was said meanwhile', async () => {
    const away = await bindCoordinator(anyPort);
    await away.close();
    const worker = connectPeer(away);
    const capabilities = { engine: 'onnx', device: 'cpu', threads: 1, memory: 0 };
    for (let pid = 1; pid <= 3; pid++)
      worker.send({ type: 'hello', protocol: protocolVersion, version: '0', name: 'w', pid, capabilities, running: undefined });
    worker.send({ type: 'goodbye' });
    const coordinator = await bindAgain(away.address);
    const heard: ToCoordinator[] = [];
    coordinator.listen(
      (_peer, message) => heard.push(message),
      () => {},
    );
    await until(() => heard.some(({ type }) => type === 'goodbye'), 'the goodbye');
    assert.deepEqual(
      heard.map((message) => (message.type === 'hello' ? message.pid : message.type)),
      [3, 'goodbye'],
    );
    await worker.close();
    await coordinator.close();
  });

  it('has room for many peers in one process, as simulations have', async () => {
    const coordinator = await bindCoordinator(anyPort);
    const heard = new Set<string>();
    coordinator.listen(
      (peer) => heard.add(peer),
      (_peer, reason) => assert.fail(reason),
    );
    const peers = Array.from({ length: 400 }, () => connectPeer(coordinator));
    for (const peer of peers) peer.send({ type: 'goodbye' });
    await until(() => heard.size === peers.length, `${peers.length} peers`);
    await Promise.all(peers.map((peer) => peer.close()));
    await coordinator.close();
  });

  it('closes in the middle of what many peers say', async () => {
    for (let round = 0; round < 8; round++) {
      const coordinator = await bindCoordinator(anyPort);
      let heard = 0;
      coordinator.listen(
        () => heard++,
        () => {},
      );
      const peers = Array.from({ length: 20 }, () => connectPeer({ address: coordinator.address }));
      const talk = setInterval(() => {
        for (const peer of peers) for (let i = 0; i < 20; i++) peer.send({ type: 'goodbye' });
      }, 1);
      await until(() => heard > 500, 'many messages');
      // A rejection that nobody handles would end this process.
      await coordinator.close();
      clearInterval(talk);
      await Promise.all(peers.map((peer) => peer.close()));
    }
  });

  it('closes within seconds when nobody is there', async () => {
    const worker = connectPeer({ address: 'tcp://127.0.0.1:9' });
    for (let attempt = 0; attempt < 2_000; attempt++) worker.send({ type: 'returned', study: 's', task: 't', attempt });
    const started = Date.now();
    await worker.close();
    assert.ok(Date.now() - started < 2_500);
  });

  it('carries the goodbye of a process that ends at once', async () => {
    const coordinator = await bindCoordinator(anyPort);
    const heard: ToCoordinator[] = [];
    coordinator.listen(
      (_peer, message) => heard.push(message),
      (_peer, reason) => assert.fail(reason),
    );
    const script = `
      import { connectPeer } from ${JSON.stringify(new URL('../../src/wire/zmq.ts', import.meta.url).href)};
      const worker = connectPeer({ address: ${JSON.stringify(coordinator.address)} });
      worker.send({ type: 'goodbye' });
      await worker.close();
      process.exit(0);`;
    await promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script]);
    await until(() => heard.length === 1, 'the goodbye');
    assert.deepEqual(heard, [{ type: 'goodbye' }]);
    await coordinator.close();
  });
});

/** A closed socket gives its port back some time later: libzmq closes on a thread of its own. */
async function bindAgain(address: string, tries = 40): Promise<CoordinatorTransport> {
  try {
    return await bindCoordinator({ address });
  } catch (thrown) {
    if (tries === 0) throw thrown;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return bindAgain(address, tries - 1);
  }
}
