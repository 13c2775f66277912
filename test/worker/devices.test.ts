import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import {
  chosenDevices,
  deviceEnvironment,
  deviceId,
  deviceName,
  deviceOf,
  parseGpus,
  parseMemory,
  sliceMemory,
  visibleGpus,
  type Gpu,
  type Machine,
} from '../../src/worker/devices.ts';

const printed = (name: string): string => readFileSync(new URL(`nvidia-smi/${name}`, import.meta.url), 'utf8');
const two = parseGpus(printed('list-gpus.txt'));
const sliced = parseGpus(printed('list-mig.txt'));
const [first = '', second = ''] = two.map(({ uuid }) => uuid);
const names = (gpus: readonly Gpu[]): string[] => gpus.map(deviceName);

const machine = (gpus: readonly Gpu[], trouble?: string): Machine => ({ gpus, trouble, cpuSlots: 2 });
const refused = (code: string, said: RegExp) => (error: unknown) =>
  error instanceof NoisefoldError && error.code === code && said.test(error.format());

describe('the devices of a machine', () => {
  it('are its GPUs, by UUID and name', () => {
    assert.deepEqual(
      two.map(({ kind, index, name }) => [kind, index, name]),
      [
        ['gpu', 0, 'NVIDIA H100 80GB HBM3'],
        ['gpu', 1, 'NVIDIA H100 80GB HBM3'],
      ],
    );
    assert.match(first, /^GPU-[0-9a-f-]{36}$/);
  });

  it('are the slices of a GPU in MIG mode in its stead, also as older drivers list them', () => {
    assert.deepEqual(names(sliced), ['mig-c7384736', 'mig-a28ad590', 'gpu-1b2c3d4e']);
    assert.deepEqual(sliced.map(sliceMemory), [20 * 2 ** 30, 5 * 2 ** 30, 0]);
    const older = parseGpus(printed('list-mig-before-r470.txt'));
    assert.deepEqual(names(older), ['mig-5d5ba0d6-7-0', 'mig-5d5ba0d6-8-0']);
    assert.equal(older[0]?.name, 'A100-SXM4-40GB MIG 1g.5gb');
  });

  it('leave out a card that does not answer, and are none without cards or driver', () => {
    assert.deepEqual(names(parseGpus(printed('list-one-lost.txt'))), ['gpu-77aa88bb']);
    for (const file of ['list-none.txt', 'list-no-driver.txt', 'list-mismatch.txt'])
      assert.deepEqual(parseGpus(printed(file)), []);
  });

  it('have so much memory free, where nvidia-smi tells', () => {
    assert.deepEqual(parseMemory(printed('memory-gpus.csv')).get(second), { free: 9120 * 2 ** 20, total: 81559 * 2 ** 20 });
    assert.equal(parseMemory(printed('memory-unknown.csv')).size, 0);
    assert.equal(parseMemory(printed('list-no-driver.txt')).size, 0);
  });
});

describe('CUDA_VISIBLE_DEVICES', () => {
  it('is read as CUDA reads it: indices or beginnings of UUIDs, in that order, up to the first that is no device', () => {
    const seen = (value: string | undefined, gpus = two): string[] => names(visibleGpus(gpus, value));
    assert.deepEqual(seen(undefined), names(two));
    assert.deepEqual(seen('1,0'), ['gpu-0a7b9c42', 'gpu-0a6e5f31']);
    assert.deepEqual(seen('GPU-0a7'), ['gpu-0a7b9c42']);
    assert.deepEqual(seen('GPU-0a'), [], 'the beginning of two');
    assert.deepEqual(seen('1,7,0'), ['gpu-0a7b9c42']);
    for (const none of ['', '-1', 'NoDevFiles']) assert.deepEqual(seen(none), []);
    assert.deepEqual(seen('MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d', sliced), ['mig-a28ad590']);
    assert.deepEqual(seen('0', sliced), ['mig-c7384736', 'mig-a28ad590']);
  });
});

describe('--devices', () => {
  const chosen = (list: string, gpus: readonly Gpu[] = two): string[] => chosenDevices(list, machine(gpus)).map(deviceName);

  it('all is every GPU, or CPU slots where there is none', () => {
    assert.deepEqual(chosen('all'), ['gpu-0a6e5f31', 'gpu-0a7b9c42']);
    assert.deepEqual(chosen('all', []), ['cpu-1', 'cpu-2']);
  });

  it('takes CPU slots, UUIDs or their beginnings, several with commas, none twice', () => {
    assert.deepEqual(chosen('cpu:3'), ['cpu-1', 'cpu-2', 'cpu-3']);
    assert.deepEqual(chosen(`GPU-0a7, cpu:1,${second}`), ['gpu-0a7b9c42', 'cpu-1']);
  });

  it('says what is wrong and what there is', () => {
    assert.throws(() => chosen('cuda'), refused('USAGE', /"cuda" names no device\n.*all, gpu/));
    assert.throws(() => chosen('cpu:0'), refused('USAGE', /cpu:0/));
    assert.throws(
      () => chosen('GPU-0a'),
      refused('ENGINE_UNAVAILABLE', new RegExp(`more than one.*\n.*${first} \\(NVIDIA H100`)),
    );
    const trouble = printed('list-no-driver.txt').trim();
    assert.throws(() => chosenDevices('gpu', machine([], trouble)), refused('ENGINE_UNAVAILABLE', /couldn't communicate/));
    assert.throws(() => chosen('gpu', []), refused('ENGINE_UNAVAILABLE', /CUDA_VISIBLE_DEVICES/));
  });

  it('gives each process an id by which it finds its device again, and that device alone to see', () => {
    for (const device of chosenDevices('gpu,cpu:2', machine(two))) assert.deepEqual(deviceOf(deviceId(device), two), device);
    assert.equal(deviceOf('GPU-gone', two), undefined);
    assert.deepEqual(chosenDevices('gpu,cpu:1', machine(two)).map(deviceEnvironment), [
      { CUDA_VISIBLE_DEVICES: first },
      { CUDA_VISIBLE_DEVICES: second },
      { CUDA_VISIBLE_DEVICES: '' },
    ]);
  });
});
