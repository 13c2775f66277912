import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLoopback } from '../../src/wire/loopback.ts';
import type { FromCoordinator } from '../../src/wire/messages.ts';
import { until } from '../contract/transport.ts';

describe('the loopback’s faults', () => {
  it('loses, repeats and delays the messages it is told to', async () => {
    const plan: Record<number, number[]> = { 1: [], 2: [0, 0], 3: [20] };
    const loopback = createLoopback({
      deliveries: ({ to, message }) =>
        to === 'coordinator' && message.type === 'returned' ? (plan[message.attempt] ?? [0]) : [0],
    });
    const attempts: number[] = [];
    loopback.coordinator.listen(
      (_peer, message) => message.type === 'returned' && attempts.push(message.attempt),
      (_peer, reason) => assert.fail(reason),
    );
    const worker = loopback.connect();
    for (const attempt of [1, 2, 3, 4]) worker.send({ type: 'returned', study: 's', task: 't', attempt });
    await until(() => attempts.length === 4, 'four deliveries');
    assert.deepEqual(attempts, [2, 2, 4, 3]);
  });

  it('can cut one worker off from the coordinator’s messages', async () => {
    let cut = '';
    const loopback = createLoopback({
      deliveries: ({ to, peer }) => (to === 'peer' && peer === cut ? [] : [0]),
    });
    const got: [number, FromCoordinator][] = [];
    const workers = [loopback.connect(), loopback.connect()];
    workers.forEach((worker, index) => worker.listen((message) => got.push([index, message])));
    const peers: string[] = [];
    loopback.coordinator.listen(
      (peer) => peers.push(peer),
      (_peer, reason) => assert.fail(reason),
    );
    for (const worker of workers) worker.send({ type: 'goodbye' });
    await until(() => peers.length === 2, 'both workers');
    cut = peers[0] ?? '';
    for (const peer of peers) loopback.coordinator.send(peer, { type: 'drain' });
    await until(() => got.length > 0, 'the other worker’s message');
    assert.deepEqual(got, [[1, { type: 'drain' }]]);
  });
});
