/** The process of a task as it is installed: a bundle, which no other test starts. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { relative } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { fileArtifacts } from '../../src/artifacts/files.ts';
import type { EngineName } from '../../src/config/types.ts';
import { encodePrepared } from '../../src/dataset/serialise.ts';
import { processLauncher } from '../../src/worker/task-launcher.ts';
import type { TaskEnd } from '../../src/worker/session-types.ts';
import type { TaskSpec } from '../../src/train/types.ts';
import { tinyConfig, tinyData } from '../train/fixtures.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

describe('the bundled process of a task', () => {
  let folder = '';
  const launcher = (engine: EngineName, script?: URL) =>
    processLauncher({ engine, device: 'auto', threads: 1, ...(script && { script }) });
  const bundle = (): URL => pathToFileURL(`${folder}/task-process.js`);

  before(() => {
    // Inside the package, or it would not find its node_modules.
    mkdirSync(`${root}.cache`, { recursive: true });
    folder = mkdtempSync(`${root}.cache/task-bundle-`);
    execFileSync(process.execPath, ['.config/bundle.mjs', relative(root, folder)], { cwd: root });
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const engine of ['onnx', 'wasm', 'cpu'] as const)
    it(`computes on the engine ${engine}`, async () => {
      assert.equal(await new Promise((resolve) => launcher(engine, bundle()).probe(resolve)), undefined);
    });

  it('gives the bytes of the one that is not bundled', async () => {
    const artifacts = fileArtifacts(`${folder}/artifacts`);
    const data = await artifacts.put(encodePrepared(tinyData()));
    const spec: TaskSpec = {
      task: { id: 'trial-0001/all/0-28', trial: 'trial-0001', fold: 'all', rung: 0, fromStep: 0, toStep: 28 },
      kind: 'trained',
      config: tinyConfig,
      seed: 5,
      ridge: { alphas: [0.1, 10], folds: { count: 3, kind: 'plain' }, learningCurve: { labels: [], draws: 1 } },
      data,
      resumeFrom: undefined,
    };
    const run = async (script?: URL) => {
      const end = await new Promise<TaskEnd>((onEnd) =>
        launcher('onnx', script).run(spec, `${folder}/artifacts`, { onProgress: () => {}, onCheckpoint: () => {}, onEnd }),
      );
      assert(typeof end === 'object' && 'result' in end, JSON.stringify(end));
      return { ...end.result, seconds: 0 };
    };
    assert.deepEqual(await run(bundle()), await run());
  });
});
