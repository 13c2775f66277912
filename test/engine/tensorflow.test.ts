import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { loadLibrary, tensorflowEnvironment } from '../../src/engine/tensorflow/library.ts';
import { lower } from '../../src/engine/tensorflow/lower.ts';
import type { Node, Value } from '../../src/engine/trace/graph.ts';
import { trainingGraph } from '../../src/engine/trace/programs.ts';
import { cases } from '../contract/engine.ts';

const step = (batchSize: number): Uint8Array =>
  lower({ variables: {}, functions: { step: { graph: trainingGraph(cases[0]!.network, batchSize) } } });

describe('a program for TensorFlow', () => {
  it('is written the same way each time', () => {
    assert.deepEqual(step(4), step(4));
  });

  it('holds no constant the size of a batch', () => {
    assert.ok(step(4096).length - step(16).length < 2000);
  });

  it('is refused, by name, where TensorFlow has no such operation', () => {
    const [x, y]: [Value, Value] = [
      { shape: [2, 3], type: 'float32' },
      { shape: [2, 3], type: 'float32' },
    ];
    const node: Node = { operation: 'softmax', attributes: { axis: 0 }, inputs: [x], outputs: [y] };
    assert.throws(
      () => lower({ variables: {}, functions: { f: { graph: { inputs: { x }, outputs: { y }, nodes: [node] } } } }),
      (error: NoisefoldError) => error.code === 'ENGINE_UNSUPPORTED_KERNEL' && error.message.includes('softmax'),
    );
  });
});

describe("TensorFlow's library", () => {
  const folder = mkdtempSync(join(tmpdir(), 'noisefold-test-'));
  after(() => rmSync(folder, { recursive: true }));
  const refused = (text: RegExp) => (error: NoisefoldError) =>
    error.code === 'ENGINE_UNAVAILABLE' &&
    text.test(error.message) &&
    /node deploy\/tensorflow\/install\.mjs/.test(error.hint ?? '');

  it('is said to be missing, with the one command that adds it', () => {
    assert.throws(() => loadLibrary(1, [folder]), refused(/neither .*tfjs-node-gpu nor .*tfjs-node is installed/));
  });

  it('says why it does not load where it is installed', () => {
    const fake = join(folder, 'node_modules/@tensorflow/tfjs-node');
    mkdirSync(fake, { recursive: true });
    writeFileSync(join(fake, 'index.js'), "throw new Error('The addon module tfjs_binding.node can not be found\\nmore');");
    assert.throws(
      () => loadLibrary(1, [folder]),
      refused(/^@tensorflow\/tfjs-node does not load: The addon .* can not be found$/),
    );
  });

  it('is told its threads before it is loaded', () => {
    assert.equal(tensorflowEnvironment(3)['TF_NUM_INTRAOP_THREADS'], '3');
  });
});
