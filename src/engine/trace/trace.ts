/**
 * Records a tfjs program as a graph. tfjs dispatches every operation to the kernels of its current backend; this one computes nothing: its
 * kernels write down what they were asked for. Gradients come from tfjs itself, so they are recorded as any other operation.
 *
 * tfjs has one current backend a process. It is switched for the duration of a trace only, and a trace is synchronous, so no other code
 * can run in between.
 */
import * as tf from '@tensorflow/tfjs';
import { NoisefoldError } from '../../base/errors.ts';
import { sizeOf, type ElementType, type Graph, type Node, type Operation, type Value } from './graph.ts';
import { kernels, unsupported, type Kernel, type KernelCall } from './kernels.ts';
import { optimise } from './passes.ts';

const backendName = 'noisefold-trace';

/** The nodes of the trace under way. */
let recording: Node[] | undefined;
let registered = false;

/**
 * Records a program.
 * @param inputs shapes of the float32 operands, by name
 * @param program synchronous; gets one tensor an input and returns the results by name. It must not read a tensor's values.
 * @returns the optimised graph
 * Throws ENGINE_UNSUPPORTED_KERNEL when the program uses a kernel that has no operation here.
 */
export function trace<Inputs extends string, Outputs extends string>(
  inputs: Readonly<Record<Inputs, readonly number[]>>,
  program: (tensors: Record<Inputs, tf.Tensor>) => Readonly<Record<Outputs, tf.Tensor>>,
): Graph {
  if (recording !== undefined) throw new NoisefoldError('INTERNAL', 'a trace was started inside another one');
  const previous = prepare();
  const nodes: Node[] = [];
  recording = nodes;
  void tf.setBackend(backendName);
  try {
    const values: Record<string, Value> = {};
    const outputs: Record<string, Value> = {};
    tf.tidy(() => {
      const operands = {} as Record<Inputs, tf.Tensor>;
      for (const [name, shape] of Object.entries(inputs) as [Inputs, readonly number[]][]) {
        const value: Value = { shape, type: 'float32' };
        values[name] = value;
        operands[name] = tf.engine().makeTensorFromTensorInfo(backend.infoOf(value));
      }
      const results: unknown = program(operands);
      if (results instanceof Promise) throw new NoisefoldError('INTERNAL', 'a traced program must be synchronous');
      for (const [name, tensor] of Object.entries(results as Record<string, tf.Tensor>))
        outputs[name] = backend.valueBehind(tensor.dataId);
    });
    return optimise({ inputs: values, outputs, nodes });
  } finally {
    recording = undefined;
    void tf.setBackend(previous);
  }
}

interface Stored {
  readonly value: Value;
  references: number;
}

class TracingBackend extends tf.KernelBackend {
  private readonly stored = new tf.DataStorage<Stored>(this, tf.engine());

  /** A tensor that stands for a value. */
  infoOf(value: Value): tf.TensorInfo {
    const dataId = {};
    this.stored.set(dataId, { value, references: 1 });
    return { dataId, shape: [...value.shape], dtype: value.type };
  }

  valueBehind(dataId: tf.DataId): Value {
    return this.stored.get(dataId).value;
  }

  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    return this.infoOf(constantOf(values, shape, dtype)).dataId;
  }

  /** A tensor of another backend enters the trace: its values are constants. */
  override move(dataId: tf.DataId, values: tf.BackendValues, shape: number[], dtype: tf.DataType, references: number): void {
    this.stored.set(dataId, { value: constantOf(values, shape, dtype), references });
  }

  override readSync(dataId: tf.DataId): tf.BackendValues {
    const { constant, shape } = this.valueBehind(dataId);
    if (constant === undefined)
      throw new NoisefoldError(
        'INTERNAL',
        'a traced program read the values of a tensor: its operations must not depend on data',
      );
    return constant.length === 1
      ? new (constant.constructor as Float32ArrayConstructor)(sizeOf(shape)).fill(constant[0] ?? 0)
      : constant;
  }

  override read(dataId: tf.DataId): Promise<tf.BackendValues> {
    return Promise.resolve(this.readSync(dataId));
  }

  override disposeData(dataId: tf.DataId, force?: boolean): boolean {
    if (!this.stored.has(dataId)) return true;
    const stored = this.stored.get(dataId);
    stored.references--;
    if (stored.references > 0 && force !== true) return false;
    this.stored.delete(dataId);
    return true;
  }

  override refCount(dataId: tf.DataId): number {
    return this.stored.has(dataId) ? this.stored.get(dataId).references : 0;
  }

  override incRef(dataId: tf.DataId): void {
    this.stored.get(dataId).references++;
  }

  override numDataIds(): number {
    return this.stored.numDataIds();
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override timerAvailable(): boolean {
    return false;
  }

  override dispose(): void {
    // Nothing outlives its tensors.
  }
}

function constantOf(values: tf.BackendValues, shape: readonly number[], dtype: tf.DataType): Value {
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'bool') throw unsupported(`for ${dtype} constants`);
  const Elements = { float32: Float32Array, int32: Int32Array, bool: Uint8Array }[dtype];
  const constant = Elements.from(values as Float32Array);
  const uniform = constant.length > 0 && constant.every((element) => element === constant[0]);
  return { shape: [...shape], type: dtype, constant: uniform ? constant.slice(0, 1) : constant };
}

const backend = new TracingBackend();

/** Registers the backend and its kernels once; every kernel of the cpu backend that has no entry is registered to say so. Returns the current backend. */
function prepare(): string {
  // Keeps tfjs from advising other backends on the console.
  tf.enableProdMode();
  if (!registered) {
    registered = true;
    tf.registerBackend(backendName, () => backend, 0);
    for (const [kernelName, kernel] of Object.entries(kernels)) register(kernelName, kernel);
    for (const { kernelName } of tf.getKernelsForBackend('cpu'))
      if (kernels[kernelName] === undefined)
        register(kernelName, () => {
          throw unsupported(kernelName);
        });
  }
  const current = tf.getBackend() as string | undefined;
  return current ?? 'cpu';
}

function register(kernelName: string, kernel: Kernel): void {
  tf.registerKernel({
    kernelName,
    backendName,
    kernelFunc: ({ inputs, attrs }) => {
      const operands = Object.entries(inputs).map(([name, info]) => {
        const tensor = info as tf.TensorInfo | null | undefined;
        return [name, tensor == null ? undefined : backend.valueBehind(tensor.dataId)] as const;
      });
      const result = kernel({ inputs: Object.fromEntries(operands), attributes: attrs ?? {}, emit, emitMany });
      return Array.isArray(result) ? result.map((value) => backend.infoOf(value)) : backend.infoOf(result);
    },
  });
}

const emitMany: KernelCall['emitMany'] = (operation, inputs, shapes, attributes) => {
  const outputs = shapes.map((shape): Value => ({ shape, type: inputs[0]?.type ?? 'float32' }));
  record({ operation, attributes, inputs, outputs });
  return outputs;
};

const emit: KernelCall['emit'] = (operation, inputs, shape, attributes, type: ElementType = 'float32') => {
  const output: Value = { shape, type };
  record({ operation, attributes, inputs, outputs: [output] });
  return output;
};

function record(node: { operation: Operation; attributes: object; inputs: readonly Value[]; outputs: readonly Value[] }): void {
  if (recording === undefined) throw new NoisefoldError('INTERNAL', 'a traced tensor was used after its trace had ended');
  recording.push(node as Node);
}
