/** The onnx engine on devices other than the CPU: on WebGPU where a Vulkan driver that needs no GPU is installed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { NoisefoldError } from '../../src/base/errors.ts';
import { loadEngine } from '../../src/engine/registry.ts';
import { softwareVulkan } from './software-vulkan.ts';

const vulkan = softwareVulkan();
const suite = fileURLToPath(new URL('webgpu-suite.ts', import.meta.url));

describe('the onnx engine on another device', () => {
  it('trains and gives features on WebGPU', { skip: 'absent' in vulkan && vulkan.absent }, () => {
    assert.ok('env' in vulkan);
    // The loader looks for its drivers when a process starts. Without NODE_TEST_CONTEXT the child is a runner of its own, with an exit status.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => name !== 'NODE_TEST_CONTEXT'));
    const args = ['--import', import.meta.resolve('tsx'), '--test', suite];
    const { status, stdout } = spawnSync(process.execPath, args, { env: { ...env, ...vulkan.env }, encoding: 'utf8' });
    const failed = stdout.split('\n').filter((line) => /^\s*(not ok|error:)/.test(line));
    assert.equal(status, 0, failed.join('\n'));
    assert.ok(Number(/^# pass (\d+)$/m.exec(stdout)?.[1]) >= 4, stdout);
  });

  it('says what is missing where there is no such device', async () => {
    await assert.rejects(
      loadEngine('onnx', { threads: 1, device: 'cuda' }),
      (error: NoisefoldError) => error.code === 'ENGINE_UNAVAILABLE' && /deploy\/README\.md/.test(error.hint ?? ''),
    );
  });

  it('is never replaced by another engine when it was asked for by name', async () => {
    await assert.rejects(loadEngine('auto', { threads: 1, device: 'cuda' }), { code: 'ENGINE_UNAVAILABLE' });
  });

  it('is the CPU for auto where no NVIDIA GPU is', { skip: process.platform === 'linux' ? false : 'asks Linux' }, async () => {
    const { capabilities } = await loadEngine('onnx', { threads: 1, device: 'auto' });
    assert.equal(capabilities.device, 'cpu');
  });
});
