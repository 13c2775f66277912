import { createLoopback } from '../../src/wire/loopback.ts';
import { makeKeyPair } from '../../src/wire/keys.ts';
import { bindCoordinator, connectPeer } from '../../src/wire/zmq.ts';
import { transportContract } from './transport.ts';

transportContract('loopback', () => Promise.resolve(createLoopback()));

transportContract('ZeroMQ', async () => {
  const coordinator = await bindCoordinator({ address: 'tcp://127.0.0.1:0' });
  return { coordinator, connect: () => connectPeer({ address: coordinator.address }) };
});

transportContract('encrypted ZeroMQ', async () => {
  const [own, peers] = [makeKeyPair(), makeKeyPair()];
  const authorised = (key: string): string | undefined => (key === peers.public ? 'peer' : undefined);
  const coordinator = await bindCoordinator({ address: 'tcp://127.0.0.1:0', security: { kind: 'curve', keys: own, authorised } });
  const security = { kind: 'curve', keys: peers, coordinator: own.public } as const;
  return { coordinator, connect: () => connectPeer({ address: coordinator.address, security }) };
});
