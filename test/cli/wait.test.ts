import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import type { Client } from '../../src/cli/remote/client.ts';
import { waitFor } from '../../src/cli/remote/wait.ts';
import type { StudyStatus } from '../../src/scheduler/types.ts';

/** A study of the status, with so many trials done; or nobody answers. */
type Answer = readonly [StudyStatus, number] | 'away';

/** A coordinator that gives these answers, one a question. */
function clientOf(answers: readonly Answer[]): Client {
  const rest = [...answers];
  return {
    ask: () => {
      const next = rest.shift();
      if (next === undefined) throw new Error('asked too often');
      if (next === 'away') return Promise.reject(new NoisefoldError('WIRE_UNREACHABLE', 'no coordinator answered'));
      const [status, done] = next;
      return Promise.resolve({ type: 'study', study: { name: 's', status, trials: { done } }, running: [], failed: [] } as never);
    },
    close: () => Promise.resolve(),
  };
}

const waited = async (...answers: readonly Answer[]): Promise<{ readonly said: string[]; readonly code?: string }> => {
  const said: string[] = [];
  try {
    await waitFor(clientOf(answers), 's', (line) => said.push(line));
    return { said };
  } catch (thrown) {
    if (!(thrown instanceof NoisefoldError)) throw thrown;
    return { said, code: thrown.code };
  }
};

describe('waiting for a study', () => {
  it('ends well when it is finished, after a restart of its coordinator too, which is told once', async () => {
    assert.deepEqual(await waited(['running', 0], ['finished', 3]), { said: [] });
    assert.deepEqual((await waited('away', 'away', ['finished', 3])).said, [
      'the coordinator does not answer: waiting for it',
      'the coordinator answers again',
    ]);
  });

  it('ends with an error when it was cancelled, or no trial was scored', async () => {
    assert.equal((await waited(['cancelled', 3])).code, 'STUDY_CANCELLED');
    assert.equal((await waited(['finished', 0])).code, 'STUDY_FAILED');
  });
});
