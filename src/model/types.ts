/** The network and its flat parameter layout, as every engine sees them. */
import type { LossConfig, ModelConfig } from '../config/types.ts';

/** How a tensor starts: uniform in [-bound, bound] (as PyTorch's Linear and MultiheadAttention do) or one constant. */
export type Initialiser =
  { readonly kind: 'uniform'; readonly bound: number } | { readonly kind: 'constant'; readonly value: number };

/** A named tensor in the flat parameter vector. Names and layouts are those of the reference PyTorch code's state_dict. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly initialiser: Initialiser;
}

/** All that shapes the graph of a training step, except the batch size. */
export interface NetworkSpec {
  readonly model: ModelConfig;
  /** Binary inputs, the leading ones. */
  readonly binary: number;
  /** Numerical inputs, after them. */
  readonly numerical: number;
  /** Numbers of categorical and numerical source columns: the weights of the two reconstruction losses (10/24 and 14/24 in the reference). */
  readonly categoricalSources: number;
  readonly numericalSources: number;
  readonly loss: LossConfig;
}
