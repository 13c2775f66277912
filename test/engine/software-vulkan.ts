/** A Vulkan that computes on the CPU, for tests of WebGPU: the SwiftShader of a Chromium. (Mesa's lavapipe, at 22.3, lacks what ONNX Runtime's WebGPU asks for.) */
import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The environment in which a process finds it, or why there is none. It must be set before the process starts. */
export function softwareVulkan(): { readonly env: Readonly<Record<string, string>> } | { readonly absent: string } {
  const loaders = [
    '/usr/lib/x86_64-linux-gnu',
    '/usr/lib/aarch64-linux-gnu',
    '/usr/lib64',
    '/usr/lib/chromium',
    '/usr/lib/chromium-browser',
  ];
  const loader = loaders.find((folder) => existsSync(join(folder, 'libvulkan.so.1')));
  const driver = drivers.find((file) => existsSync(file));
  if (process.platform !== 'linux' || loader === undefined || driver === undefined)
    return { absent: 'no software Vulkan here (Debian: apt install libvulkan1 chromium)' };
  return { env: { VK_ICD_FILENAMES: driver, VK_DRIVER_FILES: driver, LD_LIBRARY_PATH: loader } };
}

const drivers = ['/usr/lib/chromium/vk_swiftshader_icd.json', '/usr/lib/chromium-browser/vk_swiftshader_icd.json'];
