/** What every pair of transports does, however the bytes travel. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import { maxChunkBytes } from '../../src/wire/fields.ts';
import type { FromCoordinator, ToCoordinator } from '../../src/wire/messages.ts';
import type { CoordinatorTransport, PeerTransport } from '../../src/wire/transport.ts';

export interface TransportHarness {
  readonly coordinator: CoordinatorTransport;
  connect(): PeerTransport;
}

/** Resolves when the condition holds; rejects after five seconds. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`still waiting: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const returned = (task: string, attempt: number): ToCoordinator => ({ type: 'returned', study: 's', task, attempt });
const acknowledge = (task: string, attempt: number): FromCoordinator => ({ type: 'acknowledge', study: 's', task, attempt });

export function transportContract(name: string, open: () => Promise<TransportHarness>): void {
  describe(`${name} transport`, () => {
    let harness: TransportHarness;
    const heard: { peer: string; message: ToCoordinator }[] = [];
    const heardFrom = (task: string) => heard.filter(({ message }) => message.type === 'returned' && message.task === task);
    const peerOf = (task: string): string => heardFrom(task)[0]?.peer ?? assert.fail(`nothing heard from ${task}`);

    before(async () => {
      harness = await open();
    });
    after(() => harness.coordinator.close());

    it('keeps what workers say until the coordinator listens', async () => {
      const worker = harness.connect();
      worker.send(returned('early', 1));
      await new Promise((resolve) => setTimeout(resolve, 50));
      harness.coordinator.listen(
        (peer, message) => heard.push({ peer, message }),
        (_peer, reason) => assert.fail(reason),
      );
      assert.deepEqual(heard, [], 'a listener is never called from within listen()');
      await until(() => heardFrom('early').length === 1, 'the early message');
      await worker.close();
    });

    it('delivers each worker’s messages in order, under a peer id of its own', async () => {
      const workers = ['a', 'b', 'c'].map((task) => ({ task, worker: harness.connect() }));
      for (let attempt = 0; attempt < 100; attempt++)
        for (const { task, worker } of workers) worker.send(returned(task, attempt));
      await until(() => workers.every(({ task }) => heardFrom(task).length === 100), '300 messages');
      for (const { task } of workers)
        assert.deepEqual(
          heardFrom(task),
          Array.from({ length: 100 }, (_, attempt) => ({ peer: peerOf(task), message: returned(task, attempt) })),
        );
      assert.equal(new Set(workers.map(({ task }) => peerOf(task))).size, 3);
      await Promise.all(workers.map(({ worker }) => worker.close()));
    });

    it('delivers the coordinator’s messages in order, to that worker only', async () => {
      const [one, two] = ['one', 'two'].map((task) => ({ task, worker: harness.connect(), got: [] as FromCoordinator[] }));
      assert.ok(one && two);
      for (const { task, worker, got } of [one, two]) {
        worker.listen((message) => got.push(message));
        worker.send(returned(task, 0));
      }
      await until(() => heardFrom('one').length + heardFrom('two').length === 2, 'both workers');
      for (let attempt = 0; attempt < 100; attempt++)
        for (const { task } of [one, two]) harness.coordinator.send(peerOf(task), acknowledge(task, attempt));
      assert.deepEqual(one.got, [], 'a listener is never called from within send()');
      await until(() => one.got.length + two.got.length === 200, '200 messages');
      for (const { task, got } of [one, two])
        assert.deepEqual(
          got,
          Array.from({ length: 100 }, (_, attempt) => acknowledge(task, attempt)),
        );
      await Promise.all([one.worker.close(), two.worker.close()]);
    });

    it('carries what was sent just before closing', async () => {
      const worker = harness.connect();
      for (let attempt = 0; attempt < 50; attempt++) worker.send(returned('last words', attempt));
      await worker.close();
      worker.send(returned('after closing', 0));
      await until(() => heardFrom('last words').length === 50, 'the last words');
      harness.coordinator.send(peerOf('last words'), { type: 'drain' });
      harness.coordinator.send('00ff00ff00', { type: 'drain' });
      assert.deepEqual(heardFrom('after closing'), []);
    });

    it('carries the largest chunk each way', async () => {
      const worker = harness.connect();
      const got: FromCoordinator[] = [];
      worker.listen((message) => got.push(message));
      const bytes = Uint8Array.from({ length: maxChunkBytes }, (_, index) => index % 251);
      const piece = { transfer: 1, hash: 'a'.repeat(64), offset: 0, total: maxChunkBytes, bytes };
      worker.send({ type: 'put', ...piece });
      await until(() => heard.some(({ message }) => message.type === 'put'), 'the big message');
      const found = heard.find(({ message }) => message.type === 'put') ?? assert.fail();
      assert.deepEqual(found.message, { type: 'put', ...piece });
      harness.coordinator.send(found.peer, { type: 'chunk', ...piece });
      await until(() => got.length === 1, 'the big answer');
      assert.deepEqual(got, [{ type: 'chunk', ...piece }]);
      await worker.close();
    });

    it('loses nothing where control messages and the bytes of blobs go side by side', async () => {
      const worker = harness.connect();
      const chunks = 20;
      const bytes = new Uint8Array(2 ** 16);
      for (let index = 0; index < chunks; index++)
        worker.send({ type: 'put', transfer: 7, hash: 'b'.repeat(64), offset: index, total: 2 ** 20, bytes });
      worker.send(returned('urgent', 1));
      const puts = () => heard.filter(({ message }) => message.type === 'put' && message.transfer === 7);
      await until(() => puts().length === chunks && heardFrom('urgent').length === 1, 'all of them');
      await worker.close();
    });

    it('is held up by no peer that does not listen', async () => {
      const [deaf, good] = [harness.connect(), harness.connect()];
      const got: FromCoordinator[] = [];
      good.listen((message) => got.push(message));
      deaf.send(returned('deaf', 0));
      good.send(returned('good', 0));
      await until(() => heardFrom('deaf').length + heardFrom('good').length === 2, 'both peers');
      const cause = 'x'.repeat(50_000);
      const story = (request: number): FromCoordinator => ({
        type: 'reply',
        request,
        body: { type: 'error', code: 'X', message: cause, hint: undefined },
      });
      // 100 MB for one that does not read.
      for (let request = 0; request < 2_000; request++) harness.coordinator.send(peerOf('deaf'), story(request));
      for (let attempt = 0; attempt < 50; attempt++) harness.coordinator.send(peerOf('good'), acknowledge('good', attempt));
      await until(() => got.length === 50, 'the messages for the other peer');
      // And it is not forgotten: what it gets in the end is in order, the latest at least.
      const late: number[] = [];
      deaf.listen((message) => message.type === 'reply' && late.push(message.request));
      await until(() => late.at(-1) === 1_999, 'the latest message');
      assert.deepEqual(
        late,
        late.toSorted((a, b) => a - b),
      );
      await Promise.all([deaf.close(), good.close()]);
    });

    it('refuses to send what is out of range', async () => {
      const worker = harness.connect();
      const malformed = (error: unknown) => error instanceof NoisefoldError && error.code === 'WIRE_MALFORMED';
      assert.throws(() => worker.send(returned('malformed', 0.5)), malformed);
      assert.throws(() => harness.coordinator.send('01', acknowledge('', 1)), malformed);
      await worker.close();
    });

    it('says nothing more when the coordinator has closed', async () => {
      const worker = harness.connect();
      worker.send(returned('listener', 1));
      await until(() => heardFrom('listener').length === 1, 'the worker');
      await harness.coordinator.close();
      const count = heard.length;
      worker.send(returned('nobody', 1));
      harness.coordinator.send(peerOf('listener'), { type: 'drain' });
      await worker.close();
      assert.equal(heard.length, count);
    });
  });
}
