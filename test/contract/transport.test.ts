import { createLoopback } from '../../src/wire/loopback.ts';
import { bindCoordinator, connectPeer } from '../../src/wire/zmq.ts';
import { transportContract } from './transport.ts';

transportContract('loopback', () => Promise.resolve(createLoopback()));

transportContract('ZeroMQ', async () => {
  const coordinator = await bindCoordinator({ address: 'tcp://127.0.0.1:0' });
  return { coordinator, connect: () => connectPeer({ address: coordinator.address }) };
});
