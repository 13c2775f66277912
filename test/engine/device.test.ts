import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cudaDevice, reasonOf } from '../../src/engine/onnx/device.ts';

describe('what ONNX Runtime says of a device', () => {
  it('is told without its source files', () => {
    const cuda =
      '/onnxruntime_src/core/providers/cuda/cuda_call.cc:154 std::conditional_t<THRW, void> onnxruntime::CudaCall(ERRTYPE) [with THRW = true] CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=-1 ; hostname=x ; expr=cudaSetDevice(info_.device_id);';
    assert.equal(reasonOf(cuda), 'CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version');
    assert.equal(
      reasonOf('/src/webgpu_context.cc:12 adapter != nullptr was false. No supported adapters '),
      'No supported adapters',
    );
    assert.equal(reasonOf('Failed to load shared library'), 'Failed to load shared library');
  });

  it('comes with the one way to CUDA that the image goes as well', async () => {
    // No GPU, or no provider: where both are there, nothing is refused.
    const refusal = await cudaDevice(1).catch((thrown: unknown) => thrown);
    if (refusal instanceof Error)
      assert.match(String((refusal as { hint?: unknown }).hint), /PyPI.*noisefold-worker-gpu.*deploy\/README\.md/s);
  });
});
