/** A second of each fuzzer (test/fuzz/); `npm run fuzz` runs them for longer, guided by coverage. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fuzzCodec } from '../fuzz/codec.ts';
import { noCoverage } from '../fuzz/coverage.ts';
import { fuzzSockets } from '../fuzz/sockets.ts';

describe('random and damaged frames', () => {
  const seed = Math.floor(Math.random() * 2 ** 31);

  it('are decoded or refused by the codec, and what is decoded stays what it is', () => {
    const { failures, runs } = fuzzCodec(1, seed, noCoverage);
    assert.deepEqual(failures, [], `seed ${seed}`);
    assert.ok(runs > 1_000);
  });

  it('are heard as a message or reported at both sides’ sockets, while good peers are served', async () => {
    const { failures, counts } = await fuzzSockets(1, seed);
    assert.deepEqual(failures, [], `seed ${seed}`);
    assert.ok(counts['malformed'] !== undefined && counts['malformed'] > 100);
  });
});
