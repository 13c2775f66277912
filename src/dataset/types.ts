/** Tables as read, their encoded layout, and what workers get: the prepared data set. */
import type { Matrix32 } from '../base/matrix.ts';

/**
 * A column as read. Numbers where every present field is one (finite, and not a zero-padded code such as 007); NaN stands for missing
 * there, null in text. `notNumber` is where a text column's first such field stands in its CSV file.
 */
export type Column =
  | { readonly name: string; readonly type: 'number'; readonly values: Float64Array }
  | {
      readonly name: string;
      readonly type: 'text';
      readonly values: readonly (string | null)[];
      readonly notNumber?: FilePosition;
    };

/** Counted from 1, as editors do; columns in characters. */
export interface FilePosition {
  readonly line: number;
  readonly column: number;
}

export interface Table {
  /** The file it came from, for messages. */
  readonly source: string;
  readonly rows: number;
  readonly columns: readonly Column[];
  /** The line on which each row begins, where the file has lines (CSV). */
  readonly lines?: Int32Array;
}

export type ColumnRole = 'categorical' | 'numerical' | 'target' | 'id' | 'dropped';

/** A source column that became inputs, with the indices of its encoded columns (ascending; its missing indicator is one of them). */
export interface SourceColumn {
  readonly name: string;
  readonly kind: 'categorical' | 'numerical';
  /** Number of one-hot columns; 0 for a numerical column. */
  readonly levels: number;
  readonly encoded: readonly number[];
}

/**
 * The encoded columns in order: first all binary ones (one-hot levels of the categorical columns, then missing indicators of the
 * numerical ones), then the standardised numerical ones.
 */
export interface EncodedLayout {
  /** How many leading encoded columns are binary (trained with cross-entropy). */
  readonly binary: number;
  /** How many columns follow that are numerical (trained with squared error). */
  readonly numerical: number;
  /** Names of the encoded columns: `cut=Ideal`, `bmi?` (missing indicator), `carat`. */
  readonly names: readonly string[];
  readonly sources: readonly SourceColumn[];
}

/**
 * What every task of a study works on. Rows: those of the train file, then those of the test file. The hash covers every byte of it
 * (inputs, targets, folds, layout), so a worker can refuse another one.
 */
export interface PreparedData {
  readonly hash: string;
  readonly layout: EncodedLayout;
  /** Encoded inputs of all rows: [rows, binary + numerical]. */
  readonly inputs: Matrix32;
  /** [rows]: the transformed target (0/1 for binary), NaN where there is none. Never an input. */
  readonly target: Float64Array;
  readonly task: 'regression' | 'binary';
  /** [rows]: the fold in which a labelled row is held out, 0 .. foldCount-1; -1 for rows without a target. */
  readonly folds: Int32Array;
  readonly foldCount: number;
  /**
   * Inductive: the fold whose rows had no part in fitting the encoding. Its training rows, the labelled rows of the other folds, are what
   * the encoding was fitted on and what an autoencoder may be trained on. Absent: all rows are.
   */
  readonly heldOut?: number | undefined;
}
