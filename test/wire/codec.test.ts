import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import {
  decodeFromCoordinator,
  decodeToCoordinator,
  encodeFromCoordinator,
  encodeToCoordinator,
  maxMessageBytes,
  maxWorkerBytes,
} from '../../src/wire/codec.ts';
import { maxProse } from '../../src/wire/fields.ts';
import { protocolVersion, type ToCoordinator } from '../../src/wire/messages.ts';
import { versionRefusal } from '../../src/wire/versions.ts';
import { fromCoordinator, taskProgress, taskResult, toCoordinator } from './messages.ts';

const malformed =
  (where?: string) =>
  (error: unknown): boolean =>
    error instanceof NoisefoldError && error.code === 'WIRE_MALFORMED' && (where === undefined || error.where === where);

/** Decodes to a message or throws WIRE_MALFORMED; anything else fails. */
function decodesOrIsRefused(decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void {
  try {
    decode(bytes);
  } catch (error) {
    if (!malformed()(error)) throw error;
  }
}

describe('the codec', () => {
  it('gives back every message to the coordinator as it was', () => {
    fc.assert(
      fc.property(toCoordinator, (message) => assert.deepEqual(decodeToCoordinator(encodeToCoordinator(message)), message)),
      {
        numRuns: 500,
      },
    );
  });

  it('gives back every message from the coordinator as it was', () => {
    fc.assert(
      fc.property(fromCoordinator, (message) => assert.deepEqual(decodeFromCoordinator(encodeFromCoordinator(message)), message)),
      { numRuns: 500 },
    );
  });

  it('refuses or reads random bytes, and never crashes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodesOrIsRefused(decodeToCoordinator, bytes);
        decodesOrIsRefused(decodeFromCoordinator, bytes);
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses or reads damaged messages: cut anywhere, or with any byte changed', () => {
    fc.assert(
      fc.property(toCoordinator, fromCoordinator, fc.nat(), fc.nat(255), (ours, theirs, at, byte) => {
        for (const [decode, bytes] of [
          [decodeToCoordinator, encodeToCoordinator(ours)],
          [decodeFromCoordinator, encodeFromCoordinator(theirs)],
        ] as const) {
          decodesOrIsRefused(decode, bytes.subarray(0, at % (bytes.length + 1)));
          decodesOrIsRefused(
            decode,
            Uint8Array.from(bytes, (old, index) => (index === at % bytes.length ? byte : old)),
          );
        }
      }),
      { numRuns: 500 },
    );
  });

  it('refuses an empty message, one of an unknown kind and one that is too long', () => {
    assert.throws(() => decodeToCoordinator(new Uint8Array()), malformed('body'));
    assert.throws(() => decodeToCoordinator(Uint8Array.of(15 << 3, 0)), malformed('body'));
    assert.throws(() => decodeToCoordinator(new Uint8Array(maxMessageBytes + 1)), malformed());
    assert.throws(() => decodeFromCoordinator(new Uint8Array(maxMessageBytes + 1)), malformed());
  });

  it('refuses what only a client’s request may be: longer than workers have reason to be', () => {
    const plan = 'x'.repeat(maxWorkerBytes + 1);
    const h = 'a'.repeat(64);
    const submit: ToCoordinator = {
      type: 'request',
      request: 1,
      protocol: protocolVersion,
      body: { type: 'submit', config: '{}', configHash: h, dataHash: h, table: h, data: [], plan, version: '' },
    };
    assert.deepEqual(decodeToCoordinator(encodeToCoordinator(submit)), submit);
    // The same bytes as a `failed` (5) instead of a `request` (11).
    const disguised = encodeToCoordinator(submit);
    disguised[0] = (5 << 3) | 2;
    assert.throws(() => decodeToCoordinator(disguised), /longer than/);
  });

  it('cuts what is written for people to a length that people read', () => {
    const failure = { code: 'TASK_CRASHED', message: 'x'.repeat(2 ** 20), retryable: true };
    const message = decodeToCoordinator(encodeToCoordinator({ type: 'failed', study: 's', task: 't', attempt: 1, failure }));
    assert.ok(message.type === 'failed' && message.failure.message.length === maxProse);
  });

  it('names the field that a message lacks', () => {
    // Done { } and Assign { attempt: 1, study: 's' }, by hand: tags 4 and 3, length-delimited.
    assert.throws(() => decodeToCoordinator(Uint8Array.of(0x22, 0)), malformed('study'));
    assert.throws(() => decodeFromCoordinator(Uint8Array.of(0x1a, 5, 0x08, 1, 0x1a, 1, 0x73)), malformed('spec'));
  });

  it('refuses to send numbers that protobuf would change without a word', () => {
    const heartbeat = (changes: object): ToCoordinator => ({
      type: 'heartbeat',
      running: { study: 's', task: 't', attempt: 1, progress: { ...sample(taskProgress), ...changes } },
    });
    assert.throws(
      () => encodeToCoordinator({ type: 'returned', study: 's', task: 't', attempt: 2 ** 40 + 5 }),
      malformed('attempt'),
    );
    assert.throws(() => encodeToCoordinator({ type: 'returned', study: 's', task: 't', attempt: -1 }), malformed('attempt'));
    assert.throws(() => encodeToCoordinator(heartbeat({ step: 2 ** 53 })), malformed('running.progress.step'));
    assert.throws(() => encodeToCoordinator(heartbeat({ step: 0.5 })), malformed('running.progress.step'));
    assert.throws(() => encodeToCoordinator(heartbeat({ rowsPerSecond: Infinity })), malformed('running.progress.rowsPerSecond'));
    assert.throws(() => encodeToCoordinator({ type: 'returned', study: 's', task: '\ud800', attempt: 1 }), malformed('task'));
  });

  it('lets an undefined metric through as NaN, but no loss in a history', () => {
    const result = sample(taskResult);
    const undefinedMetrics = { rmse: 0, mae: 0, r2: NaN, auc: NaN };
    const score = { alphas: [1], folds: [{ fold: 0, rows: 1, metrics: [undefinedMetrics] }], best: 0, features: 1 };
    const done: ToCoordinator = { type: 'done', study: 's', task: 't', attempt: 1, result: { ...result, score } };
    assert.deepEqual(decodeToCoordinator(encodeToCoordinator(done)), done);
    const history = [{ epoch: 1, step: 1, loss: NaN, learningRate: 1, corruption: 0 }];
    assert.throws(() => encodeToCoordinator({ ...done, result: { ...result, history } }), malformed('result.history.0.loss'));
  });

  it('mends the text of a failure that was cut in the middle of a character', () => {
    const failure = { code: 'TASK_CRASHED', message: 'a\ud83d', retryable: true };
    const message = decodeToCoordinator(encodeToCoordinator({ type: 'failed', study: 's', task: 't', attempt: 1, failure }));
    assert.deepEqual(message, { type: 'failed', study: 's', task: 't', attempt: 1, failure: { ...failure, message: 'a\ufffd' } });
  });
});

describe('peers of another version', () => {
  const ahead = protocolVersion + 1;
  const hello: ToCoordinator = {
    type: 'hello',
    protocol: ahead,
    version: '9.0.0',
    name: 'w',
    pid: 1,
    capabilities: { engine: 'onnx', device: 'cpu', threads: 1, memory: 0 },
    running: undefined,
  };

  it('are told which side to upgrade, workers and clients', () => {
    const refusal = (message: ToCoordinator) => versionRefusal(decodeToCoordinator(encodeToCoordinator(message)), '0.2.0');
    assert.deepEqual(refusal(hello), {
      type: 'refuse',
      code: 'WIRE_VERSION',
      reason: `the worker (noisefold 9.0.0) speaks protocol ${ahead}, the coordinator (noisefold 0.2.0) protocol ${protocolVersion}: upgrade the coordinator`,
    });
    const reply = refusal({ type: 'request', request: 7, protocol: 1, body: { type: 'snapshot', study: 's' } });
    assert.ok(reply?.type === 'reply' && reply.request === 7 && reply.body.type === 'error');
    assert.equal(reply.body.code, 'WIRE_VERSION');
    assert.match(reply.body.message, /upgrade the client$/);
    assert.equal(refusal({ ...hello, protocol: protocolVersion }), undefined);
    assert.equal(refusal({ type: 'goodbye' }), undefined);
  });

  it('are heard out although nothing else of what they say is understood', () => {
    // Hello { protocol: 1, version: '0.1.0' }: the hello of protocol 1 has no memory, one of the future may have no name.
    const bytes = Uint8Array.of(0x0a, 9, 0x08, 1, 0x12, 5, ...Buffer.from('0.1.0'));
    const message = decodeToCoordinator(bytes);
    assert.ok(message.type === 'hello' && message.protocol === 1 && message.version === '0.1.0');
    // Request { request: 5, protocol: 3, and a body of a kind 99 }.
    const request = decodeToCoordinator(Uint8Array.of(0x5a, 7, 0x08, 5, 0x10, 3, 0x9a, 6, 0));
    assert.ok(request.type === 'request' && request.request === 5 && request.protocol === 3);
  });

  it('may say more than is understood: unknown fields are skipped, at every depth', () => {
    // Returned { task: 't', attempt: 1, study: 's', 15: 'x' }, and field 200 = 1 beside it in the envelope.
    const lease = [0x0a, 1, 0x74, 0x10, 1, 0x1a, 1, 0x73, 0x7a, 1, 0x78];
    const bytes = Uint8Array.of(0x32, lease.length, ...lease, 0xc0, 0x0c, 1);
    assert.deepEqual(decodeToCoordinator(bytes), { type: 'returned', study: 's', task: 't', attempt: 1 });
  });
});

const sample = <T>(arbitrary: fc.Arbitrary<T>): T => {
  const [value] = fc.sample(arbitrary, { numRuns: 1, seed: 1 });
  assert.ok(value !== undefined);
  return value;
};
