import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { type Diagnosis, parseGpus, render } from '../../src/cli/doctor.ts';
import { run, temporaryFolder } from './harness.ts';

const folder = temporaryFolder();

describe('noisefold doctor', () => {
  it('tests every engine that is there, and tells what adds the others', async () => {
    const { stdout } = await run(0, folder, 'doctor', '--json');
    const { engines, auto, cpu } = JSON.parse(stdout()) as Diagnosis;
    assert.ok(cpu.cores >= 1 && cpu.memoryBytes > 2 ** 20);
    assert.ok(auto !== undefined);
    assert.equal(auto.engine, 'onnx');
    const state = (engine: string, device: string): string | undefined =>
      engines.find((finding) => finding.engine === engine && finding.device === device)?.state;
    // What npm installs.
    for (const engine of ['onnx', 'wasm', 'cpu']) assert.equal(state(engine, 'cpu'), 'works', engine);
    for (const finding of engines) {
      if (finding.state === 'missing') assert.ok(finding.reason !== '' && finding.hint !== undefined, finding.engine);
      else assert.equal(finding.state, 'works', finding.engine);
    }
    assert.deepEqual(
      [...new Set(engines.map(({ engine }) => engine))],
      ['onnx', 'tensorflow', 'tensorflow-eager', 'wasm', 'cpu'],
    );
  });

  it('shows an engine that computes something else as broken', () => {
    const text = stripVTControlCharacters(
      render({
        noisefold: '1.2.3',
        node: '22.1.0',
        platform: 'linux x64',
        cpu: { model: 'Some CPU', cores: 8, memoryBytes: 16 * 2 ** 30 },
        gpus: parseGpus('NVIDIA H100 80GB HBM3, 81559 MiB, 570.86.15\n'),
        auto: { engine: 'onnx', device: 'cuda' },
        engines: [
          { engine: 'onnx', device: 'cuda', state: 'works', version: 'onnxruntime-node 1', ms: 12.3, bitExact: false },
          { engine: 'tensorflow', device: 'auto', state: 'missing', reason: 'not installed', hint: 'install it' },
          { engine: 'cpu', device: 'cpu', state: 'broken', reason: 'the loss of step 0 is 3, not 2' },
        ],
      }),
    );
    assert.match(
      text,
      /^noisefold 1\.2\.3, Node 22\.1\.0, linux x64\nCPU  Some CPU, 8 cores, 16 GiB\nGPU  NVIDIA H100 80GB HBM3, 81559 MiB, driver 570\.86\.15\n/,
    );
    assert.match(text, /^onnx +cuda +works +self-test 12 ms, onnxruntime-node 1, bytes not promised$/m);
    assert.match(text, /^tensorflow +missing +not installed\n +install it$/m);
    assert.match(text, /^cpu +cpu +broken +the loss of step 0 is 3, not 2$/m);
    assert.match(text, /^engine auto, device auto: onnx on cuda$/m);
  });

  it('reads what nvidia-smi prints', () => {
    assert.deepEqual(parseGpus(''), []);
    assert.deepEqual(parseGpus('A, 1 MiB, 5\nB, 2 MiB, 5\n'), [
      { name: 'A', memory: '1 MiB', driver: '5' },
      { name: 'B', memory: '2 MiB', driver: '5' },
    ]);
  });
});
