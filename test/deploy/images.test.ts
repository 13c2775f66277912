/** What of deploy/docker can be told without an engine. Images are built in docker.test.ts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { read } from './manifest.ts';

const { packages } = JSON.parse(read('package-lock.json')) as {
  readonly packages: Readonly<Record<string, { readonly version: string }>>;
};

describe('deploy/docker/onnxruntime-cuda.txt', () => {
  const requirements = read('deploy/docker/onnxruntime-cuda.txt')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

  it('has the provider of the very onnxruntime-node that is installed: between them there is no stable interface', () => {
    const provider = requirements.find((line) => line.startsWith('onnxruntime-gpu=='));
    assert.equal(/==(\S+)/.exec(provider ?? '')?.[1], packages['node_modules/onnxruntime-node']?.version);
  });

  it('pins everything by version and hash', () => {
    for (const line of requirements) assert.match(line, /^[\w-]+==[\d.]+ --hash=sha256:[0-9a-f]{64}$/);
  });
});

describe('deploy/README.md', () => {
  it('adds the provider to an installation as the GPU image does', () => {
    const [image, readme] = [read('deploy/docker/Dockerfile'), read('deploy/README.md')];
    const command = (text: string): readonly string[] =>
      (/pip install (?<options>.*?) --target \S+ -r deploy\/docker\/onnxruntime-cuda\.txt/s.exec(text)?.groups?.['options'] ?? '')
        .split(/[\s\\]+/)
        .filter((word) => word !== '--no-cache-dir');
    assert.ok(command(image).includes('--require-hashes'));
    assert.deepEqual(command(readme), command(image));
    const moved = /onnxruntime\/capi\/libonnxruntime_providers_\w+\.so/g;
    assert.deepEqual(new Set(readme.match(moved)), new Set(image.match(moved)));
    for (const text of [image, readme]) assert.match(text, /node_modules\/onnxruntime-node\/bin\/napi-v6\/linux\/x64\/?$/m);
  });
});
