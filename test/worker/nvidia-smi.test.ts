import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { silentLog } from '../../src/base/ports.ts';
import type { Device } from '../../src/worker/devices.ts';
import { listGpus, memoryGate, type MemoryGate, type NvidiaSmi } from '../../src/worker/nvidia-smi.ts';

const gpu: Device = { kind: 'gpu', index: 0, uuid: 'GPU-1', name: 'H100' };

/** A gate before a GPU of 100 MiB that has so many free, question by question, and how often it waited. */
function gateOf(free: readonly number[], device: Device = gpu): { gate: MemoryGate; waits: () => number; asked: () => number } {
  let [waits, asked] = [0, 0];
  const smi: NvidiaSmi = () => Promise.resolve({ ok: true, text: `GPU-1, ${free[asked++] ?? 0}, 100\n` });
  const wait = (): Promise<void> => {
    waits++;
    return Promise.resolve();
  };
  return { gate: memoryGate({ smi, device, wait, log: silentLog }), waits: () => waits, asked: () => asked };
}

describe('a worker on a GPU', () => {
  it('begins when half of the memory is free', async () => {
    const { gate, waits } = gateOf([10, 49, 50]);
    await gate.ready();
    assert.equal(waits(), 2);
  });

  it('reports the end of a task when its memory is back, or after a while all the same', async () => {
    const back = gateOf([100, 20, 89, 90]);
    await back.gate.ready();
    await back.gate.released();
    assert.equal(back.waits(), 2);
    const never = gateOf([100]);
    await never.gate.ready();
    await never.gate.released();
    assert.ok(never.waits() > 0);
  });

  it('waits for nothing where nobody tells what is free', async () => {
    const cpu = gateOf([0], { kind: 'cpu', slot: 1 });
    await cpu.gate.ready();
    await cpu.gate.released();
    assert.equal(cpu.asked(), 0);
    const unknown = memoryGate({
      smi: () => Promise.resolve({ ok: false, text: '' }),
      device: gpu,
      wait: () => assert.fail(),
      log: silentLog,
    });
    await unknown.ready();
    await unknown.released();
  });

  it('lists GPUs, and says why there is none', async () => {
    const printed = (name: string): NvidiaSmi => {
      const text = readFileSync(new URL(`nvidia-smi/${name}`, import.meta.url), 'utf8');
      return () => Promise.resolve({ ok: false, text });
    };
    assert.equal((await listGpus(printed('list-one-lost.txt'))).gpus.length, 1);
    assert.match((await listGpus(printed('list-mismatch.txt'))).trouble ?? '', /version mismatch/);
    assert.deepEqual(await listGpus(() => Promise.resolve({ ok: false, text: '' })), { gpus: [], trouble: undefined });
  });
});
