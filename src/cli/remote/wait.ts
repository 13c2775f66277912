/** Waiting for a study's end, for scripts: over restarts of its coordinator. */
import { NoisefoldError } from '../../base/errors.ts';
import type { ClientAnswer } from '../../wire/messages.ts';
import type { Client } from './client.ts';

const everyMs = 1_000;

/**
 * Resolves when the study is finished and a trial was scored. A coordinator that is away is waited for.
 * @param say told when it is away, and when it is back
 * Throws STUDY_CANCELLED, STUDY_FAILED where no trial was scored, and what the coordinator answers (STUDY_NOT_FOUND, ...).
 */
export async function waitFor(
  client: Client,
  study: string,
  say: (line: string) => void,
): Promise<Extract<ClientAnswer, { type: 'study' }>> {
  let away = false;
  for (;;) {
    try {
      const answer = await client.ask({ type: 'status', study }, 'study');
      if (away) say('the coordinator answers again');
      away = false;
      const { status, trials } = answer.study;
      if (status === 'cancelled')
        throw new NoisefoldError('STUDY_CANCELLED', `the study ${study} was cancelled`, {
          hint: `What is done can be fetched: noisefold fetch ${study}`,
        });
      if (status === 'finished' && trials.done > 0) return answer;
      if (status === 'finished')
        throw new NoisefoldError('STUDY_FAILED', `no trial of ${study} was scored`, {
          hint: `noisefold status ${study} says why.`,
        });
    } catch (thrown) {
      if (!(thrown instanceof NoisefoldError) || thrown.code !== 'WIRE_UNREACHABLE') throw thrown;
      if (!away) say('the coordinator does not answer: waiting for it');
      away = true;
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}
