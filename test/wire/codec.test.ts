import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import {
  decodeCoordinatorMessage,
  decodeWorkerMessage,
  encodeCoordinatorMessage,
  encodeWorkerMessage,
  maxMessageBytes,
} from '../../src/wire/codec.ts';
import type { WorkerMessage } from '../../src/wire/messages.ts';
import { coordinatorMessage, taskProgress, taskResult, workerMessage } from './messages.ts';

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
  it('gives back every worker message as it was', () => {
    fc.assert(
      fc.property(workerMessage, (message) => assert.deepEqual(decodeWorkerMessage(encodeWorkerMessage(message)), message)),
      {
        numRuns: 500,
      },
    );
  });

  it('gives back every coordinator message as it was', () => {
    fc.assert(
      fc.property(coordinatorMessage, (message) =>
        assert.deepEqual(decodeCoordinatorMessage(encodeCoordinatorMessage(message)), message),
      ),
      { numRuns: 500 },
    );
  });

  it('refuses or reads random bytes, and never crashes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decodesOrIsRefused(decodeWorkerMessage, bytes);
        decodesOrIsRefused(decodeCoordinatorMessage, bytes);
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses or reads damaged messages: cut anywhere, or with any byte changed', () => {
    fc.assert(
      fc.property(workerMessage, coordinatorMessage, fc.nat(), fc.nat(255), (ours, theirs, at, byte) => {
        for (const [decode, bytes] of [
          [decodeWorkerMessage, encodeWorkerMessage(ours)],
          [decodeCoordinatorMessage, encodeCoordinatorMessage(theirs)],
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
    assert.throws(() => decodeWorkerMessage(new Uint8Array()), malformed('body'));
    assert.throws(() => decodeWorkerMessage(Uint8Array.of(15 << 3, 0)), malformed('body'));
    assert.throws(() => decodeWorkerMessage(new Uint8Array(maxMessageBytes + 1)), malformed());
  });

  it('names the field that a message lacks', () => {
    // Done { } and Assign { attempt: 1 }, by hand: tags 4 and 3, length-delimited.
    assert.throws(() => decodeWorkerMessage(Uint8Array.of(0x22, 0)), malformed('task'));
    assert.throws(() => decodeCoordinatorMessage(Uint8Array.of(0x1a, 2, 0x08, 1)), malformed('spec'));
  });

  it('refuses to send numbers that protobuf would change without a word', () => {
    const heartbeat = (changes: object): WorkerMessage => ({
      type: 'heartbeat',
      running: { task: 't', attempt: 1, progress: { ...sample(taskProgress), ...changes } },
    });
    assert.throws(() => encodeWorkerMessage({ type: 'returned', task: 't', attempt: 2 ** 40 + 5 }), malformed('attempt'));
    assert.throws(() => encodeWorkerMessage({ type: 'returned', task: 't', attempt: -1 }), malformed('attempt'));
    assert.throws(() => encodeWorkerMessage(heartbeat({ step: 2 ** 53 })), malformed('running.progress.step'));
    assert.throws(() => encodeWorkerMessage(heartbeat({ step: 0.5 })), malformed('running.progress.step'));
    assert.throws(() => encodeWorkerMessage(heartbeat({ rowsPerSecond: Infinity })), malformed('running.progress.rowsPerSecond'));
    assert.throws(() => encodeWorkerMessage({ type: 'returned', task: '\ud800', attempt: 1 }), malformed('task'));
  });

  it('lets an undefined metric through as NaN, but no loss in a history', () => {
    const result = sample(taskResult);
    const undefinedMetrics = { rmse: 0, mae: 0, r2: NaN, auc: NaN };
    const score = { alphas: [1], folds: [{ fold: 0, rows: 1, metrics: [undefinedMetrics] }], best: 0, features: 1 };
    const done: WorkerMessage = { type: 'done', task: 't', attempt: 1, result: { ...result, score } };
    assert.deepEqual(decodeWorkerMessage(encodeWorkerMessage(done)), done);
    const history = [{ epoch: 1, step: 1, loss: NaN, learningRate: 1, corruption: 0 }];
    assert.throws(() => encodeWorkerMessage({ ...done, result: { ...result, history } }), malformed('result.history.0.loss'));
  });

  it('mends the text of a failure that was cut in the middle of a character', () => {
    const failure = { code: 'TASK_CRASHED', message: 'a\ud83d', retryable: true };
    const message = decodeWorkerMessage(encodeWorkerMessage({ type: 'failed', task: 't', attempt: 1, failure }));
    assert.deepEqual(message, { type: 'failed', task: 't', attempt: 1, failure: { ...failure, message: 'a\ufffd' } });
  });
});

const sample = <T>(arbitrary: fc.Arbitrary<T>): T => {
  const [value] = fc.sample(arbitrary, { numRuns: 1, seed: 1 });
  assert.ok(value !== undefined);
  return value;
};
