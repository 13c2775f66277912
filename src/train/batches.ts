/** Which rows make up which batch: a pure function of (seed, epoch, batch), so that training can go on anywhere from a step number. */
import { NoisefoldError } from '../base/errors.ts';
import { permutation, sequence, stream } from '../base/rng.ts';

export interface BatchPosition {
  readonly epoch: number;
  readonly batch: number;
}

export interface Batches {
  /** Batches, and so steps, an epoch: the last partial batch is dropped. */
  readonly perEpoch: number;
  /** Where the step with this number stands; the first one has number 0. */
  locate(step: number): BatchPosition;
  /** The rows of a batch, [batchSize]. Cheap for batches of one epoch in a row: the order of the last asked-for epoch is kept. */
  at(position: BatchPosition): Uint32Array;
}

/**
 * The epochs' orders of 0 .. rows-1, or of some rows of the table, cut into batches. All trials of a study (one seed) see the same batches.
 * Throws MODEL_SHAPE when the rows do not fill one batch.
 */
export function createBatches(seed: number, rows: number | Uint32Array, batchSize: number): Batches {
  const count = typeof rows === 'number' ? rows : rows.length;
  const perEpoch = Math.floor(count / batchSize);
  if (perEpoch < 1)
    throw new NoisefoldError('MODEL_SHAPE', `A batch of ${batchSize} rows cannot be filled from ${count} rows`, {
      where: 'training.batchSize',
      hint: `Set it to ${count} or less.`,
    });
  const key = stream(seed, 'shuffle');
  const orderOf = (epoch: number): Uint32Array => {
    const order = permutation(count, sequence(key, epoch));
    return typeof rows === 'number' ? order : order.map((i) => rows[i]!);
  };
  let held: { readonly epoch: number; readonly order: Uint32Array } | undefined;
  return {
    perEpoch,
    locate: (step) => ({ epoch: Math.floor(step / perEpoch), batch: step % perEpoch }),
    at({ epoch, batch }) {
      if (held?.epoch !== epoch) held = { epoch, order: orderOf(epoch) };
      return held.order.subarray(batch * batchSize, (batch + 1) * batchSize);
    },
  };
}

/** The batches of epoch 0, one after the other. */
export function* firstEpoch(batches: Batches): Generator<Uint32Array> {
  for (let batch = 0; batch < batches.perEpoch; batch++) yield batches.at({ epoch: 0, batch });
}
