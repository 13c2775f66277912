/**
 * Features stream out block by block and are never held all at once: 500,000 rows of 3,072 features would be 6 GB.
 * The raw baseline has the same shape of stream, so that ridge cannot tell them apart.
 */
import type { Matrix32 } from '../base/matrix.ts';
import type { Engine } from '../engine/engine.ts';
import type { NetworkSpec } from '../model/types.ts';
import type { FeatureBatch } from '../ridge/score.ts';

/** Features of consecutive rows, as ridge takes them: `features` is exactly [rows, width], row-major, and valid until the next block is asked for. */
export interface FeatureBlock extends FeatureBatch {
  readonly width: number;
}

/** Rows a block: enough to feed a matrix product, few enough for activations to stay in the cache (ONNX Runtime was slower from 512 rows on). */
export const featureBatchSize = 128;

export interface FeatureOptions {
  readonly engine: Engine;
  readonly network: NetworkSpec;
  readonly weights: Float32Array;
  /** Indices of the hidden layers whose activations are features, ascending. */
  readonly layers: readonly number[];
  /** Encoded inputs, clean. */
  readonly inputs: Matrix32;
  /** Whether the encoded inputs follow the activations in each row. */
  readonly withInputs: boolean;
  readonly batchSize?: number;
}

/** The features of all rows, in order. The engine's session is released when the stream ends or is left early. */
export async function* streamFeatures(options: FeatureOptions): AsyncGenerator<FeatureBlock, void, void> {
  const { engine, network, weights, layers, inputs, withInputs, batchSize = featureBatchSize } = options;
  const { cols } = inputs;
  const session = await engine.features(network, layers, batchSize, weights);
  try {
    const padded = new Float32Array(batchSize * cols);
    const width = session.width + (withInputs ? cols : 0);
    const joined = withInputs ? new Float32Array(batchSize * width) : undefined;
    for (const { start, rows, features: block } of streamInputs(inputs, batchSize)) {
      // The batch size is fixed in the graph: the last block is filled up with zeros, and their features are left out.
      padded.fill(0, rows * cols);
      padded.set(block);
      const hidden = await session.run(padded);
      if (joined)
        for (let i = 0; i < rows; i++) {
          joined.set(hidden.subarray(i * session.width, (i + 1) * session.width), i * width);
          joined.set(block.subarray(i * cols, (i + 1) * cols), i * width + session.width);
        }
      yield { start, rows, width, features: (joined ?? hidden).subarray(0, rows * width) };
    }
  } finally {
    await session.release();
  }
}

/** The encoded inputs themselves as features, without a copy. */
export function* streamInputs(inputs: Matrix32, batchSize = featureBatchSize): Generator<FeatureBlock, void, void> {
  const { cols: width, data } = inputs;
  for (let start = 0; start < inputs.rows; start += batchSize) {
    const rows = Math.min(batchSize, inputs.rows - start);
    yield { start, rows, width, features: data.subarray(start * width, (start + rows) * width) };
  }
}
