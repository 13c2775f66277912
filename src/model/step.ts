/**
 * One step of Adam (Kingma, Ba 2015, algorithm 1; epsilon outside the root, as PyTorch) on flat vectors, so that a step has ten operands
 * whatever the network.
 */
import * as tf from '@tensorflow/tfjs';
import { loss, parametersOf } from './network.ts';
import type { NetworkSpec } from './types.ts';

const beta1 = 0.9;
const beta2 = 0.999;
const epsilon = 1e-8;

export interface StepOperands {
  /** [parameters] each. */
  readonly weights: tf.Tensor;
  readonly firstMoment: tf.Tensor;
  readonly secondMoment: tf.Tensor;
  /** [batch, inputs] each. */
  readonly noisy: tf.Tensor;
  readonly clean: tf.Tensor;
  readonly mask: tf.Tensor;
  /** [3], from stepRates. */
  readonly rates: tf.Tensor;
}

export interface StepResults {
  /** [parameters] each. */
  readonly weights: tf.Tensor;
  readonly firstMoment: tf.Tensor;
  readonly secondMoment: tf.Tensor;
  /** A scalar: the loss before the update. */
  readonly loss: tf.Tensor;
}

/** The numbers that change from step to step: the learning rate and the two bias corrections. @param step from 1 */
export const stepRates = (learningRate: number, step: number): Float32Array =>
  Float32Array.of(learningRate, 1 / (1 - beta1 ** step), 1 / (1 - beta2 ** step));

/** Loss, its gradients, and the update. */
export function trainStep(network: NetworkSpec, operands: StepOperands): StepResults {
  const { weights, noisy, clean, mask } = operands;
  const named = [...parametersOf(network, weights)];
  const lossOf = (...tensors: tf.Tensor[]): tf.Scalar =>
    loss(network, new Map(named.map(([name], i) => [name, tensors[i]!])), noisy, clean, mask) as tf.Scalar;
  const { value, grads } = tf.valueAndGrads(lossOf)(named.map(([, tensor]) => tensor));
  const gradient = tf.concat(grads.map((tensor) => tf.reshape(tensor, [-1])));

  const [learningRate, correction1, correction2] = tf.split(operands.rates, 3) as [tf.Tensor, tf.Tensor, tf.Tensor];
  const firstMoment = tf.add(tf.mul(operands.firstMoment, beta1), tf.mul(gradient, 1 - beta1));
  const secondMoment = tf.add(tf.mul(operands.secondMoment, beta2), tf.mul(tf.square(gradient), 1 - beta2));
  const scale = tf.add(tf.sqrt(tf.mul(secondMoment, correction2)), epsilon);
  const update = tf.div(tf.mul(firstMoment, tf.mul(learningRate, correction1)), scale);
  return { weights: tf.sub(weights, update), firstMoment, secondMoment, loss: value };
}
