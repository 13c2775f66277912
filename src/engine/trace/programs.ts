/** The two programs that a compiling engine runs, recorded: a training step, and the features. */
import { features } from '../../model/network.ts';
import { inputWidth, parameterCount } from '../../model/parameters.ts';
import { trainStep } from '../../model/step.ts';
import type { NetworkSpec } from '../../model/types.ts';
import type { Graph } from './graph.ts';
import { trace } from './trace.ts';

/** One training step: operands as StepOperands, results newWeights, newFirstMoment, newSecondMoment and loss. */
export function trainingGraph(network: NetworkSpec, batchSize: number): Graph {
  const vector = [parameterCount(network)];
  const rows = [batchSize, inputWidth(network)];
  const shapes = { weights: vector, firstMoment: vector, secondMoment: vector, noisy: rows, clean: rows, mask: rows, rates: [3] };
  return trace(shapes, (operands) => {
    const { weights, firstMoment, secondMoment, loss } = trainStep(network, operands);
    return { newWeights: weights, newFirstMoment: firstMoment, newSecondMoment: secondMoment, loss };
  });
}

/** The hidden layers' activations: operands weights and inputs, result features. */
export function featureGraph(network: NetworkSpec, layers: readonly number[], batchSize: number): Graph {
  return trace({ weights: [parameterCount(network)], inputs: [batchSize, inputWidth(network)] }, ({ weights, inputs }) => ({
    features: features(network, layers, weights, inputs),
  }));
}
