/**
 * A coverage-guided fuzzer of the codec, after libFuzzer's plan: damaged frames that reach code which none reached before join the corpus. Coverage costs
 * milliseconds to ask for, so inputs run in batches, and only a batch that reached something new runs again one by one.
 *
 * Held: a frame is decoded or refused with WIRE_MALFORMED, nothing else; what is decoded can be encoded, and decodes to itself.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import { decodeFromCoordinator, decodeToCoordinator, encodeFromCoordinator, encodeToCoordinator } from '../../src/wire/codec.ts';
import { fromCoordinator, toCoordinator } from '../wire/messages.ts';
import type { Coverage } from './coverage.ts';
import { mutated, seeded } from './mutate.ts';

const maxLength = 8_192;
const batchSize = 1_000;

/** Whether it was decoded; throws what must not be. */
function passes<T>(bytes: Uint8Array, decode: (bytes: Uint8Array) => T, encode: (message: T) => Uint8Array): boolean {
  let message: T;
  try {
    message = decode(bytes);
  } catch (error) {
    if (error instanceof NoisefoldError && error.code === 'WIRE_MALFORMED') return false;
    throw error;
  }
  assert.deepEqual(decode(encode(message)), message);
  return true;
}

export interface Findings {
  readonly runs: number;
  readonly decoded: number;
  readonly corpus: number;
  readonly blocks: number;
  readonly maxHeapMiB: number;
  /** Inputs that did what must not be done. */
  readonly failures: readonly { readonly input: string; readonly error: string }[];
}

/** @param coverage by which it is guided; none: at random, which is enough for a second or two */
export function fuzzCodec(
  seconds: number,
  seed: number,
  coverage: Coverage,
  onReport: (findings: Findings) => void = () => {},
): Findings {
  const random = seeded(seed);
  const corpus: Uint8Array[] = [
    new Uint8Array(0),
    ...fc.sample(toCoordinator, { numRuns: 150, seed }).map(encodeToCoordinator),
    ...fc.sample(fromCoordinator, { numRuns: 150, seed }).map(encodeFromCoordinator),
  ];
  const failures: { input: string; error: string }[] = [];
  let [runs, decoded, maxHeapMiB] = [0, 0, 0];

  function run(bytes: Uint8Array): void {
    runs++;
    try {
      if (passes(bytes, decodeToCoordinator, encodeToCoordinator)) decoded++;
      if (passes(bytes, decodeFromCoordinator, encodeFromCoordinator)) decoded++;
    } catch (error) {
      failures.push({
        input: Buffer.from(bytes).toString('hex'),
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
  }
  const pick = (): Uint8Array => corpus[Math.floor(random() * corpus.length)] ?? new Uint8Array(0);
  const findings = (): Findings => ({ runs, decoded, corpus: corpus.length, blocks: coverage.seen.size, maxHeapMiB, failures });

  corpus.forEach(run);
  coverage.fresh();
  const known = new Set(coverage.seen);

  /** Adds to the corpus those of the inputs that reach what is not known; by halves. */
  function keepThoseThatReach(inputs: readonly Uint8Array[]): void {
    inputs.forEach(run);
    const [only] = inputs;
    if (only && inputs.length === 1) {
      if (coverage.reached(known)) corpus.push(only);
      return;
    }
    if (!coverage.reaches(known)) return;
    const middle = inputs.length >> 1;
    keepThoseThatReach(inputs.slice(0, middle));
    keepThoseThatReach(inputs.slice(middle));
  }

  const end = performance.now() + seconds * 1_000;
  let reportAt = 0;
  while (performance.now() < end && failures.length < 20) {
    const batch = Array.from({ length: batchSize }, () => mutated(pick(), pick(), random, maxLength));
    batch.forEach(run);
    if (coverage.fresh() > 0) keepThoseThatReach(batch);
    maxHeapMiB = Math.max(maxHeapMiB, Math.round(process.memoryUsage().rss / 2 ** 20));
    if (performance.now() > reportAt) {
      onReport(findings());
      reportAt = performance.now() + 10_000;
    }
  }
  return findings();
}
