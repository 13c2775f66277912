/** Snapshots as checkpoint bytes, and back, only into the training that they were taken from. */
import { z } from 'zod';
import { NoisefoldError } from '../base/errors.ts';
import { canonicalJson, type Json } from '../base/json.ts';
import { checkMatches, decodeCheckpoint, encodeCheckpoint } from '../checkpoint/format.ts';
import type { TrialConfig } from '../config/types.ts';
import type { NetworkSpec } from '../model/types.ts';
import type { Snapshot } from './loop.ts';
import type { EpochSums } from './types.ts';

/** What decides every number of a training, next to its step. */
export interface Course {
  readonly network: NetworkSpec;
  /** The study's seed. */
  readonly seed: number;
  /** Hash of what it is trained on: see trainingHash. */
  readonly data: string;
  readonly config: Pick<TrialConfig, 'noise' | 'training'>;
}

/** The part of a configuration that steers the steps and is not in the network. How many epochs, and when to save, may change on the way. */
const steering = ({
  noise,
  training: { batchSize, learningRate, learningRateDecay, averageLast = 1 },
}: Course['config']): Json => ({
  noise: { flavour: noise.flavour, swapProbability: noise.swapProbability },
  batchSize,
  learningRate,
  learningRateDecay,
  ...(averageLast === 1 ? {} : { averageLast }),
});

const extraSchema = z.object({
  steering: z.json(),
  partial: z.object({ loss: z.number(), changed: z.number() }) satisfies z.ZodType<EpochSums>,
});

/** The checkpoint's bytes; equal for equal snapshots of equal courses, however often training was stopped before. */
export function saveSnapshot({ state, recent, history, partial }: Snapshot, { network, seed, data, config }: Course): Uint8Array {
  const extra = { steering: steering(config), partial: { ...partial } };
  return encodeCheckpoint({ state, recent, network, seed, data, history, extra });
}

/** Throws CHECKPOINT_CORRUPT, and CHECKPOINT_MISMATCH when the checkpoint belongs to another course. */
export function loadSnapshot(bytes: Uint8Array, course: Course): Snapshot {
  const checkpoint = decodeCheckpoint(bytes);
  checkMatches(checkpoint, course);
  const extra = extraSchema.safeParse(checkpoint.extra);
  if (!extra.success)
    throw new NoisefoldError('CHECKPOINT_MISMATCH', `The checkpoint cannot be trained on: ${z.prettifyError(extra.error)}`);
  const [found, wanted] = [extra.data.steering, steering(course.config)].map((value) => canonicalJson(value));
  if (found !== wanted)
    throw new NoisefoldError('CHECKPOINT_MISMATCH', `The checkpoint was trained with ${found}, not with ${wanted}`, {
      hint: 'Go on with the configuration that it was trained with, or start anew.',
    });
  const { state, recent, history } = checkpoint;
  return { state, recent, history, partial: extra.data.partial };
}
