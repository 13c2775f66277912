/**
 * Recorded graphs as a TensorFlow SavedModel. A program has variables, which stay on the device between calls, and functions, each a recorded
 * graph, which read and assign them; all functions of a model share its variables. `set` and `get` move the variables' values in and out.
 *
 * Constants and names are shared by all functions; operations are not: a function that is called runs its own nodes only.
 */
import type { Graph, Value } from '../trace/graph.ts';
import { lowerNode, type Output } from './operations.ts';
import { buildSavedModel, type Endpoint, type Signature, type TensorflowNode } from './protobuf.ts';

export interface ProgramFunction {
  /** An input that is named as a variable is that variable's value; the others are operands. */
  readonly graph: Graph;
  /** Variables to be assigned, by the name of the result that becomes their value. Such results are not given back. */
  readonly assigns?: Readonly<Record<string, string>>;
}

export interface Program {
  /** Shapes of float32 variables, by name. */
  readonly variables: Readonly<Record<string, readonly number[]>>;
  /** By the name under which they are called; `set` and `get` are taken. */
  readonly functions: Readonly<Record<string, ProgramFunction>>;
}

const float = { type: 'float32' } as const;

/** Bytes of saved_model.pb. Throws ENGINE_UNSUPPORTED_KERNEL for an operation that TensorFlow does not know in this form. */
export function lower({ variables, functions }: Program): Uint8Array {
  const nodes: TensorflowNode[] = [];
  const signatures: Record<string, Signature> = {};
  const constants = new Map<string, Output>();

  const add = (
    name: string,
    op: string,
    inputs: readonly string[] = [],
    attributes: TensorflowNode['attributes'] = {},
  ): string => {
    nodes.push({ name, op, inputs, attributes });
    return name;
  };
  const operand = (name: string, shape: readonly number[]): string =>
    add(name, 'Placeholder', [], { dtype: float, shape: { shape } });
  const constant = ({ type, shape, constant: data }: Value): Output => {
    if (data === undefined) throw new RangeError('a value was used before it was computed');
    const key = `${type}[${shape.join()}]${data.join()}`;
    const known = constants.get(key);
    if (known !== undefined) return known;
    const name = add(`constant/${constants.size}`, 'Const', [], { dtype: { type }, value: { constant: { type, shape, data } } });
    constants.set(key, name);
    return name;
  };
  const integers = (values: readonly number[] | number): Output =>
    typeof values === 'number'
      ? constant({ type: 'int32', shape: [], constant: Int32Array.of(values) })
      : constant({ type: 'int32', shape: [values.length], constant: Int32Array.from(values) });

  for (const [name, shape] of Object.entries(variables)) {
    add(variable(name), 'VarHandleOp', [], {
      dtype: float,
      shape: { shape },
      shared_name: { text: variable(name) },
      container: { text: '' },
    });
    add(`${variable(name)}/value`, 'ReadVariableOp', [variable(name)], { dtype: float });
  }
  const assign = (scope: string, name: string, value: Output): string =>
    `^${add(`${scope}/assign/${name}`, 'AssignVariableOp', [variable(name), value], { dtype: float })}`;

  for (const [scope, { graph, assigns = {} }] of Object.entries(functions)) {
    const outputs = new Map<Value, Output>();
    const inputs: Record<string, Endpoint> = {};
    for (const [name, value] of Object.entries(graph.inputs)) {
      const isVariable = Object.hasOwn(variables, name);
      const output = isVariable ? `${variable(name)}/value` : operand(`${scope}/operand/${name}`, value.shape);
      outputs.set(value, output);
      if (!isVariable) inputs[name] = { output: `${output}:0`, shape: value.shape };
    }
    const outputOf = (value: Value): Output => outputs.get(value) ?? constant(value);
    let count = 0;
    for (const node of graph.nodes) {
      const made = lowerNode(node, node.inputs.map(outputOf), {
        add: (op, inputs, attributes) => add(`${scope}/${op}/${count++}`, op, inputs, attributes),
        constant,
        integers,
      });
      node.outputs.forEach((value, i) => {
        const output = made[i];
        if (output !== undefined) outputs.set(value, output);
      });
    }
    const results = Object.entries(graph.outputs);
    const assigned = results.flatMap(([name, value]) => {
      const target = assigns[name];
      return target === undefined ? [] : [assign(scope, target, outputOf(value))];
    });
    const given = results.filter(([name]) => assigns[name] === undefined);
    signatures[scope] = {
      inputs,
      // Whoever asks for a result has the assignments done as well.
      outputs: Object.fromEntries(
        given.map(([name, value]) => {
          const output = add(`${scope}/result/${name}`, 'Identity', [outputOf(value), ...assigned], { T: { type: value.type } });
          return [name, { output: `${output}:0`, shape: value.shape }];
        }),
      ),
    };
  }

  const all = Object.entries(variables);
  const setting = all.map(([name, shape]) => assign('set', name, operand(`set/operand/${name}`, shape)));
  const done = add(
    'set/result/done',
    'Identity',
    [constant({ type: 'float32', shape: [], constant: Float32Array.of(1) }), ...setting],
    {
      T: float,
    },
  );
  signatures['set'] = {
    inputs: Object.fromEntries(all.map(([name, shape]) => [name, { output: `set/operand/${name}:0`, shape }])),
    outputs: { done: { output: `${done}:0`, shape: [] } },
  };
  signatures['get'] = {
    inputs: {},
    outputs: Object.fromEntries(
      all.map(([name, shape]) => [
        name,
        { output: `${add(`get/result/${name}`, 'Identity', [`${variable(name)}/value`], { T: float })}:0`, shape },
      ]),
    ),
  };
  return buildSavedModel(nodes, signatures);
}

const variable = (name: string): string => `variable/${name}`;
