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
