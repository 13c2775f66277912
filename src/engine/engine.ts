/**
 * The port that runs training steps. An engine knows nothing of epochs, noise, files or processes: it is given batches and gives back losses.
 * Adapters: onnx/ and tensorflow/ (one compiled graph a step), eager/ (tfjs op by op, on any of its backends; the obvious oracle).
 */
import type { DeviceName, EngineName } from '../config/types.ts';
import type { NetworkSpec } from '../model/types.ts';

/** Weights and Adam moments as flat vectors in the layout of model/parameters.ts, and how many steps made them. */
export interface TrainingState {
  readonly step: number;
  readonly weights: Float32Array;
  readonly firstMoment: Float32Array;
  readonly secondMoment: Float32Array;
}

/** A batch; all three are [batchSize, binary + numerical], row-major. The engine does not keep or change the arrays after step() resolves. */
export interface Batch {
  /** Corrupted inputs. */
  readonly noisy: Float32Array;
  /** Clean inputs: what is to be reconstructed. */
  readonly clean: Float32Array;
  /** 1 where a cell was changed, else 0. */
  readonly mask: Float32Array;
}

export interface TrainingSession {
  /** One step of Adam (beta 0.9 and 0.999, epsilon 1e-8, as PyTorch). Resolves to the loss before the update. The learning rate may differ a step. */
  step(batch: Batch, learningRate: number): Promise<number>;
  /** A copy of the state now. */
  state(): Promise<TrainingState>;
  release(): Promise<void>;
}

export interface FeatureSession {
  /** Features a row. */
  readonly width: number;
  /** Rows a call takes. */
  readonly batchSize: number;
  /** @param inputs clean, [batchSize, inputs]. Resolves to [batchSize, width], row-major; valid until the next call. */
  run(inputs: Float32Array): Promise<Float32Array>;
  release(): Promise<void>;
}

export interface EngineCapabilities {
  /** Resuming from a state gives the same bytes as never having stopped. */
  readonly bitExact: boolean;
  readonly device: string;
  readonly version: string;
}

export interface EngineOptions {
  /** Threads inside one operation; >= 1. */
  readonly threads: number;
  /** Where the onnx engine computes; cpu if not given. */
  readonly device?: DeviceName | undefined;
}

export interface Engine {
  readonly name: Exclude<EngineName, 'auto'>;
  readonly capabilities: EngineCapabilities;
  training(network: NetworkSpec, batchSize: number, from: TrainingState): Promise<TrainingSession>;
  /** @param layers indices of the hidden layers whose activations are concatenated, ascending; never empty */
  features(network: NetworkSpec, layers: readonly number[], batchSize: number, weights: Float32Array): Promise<FeatureSession>;
}
