import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { createOutbox, type Sent } from '../../src/wire/outbox.ts';
import { createQueue, type Lane, type Parcel } from '../../src/wire/queue.ts';

/** `♥1` is a heartbeat, `#1` a chunk, all else a control message. */
const laneOf = (text: string): Lane => (text.startsWith('♥') ? 'latest' : text.startsWith('#') ? 'bulk' : 'control');
const parcel = (text: string): Parcel => ({ lane: laneOf(text), bytes: Buffer.from(text) });
const textOf = ({ bytes }: { bytes: Uint8Array }): string => Buffer.from(bytes).toString();

function drained(queue: ReturnType<typeof createQueue>): string[] {
  const texts: string[] = [];
  for (let next = queue.peek(); next; next = queue.peek()) {
    texts.push(textOf(next));
    queue.shift();
  }
  return texts;
}

describe('what waits for a peer', () => {
  const limits = { control: 3, bulk: 2, controlBytes: 20 };
  const after = (...texts: string[]): string[] => {
    const queue = createQueue(limits);
    for (const text of texts) queue.push(parcel(text));
    return drained(queue);
  };

  it('goes out in order, the bytes of blobs last', () => assert.deepEqual(after('#1', 'a', '#2', 'b'), ['a', 'b', '#1', '#2']));
  it('has only the latest heartbeat', () => assert.deepEqual(after('♥1', 'a', '♥2', 'b'), ['a', '♥2', 'b']));
  it('loses a heartbeat first when it is too much, then the oldest message', () =>
    assert.deepEqual(after('a', '♥', 'b', 'c', 'd'), ['b', 'c', 'd']));
  it('is bounded in bytes too, but for one long message', () => {
    assert.deepEqual(after('a'.repeat(9), 'b'.repeat(9), 'c'.repeat(9)), ['b'.repeat(9), 'c'.repeat(9)]);
    assert.deepEqual(after('a', 'b'.repeat(30)), ['b'.repeat(30)]);
  });
  it('takes in no more bytes of blobs than fit', () => assert.deepEqual(after('#1', '#2', '#3'), ['#1', '#2']));
  it('takes back what could not be sent, but no heartbeat that is out of date', () => {
    const queue = createQueue(limits);
    queue.push(parcel('a'));
    queue.unshift(parcel('♥2'));
    queue.unshift(parcel('♥1'));
    queue.unshift(parcel('#1'));
    assert.deepEqual(drained(queue), ['♥2', 'a', '#1']);
  });
});

/** An outbox whose sends end, and whose waits pass, when the test says so. */
function gated() {
  const started: string[] = [];
  const ends: ((how: Sent | Error) => void)[] = [];
  const waits = new Map<number, { ms: number; callback: () => void }>();
  let timers = 0;
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const outbox = createOutbox({
    after: (ms, callback) => {
      const id = timers++;
      waits.set(id, { ms, callback });
      return () => waits.delete(id);
    },
    send: (peer, bytes) => {
      started.push(`${peer}:${textOf({ bytes })}`);
      return new Promise((resolve, reject) => ends.push((how) => (how instanceof Error ? reject(how) : resolve(how))));
    },
  });
  return {
    outbox,
    started,
    turn,
    push: (peer: string, ...texts: string[]) => texts.forEach((text) => outbox.push(peer, parcel(text))),
    end: async (how: Sent | Error = 'sent') => {
      await turn();
      ends.shift()?.(how);
      await turn();
    },
    /** How long is waited now; passes it. */
    pass: async (): Promise<number[]> => {
      const passed = [...waits.values()];
      waits.clear();
      for (const { callback } of passed) callback();
      await turn();
      return passed.map(({ ms }) => ms);
    },
  };
}

describe('the outbox', () => {
  it('sends one message at a time, and peers take turns', async () => {
    const { push, started, end, turn } = gated();
    push('p', 'a', 'b');
    push('q', 'x', 'y');
    await turn();
    assert.deepEqual(started, ['p:a']);
    for (let n = 0; n < 4; n++) await end();
    assert.deepEqual(started, ['p:a', 'q:x', 'p:b', 'q:y']);
    push('p', 'c');
    await turn();
    assert.deepEqual(started.slice(4), ['p:c']);
  });

  it('passes over a peer that does not read, and tries again after a wait that doubles', async () => {
    const { push, started, end, pass, turn } = gated();
    push('slow', 'a', 'b');
    push('q', 'x');
    await end('full');
    await end();
    push('q', 'y');
    push('slow', 'c');
    await end();
    assert.deepEqual(started, ['slow:a', 'q:x', 'q:y']);
    assert.deepEqual(await pass(), [10]);
    await end('full');
    assert.deepEqual(await pass(), [20]);
    for (let n = 0; n < 3; n++) await end();
    await turn();
    assert.deepEqual(started.slice(3), ['slow:a', 'slow:a', 'slow:b', 'slow:c']);
  });

  it('forgets what waits for a peer that is gone, and goes on after a send that failed', async () => {
    const { push, started, end, outbox } = gated();
    push('gone', 'a', 'b');
    push('q', 'x');
    push('r', 'z');
    await end('gone');
    await end(new Error('ESOMETHING'));
    await end();
    assert.deepEqual(started, ['gone:a', 'q:x', 'r:z']);
    assert.equal(outbox.waiting(), 0);
  });

  it('closes in time when the other side takes nothing, and accepts nothing more', async () => {
    const { outbox, push, started, end, pass, turn } = gated();
    push('p', 'a', 'b');
    await turn();
    const closed = outbox.close(10);
    push('p', 'c');
    assert.deepEqual(await pass(), [10]);
    await closed;
    await end();
    assert.deepEqual(started, ['p:a']);
  });

  it('loses nothing of a peer that reads in the end, and keeps the order of its messages', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom('p', 'q', 'r'), fc.boolean()), { maxLength: 40 }),
        fc.infiniteStream(fc.constantFrom<Sent>('sent', 'sent', 'full')),
        async (messages, outcomes) => {
          const sent: string[] = [];
          const outbox = createOutbox({
            after: (_ms, callback) => {
              setImmediate(callback);
              return () => {};
            },
            send: (peer, bytes) => {
              const { value: how = 'sent' } = outcomes.next() as { value?: Sent };
              if (how === 'sent') sent.push(`${peer}:${textOf({ bytes })}`);
              return Promise.resolve(how);
            },
          });
          const pushed: string[] = [];
          for (const [index, [peer, pause]] of messages.entries()) {
            outbox.push(peer, parcel(`m${index}`));
            pushed.push(`${peer}:m${index}`);
            if (pause) await new Promise((resolve) => setImmediate(resolve));
          }
          while (outbox.waiting() > 0) await new Promise((resolve) => setImmediate(resolve));
          for (const peer of ['p', 'q', 'r'])
            assert.deepEqual(
              sent.filter((text) => text.startsWith(peer)),
              pushed.filter((text) => text.startsWith(peer)),
            );
        },
      ),
    );
  });
});
