/**
 * A training step of several trials of one network in one graph: every value of the recorded step gets the trials as its first dimension, and every product becomes
 * one a trial. An experiment of the bench `stack`; the product trains a trial a session.
 */
import { forAnyThreads } from '../src/engine/onnx/any-threads.ts';
import { cpuDevice, type Held } from '../src/engine/onnx/device.ts';
import { forCpu } from '../src/engine/onnx/for-cpu.ts';
import type { Batch, TrainingState } from '../src/engine/engine.ts';
import { filled, type Graph, type Node, type Value } from '../src/engine/trace/graph.ts';
import { trainingGraph } from '../src/engine/trace/programs.ts';
import { stepRates } from '../src/model/step.ts';
import type { NetworkSpec } from '../src/model/types.ts';

/**
 * @param graph already written for its runtime, so that a trial's products are those of the single step
 * @param shared names of the inputs that all trials have in common; they keep their shapes
 */
export function stack(graph: Graph, trials: number, shared: readonly string[]): Graph {
  const nodes: Node[] = [];
  const stacked = new Map<Value, Value>();
  const like = (value: Value, shape: readonly number[]): Value => ({ shape, type: value.type });
  const grow = (value: Value): Value => {
    const whole = like(value, [trials, ...value.shape]);
    stacked.set(value, whole);
    return whole;
  };
  const of = (value: Value): Value => stacked.get(value) ?? value;
  const add = (node: Node): Value => {
    nodes.push(node);
    return node.outputs[0]!;
  };
  /** For operations that broadcast: the trials stay in front of a value of fewer dimensions than the result. */
  const aligned = (value: Value, rank: number): Value => {
    const whole = of(value);
    const missing = rank - value.shape.length;
    if (whole === value || missing === 0) return whole;
    const shape = [trials, ...Array<number>(missing).fill(1), ...value.shape];
    return add({ operation: 'reshape', attributes: {}, inputs: [whole], outputs: [like(value, shape)] });
  };
  /** Of what is the same for all trials, a copy a trial. */
  const repeated = (value: Value): Value =>
    stacked.get(value) ??
    add({ operation: 'broadcast', attributes: {}, inputs: [value], outputs: [like(value, [trials, ...value.shape])] });
  /** [trials, m, batch, k] as [m, trials, batch, k]: the batch of such a product is all that lies in the middle. */
  const middles = new Map<Value, Value>();
  const middle = (value: Value): Value => {
    const [m, ...others] = value.shape as [number, number, number];
    const known = middles.get(value);
    const attributes = { permutation: [1, 0, 2, 3] };
    const moved =
      known ?? add({ operation: 'transpose', attributes, inputs: [of(value)], outputs: [like(value, [m, trials, ...others])] });
    middles.set(value, moved);
    return moved;
  };

  const later = (axes: readonly number[]): number[] => axes.map((axis) => axis + 1);
  const addStacked = (node: Node): void => {
    const rank = node.outputs[0]!.shape.length;
    const outputs = node.outputs.map(grow);
    const inputs = node.inputs.map(of);
    switch (node.operation) {
      case 'exp':
      case 'log':
      case 'neg':
      case 'abs':
      case 'sqrt':
      case 'reciprocal':
      case 'relu':
      case 'sigmoid':
      case 'tanh':
      case 'softplus':
      case 'step':
      case 'cast':
      case 'reshape':
        return void add({ ...node, inputs, outputs });
      case 'add':
      case 'sub':
      case 'mul':
      case 'div':
      case 'max':
      case 'min':
      case 'pow':
      case 'greater':
      case 'where':
      case 'broadcast':
        return void add({ ...node, inputs: node.inputs.map((value) => aligned(value, rank)), outputs });
      case 'transpose':
        return void add({ ...node, attributes: { permutation: [0, ...later(node.attributes.permutation)] }, inputs, outputs });
      case 'tile':
        return void add({ ...node, attributes: { repeats: [1, ...node.attributes.repeats] }, inputs, outputs });
      case 'slice':
        return void add({ ...node, attributes: { begin: [0, ...node.attributes.begin] }, inputs, outputs });
      case 'concat':
        return void add({ ...node, attributes: { axis: node.attributes.axis + 1 }, inputs: node.inputs.map(repeated), outputs });
      case 'softmax':
        return void add({ ...node, attributes: { axis: node.attributes.axis + 1 }, inputs, outputs });
      case 'split':
        return void add({ ...node, attributes: { ...node.attributes, axis: node.attributes.axis + 1 }, inputs, outputs });
      case 'sum':
      case 'mean':
        return void add({ ...node, attributes: { ...node.attributes, axes: later(node.attributes.axes) }, inputs, outputs });
      case 'gemm': {
        const [product] = outputs as [Value];
        const [a, b] = inputs as [Value, Value];
        const attributes = { ...node.attributes, batchMiddleA: false, batchMiddleB: false, scale: 1 };
        const bias = node.inputs[2];
        const sums = bias === undefined ? product : { ...product };
        add({ operation: 'product', attributes, inputs: [a, b], outputs: [sums] });
        if (bias) add({ operation: 'add', attributes: {}, inputs: [sums, aligned(bias, rank)], outputs: [product] });
        return;
      }
      case 'product': {
        const [a, b] = node.inputs as [Value, Value];
        const { batchMiddleA, batchMiddleB } = node.attributes;
        return void add({ ...node, inputs: [batchMiddleA ? middle(a) : of(a), batchMiddleB ? middle(b) : of(b)], outputs });
      }
      case 'layerNorm': {
        // With a scale and a shift a trial ONNX Runtime gives other bytes for two trials than for one.
        const [x, scale, shift] = node.inputs as [Value, Value, Value];
        const [output, ...statistics] = outputs as [Value, ...Value[]];
        const [normalised, scaled] = [{ ...output }, { ...output }];
        add({ ...node, inputs: [of(x), filled(1, scale.shape), filled(0, shift.shape)], outputs: [normalised, ...statistics] });
        add({ operation: 'mul', attributes: {}, inputs: [normalised, aligned(scale, rank)], outputs: [scaled] });
        add({ operation: 'add', attributes: {}, inputs: [scaled, aligned(shift, rank)], outputs: [output] });
        return;
      }
      default:
        node satisfies never;
    }
  };

  const inputs = Object.entries(graph.inputs).map(([name, value]) => [name, shared.includes(name) ? value : grow(value)]);
  for (const node of graph.nodes)
    if (node.inputs.some((value) => stacked.has(value))) addStacked(node);
    else add(node);
  const outputs = Object.entries(graph.outputs).map(([name, value]) => [name, repeated(value)]);
  return {
    inputs: Object.fromEntries(inputs) as Graph['inputs'],
    outputs: Object.fromEntries(outputs) as Graph['outputs'],
    nodes,
  };
}

/** Trials that begin alike, on the same rows in the same order. */
export interface StackedTraining {
  /** One step of all. @param batches one a trial, with the same clean rows. @returns their losses */
  step(batches: readonly Batch[], learningRates: readonly number[]): Promise<Float32Array>;
  /** All weights, one trial after the other. */
  weights(): Promise<Float32Array>;
  release(): Promise<void>;
}

export async function stackedTraining(
  threads: number,
  network: NetworkSpec,
  rows: number,
  trials: number,
  from: TrainingState,
): Promise<StackedTraining> {
  const graph = stack(forCpu(forAnyThreads(trainingGraph(network, rows))), trials, ['clean']);
  const session = await cpuDevice(threads).open(graph, ['newWeights', 'newFirstMoment', 'newSecondMoment']);
  const each = (vector: Float32Array): Float32Array => joined(Array<Float32Array>(trials).fill(vector));
  let held: Record<'weights' | 'firstMoment' | 'secondMoment', Float32Array | Held> = {
    weights: each(from.weights),
    firstMoment: each(from.firstMoment),
    secondMoment: each(from.secondMoment),
  };
  let { step } = from;
  return {
    async step(batches, learningRates) {
      step++;
      const found = await session.run({
        ...held,
        noisy: joined(batches.map(({ noisy }) => noisy)),
        clean: batches[0]!.clean,
        mask: joined(batches.map(({ mask }) => mask)),
        rates: joined(learningRates.map((learningRate) => stepRates(learningRate, step))),
      });
      held = {
        weights: found.kept('newWeights'),
        firstMoment: found.kept('newFirstMoment'),
        secondMoment: found.kept('newSecondMoment'),
      };
      return found.numbers('loss').slice();
    },
    weights: async () => (held.weights instanceof Float32Array ? held.weights : session.read(held.weights)),
    release: () => session.release(),
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((total, { length }) => total + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
