import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createOutbox } from '../../src/wire/outbox.ts';

const isHeartbeat = (item: string): boolean => item.startsWith('♥');

/** An outbox whose sends end when the test says so. */
function gated(capacity: number) {
  const started: string[] = [];
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const outbox = createOutbox<string>({
    capacity,
    isHeartbeat,
    send: (item) => {
      started.push(item);
      return new Promise((resolve, reject) => ends.push({ resolve, reject }));
    },
  });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return {
    outbox,
    started,
    next: async () => {
      ends.shift()?.resolve();
      await turn();
    },
    fail: async () => {
      ends.shift()?.reject(new Error('EHOSTUNREACH'));
      await turn();
    },
    turn,
  };
}

describe('the outbox', () => {
  it('sends one item at a time, in order', async () => {
    const { outbox, started, next, turn } = gated(10);
    for (const item of ['a', 'b', 'c']) outbox.push(item);
    await turn();
    assert.deepEqual(started, ['a']);
    await next();
    assert.deepEqual(started, ['a', 'b']);
    await next();
    await next();
    outbox.push('d');
    await turn();
    assert.deepEqual(started, ['a', 'b', 'c', 'd']);
  });

  it('goes on after a send that failed', async () => {
    const { outbox, started, fail, turn } = gated(10);
    for (const item of ['a', 'b']) outbox.push(item);
    await turn();
    await fail();
    assert.deepEqual(started, ['a', 'b']);
  });

  it('survives a send that throws at once', async () => {
    const sent: string[] = [];
    const outbox = createOutbox<string>({
      capacity: 10,
      isHeartbeat,
      send: (item) => {
        if (item === 'bad') throw new Error('EBUSY');
        sent.push(item);
        return Promise.resolve();
      },
    });
    for (const item of ['bad', 'good']) outbox.push(item);
    await outbox.close(1_000);
    assert.deepEqual(sent, ['good']);
  });

  it('keeps only the latest of the heartbeats that wait', async () => {
    const { outbox, started, next, turn } = gated(10);
    for (const item of ['a', '♥1', 'b', '♥2', 'c']) outbox.push(item);
    await turn();
    for (let n = 0; n < 5; n++) await next();
    assert.deepEqual(started, ['a', 'b', '♥2', 'c']);
  });

  it('drops a waiting heartbeat first when it is full, then the oldest item', async () => {
    const { outbox, started, next, turn } = gated(2);
    outbox.push('being sent');
    await turn();
    for (const item of ['♥', 'a', 'b', 'c']) outbox.push(item);
    for (let n = 0; n < 5; n++) await next();
    assert.deepEqual(started, ['being sent', 'b', 'c']);
  });

  it('loses nothing but heartbeats while it is not full, whatever fails', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fc.nat(9), fc.constant(-1)), { maxLength: 20 }), async (numbers) => {
        const sent: string[] = [];
        const outbox = createOutbox<string>({
          capacity: 20,
          isHeartbeat,
          send: (item) => {
            sent.push(item);
            return item.startsWith('3') ? Promise.reject(new Error('failed')) : Promise.resolve();
          },
        });
        const items = numbers.map((number, index) => (number < 0 ? `♥${index}` : `${number}:${index}`));
        for (const item of items) outbox.push(item);
        await outbox.close(1_000);
        assert.deepEqual(
          sent.filter((item) => !isHeartbeat(item)),
          items.filter((item) => !isHeartbeat(item)),
        );
        assert.deepEqual(sent.filter(isHeartbeat), items.filter(isHeartbeat).slice(-1));
      }),
    );
  });

  it('closes in time when the other side takes nothing, and accepts nothing more', async () => {
    const { outbox, started, next, turn } = gated(10);
    for (const item of ['a', 'b']) outbox.push(item);
    await turn();
    await outbox.close(10);
    outbox.push('c');
    await next();
    assert.deepEqual(started, ['a']);
  });
});
