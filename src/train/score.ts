import type { Matrix32 } from '../base/matrix.ts';
import type { PreparedData } from '../dataset/types.ts';
import { scorePath } from '../ridge/score.ts';
import { pathRows } from '../ridge/solve.ts';
import type { LinearAlgebra, RidgeScore } from '../ridge/types.ts';
import type { FeatureBlock } from './features.ts';

export interface ScoreOptions {
  /** Starts a stream of the features of these inputs. Called twice: for the Grams, and for the held-out predictions. */
  readonly stream: (inputs: Matrix32) => AsyncIterable<FeatureBlock> | Iterable<FeatureBlock>;
  /** Features a row. */
  readonly width: number;
  readonly data: Pick<PreparedData, 'inputs' | 'target' | 'folds' | 'foldCount' | 'task'>;
  readonly alphas: readonly number[];
  readonly linearAlgebra: LinearAlgebra;
  /** Called between blocks and parts of the path, with the work done and to do, in rows; a rejection ends the scoring. */
  readonly between?: (rows: number, toRows: number) => Promise<void>;
}

/** Scores a feature set by cross-validated ridge on the labelled rows. Throws DATA_FOLDS, RIDGE_SINGULAR, and what the stream throws. */
export async function scoreFeatures(options: ScoreOptions): Promise<RidgeScore> {
  const { stream, width, data, alphas, linearAlgebra, between = () => Promise.resolve() } = options;
  const { target, folds, foldCount, task } = data;
  // Rows of the test file come last and have no target: they need no features here.
  const rows = folds.findLastIndex((fold) => fold >= 0) + 1;
  const inputs = { ...data.inputs, rows, data: data.inputs.data.subarray(0, rows * data.inputs.cols) };
  const path = foldCount * pathRows(width, alphas.length);
  const toDo = 2 * rows + path;
  let done = 0;
  async function* batches(): AsyncGenerator<FeatureBlock, void, void> {
    for await (const block of stream(inputs)) {
      yield block;
      done += block.rows;
      await between(done, toDo);
    }
  }
  const working = async (share: number): Promise<void> => {
    done = rows + Math.round(share * path);
    await between(done, toDo);
  };
  const { score } = await scorePath({ width, foldCount, target, folds, task, alphas, linearAlgebra, batches, working });
  return score;
}
