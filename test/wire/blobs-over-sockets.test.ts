import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileArtifacts } from '../../src/artifacts/files.ts';
import { sha256 } from '../../src/base/hash.ts';
import { createBlobClient } from '../../src/wire/blobs/client.ts';
import { createBlobServer } from '../../src/wire/blobs/server.ts';
import { makeKeyPair } from '../../src/wire/keys.ts';
import { bindCoordinator, connectPeer } from '../../src/wire/zmq.ts';

describe('blobs over sockets', () => {
  it('go both ways, encrypted, while the coordinator is restarted in their middle', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'noisefold-'));
    const [own, peers] = [makeKeyPair(), makeKeyPair()];
    let address = 'tcp://127.0.0.1:0';
    let served = 0;
    async function coordinator() {
      const transport = await bindAgain({ address, security: { kind: 'curve', keys: own, authorised: () => 'peer' } });
      ({ address } = transport);
      const server = createBlobServer({ artifacts: fileArtifacts(folder), send: (peer, answer) => transport.send(peer, answer) });
      transport.listen(
        (peer, message) => {
          if (message.type !== 'put' && message.type !== 'fetch') return;
          served++;
          server.handle(peer, message);
        },
        (_peer, reason) => assert.fail(reason),
      );
      return async () => {
        await transport.close();
        await server.close();
      };
    }
    let stop = await coordinator();
    const transport = connectPeer({ address, security: { kind: 'curve', keys: peers, coordinator: own.public } });
    const client = createBlobClient({ send: (message) => transport.send(message), limits: { againMs: 250, tickMs: 50 } });
    transport.listen((message) => client.hear(message));

    const bytes = randomBytes(12 * 2 ** 20);
    const hash = sha256(bytes);
    async function interrupted(transfer: Promise<unknown>): Promise<void> {
      const before = served;
      while (served < before + 10) await new Promise((resolve) => setTimeout(resolve, 1));
      await stop();
      stop = await coordinator();
      await transfer;
    }
    await interrupted(client.put(hash, bytes));
    assert.ok(bytes.equals(await fileArtifacts(folder).get(hash)));
    const got = client.get(hash);
    await interrupted(got);
    assert.ok(bytes.equals(await got));
    client.close();
    await transport.close();
    await stop();
    rmSync(folder, { recursive: true });
  });
});

async function bindAgain(options: Parameters<typeof bindCoordinator>[0], tries = 40): ReturnType<typeof bindCoordinator> {
  try {
    return await bindCoordinator(options);
  } catch (thrown) {
    if (tries === 0) throw thrown;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return bindAgain(options, tries - 1);
  }
}
