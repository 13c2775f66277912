/**
 * Everything in k8s/ as kustomize renders it: valid, restricted, wired up, and in step with the code. rendered/ has the renderings: three overlays, and three
 * sets of components that no overlay has (kustomize/). After a change: `UPDATE_RENDERED=1 node --import tsx --test test/deploy/kubernetes.test.ts`, with kubectl or kustomize installed.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { faults, type Rendering, type RuleName } from './faults.ts';
import { get, isMap, listAt, nameOf, parseManifests, podsOf, read, scalar, textAt, type Manifest } from './manifest.ts';
import { podRules, type Rule } from './pod-rules.ts';
import { productRules } from './product-rules.ts';
import { schemaProblems } from './schema.ts';
import { wiringRules } from './wiring-rules.ts';

const folders: Readonly<Record<Rendering, string>> = {
  local: 'k8s/overlays/local',
  gpu: 'k8s/overlays/gpu',
  spot: 'k8s/overlays/spot',
  pool: 'test/deploy/kustomize/pool',
  dra: 'test/deploy/kustomize/dra',
  vulkan: 'test/deploy/kustomize/vulkan',
  s3: 'test/deploy/kustomize/s3',
};
const renderings = Object.keys(folders) as Rendering[];
const root = fileURLToPath(new URL('../../', import.meta.url));

/** What `kubectl kustomize` or `kustomize build` makes of a folder; undefined where neither is installed. */
function rendered(folder: string): string | undefined {
  for (const command of [
    ['kubectl', 'kustomize'],
    ['kustomize', 'build'],
  ] as const) {
    const { status, stdout, stderr, error } = spawnSync(command[0], [command[1], folder], { cwd: root, encoding: 'utf8' });
    if (error !== undefined) continue;
    assert.equal(status, 0, stderr);
    return stdout;
  }
  return undefined;
}

const canRender = ['kubectl', 'kustomize'].some((command) => spawnSync(command, ['version', '--client']).error === undefined);
const skip = canRender
  ? false
  : 'neither kubectl nor kustomize is installed: the committed renderings are tested, not whether they are fresh';
if (process.env['UPDATE_RENDERED'] === '1')
  for (const name of renderings) writeFileSync(`${root}test/deploy/rendered/${name}.yaml`, rendered(folders[name]) ?? '');

const manifests = Object.fromEntries(
  renderings.map((name) => [name, parseManifests(read(`test/deploy/rendered/${name}.yaml`))]),
) as Record<Rendering, Manifest[]>;
const rules: Readonly<Record<RuleName, Rule>> = {
  schema: (all) => all.flatMap(schemaProblems),
  ...podRules,
  ...wiringRules,
  ...productRules,
};

describe('the renderings of k8s/', () => {
  for (const name of renderings)
    it(`${name} is ${folders[name]} as kustomize renders it`, { skip }, () => {
      assert.deepEqual(
        parseManifests(rendered(folders[name]) ?? ''),
        manifests[name],
        'run this test with UPDATE_RENDERED=1, and look at what changed',
      );
    });

  it('use every component', () => {
    const used = Object.values(folders).flatMap((folder) =>
      [...read(`${folder}/kustomization.yaml`).matchAll(/components\/([\w-]+)/g)].map((match) => match[1]),
    );
    const nested = [...read('k8s/components/keda/kustomization.yaml').matchAll(/\.\.\/([\w-]+)/g)].map((match) => match[1]);
    assert.deepEqual([...new Set([...used, ...nested])].sort(), readdirSync(`${root}k8s/components`).sort());
    assert.deepEqual(
      readdirSync(`${root}k8s/overlays`).sort(),
      renderings.filter((name) => folders[name].startsWith('k8s')).sort(),
    );
  });

  it('start a pool from the pod of the Job: what differs is when it ends', () => {
    const pod = (name: Rendering, kind: string) =>
      get(
        manifests[name].find((one) => one['kind'] === kind),
        'spec.template.spec',
      );
    const [ofJob, ofPool] = [pod('gpu', 'Job'), pod('vulkan', 'Deployment')];
    assert.ok(isMap(ofJob) && isMap(ofPool));
    const but = (spec: Manifest) => ({
      ...spec,
      restartPolicy: '',
      containers: listAt(spec, 'containers').map((one) => ({ ...(one as Manifest), args: [], env: [] })),
    });
    assert.deepEqual(but(ofPool), but(ofJob));
    const args = (spec: Manifest) => listAt(spec, 'containers.0.args').filter((arg) => !scalar(arg).startsWith('--device='));
    assert.deepEqual(
      args(ofPool),
      args(ofJob).filter((arg) => arg !== '--idle-exit=900'),
    );
  });

  it('change the pods of the coordinator only where it is to be small or on other nodes', () => {
    const spec = (name: Rendering) => podsOf(manifests[name]).find(({ owner }) => owner.startsWith('StatefulSet'))?.spec;
    for (const name of ['vulkan', 'dra'] as const) assert.deepEqual(spec(name), spec('gpu'));
    assert.deepEqual(spec('pool'), spec('spot'));
  });
});

describe('every rendering', () => {
  for (const [rule, problems] of Object.entries(rules))
    it(`holds: ${rule}`, () => {
      assert.deepEqual(
        Object.fromEntries(renderings.map((name) => [name, problems(manifests[name])])),
        Object.fromEntries(renderings.map((name) => [name, []])),
      );
    });
});

describe('a fault is found', () => {
  for (const [rule, fault, name, change] of faults)
    it(`${rule}: ${fault}`, () => {
      const problems = rules[rule](change(manifests[name]));
      assert.notDeepEqual(problems, []);
    });

  it('of every rule there is at least one', () => {
    assert.deepEqual(
      Object.keys(rules).filter((rule) => !faults.some(([found]) => found === rule)),
      [],
    );
  });
});

describe('k8s/README.md', () => {
  const page = read('k8s/README.md');

  it('makes the Secret that the pods mount, of all files that they need', () => {
    const pods = manifests.gpu.flatMap((manifest) => listAt(manifest, 'spec.template.spec.volumes'));
    const secrets = pods.map((volume) => get(volume, 'secret')).filter((secret) => secret !== undefined);
    const files = [...new Set(secrets.flatMap((secret) => listAt(secret, 'items').map((item) => textAt(item, 'key'))))].sort();
    const command = /kubectl -n (\S+) create secret generic (\S+) (.*)/.exec(page.replaceAll('\\\n', ' '));
    assert.ok(command !== null);
    const [, namespace, name, options = ''] = command;
    assert.deepEqual([namespace, name], ['noisefold', textAt(secrets[0], 'secretName')]);
    assert.deepEqual([...options.matchAll(/--from-file=keys\/(\S+)/g)].map((match) => match[1]).sort(), files);
  });

  it('shows an overlay of one’s own that renders, with as many workers as it says', { skip }, () => {
    const [, overlay] = /```yaml\n([^]*?)```/.exec(page) ?? [];
    assert.ok(overlay !== undefined);
    const folder = mkdtempSync(join(tmpdir(), 'noisefold-overlay-'));
    try {
      cpSync(join(root, 'k8s'), join(folder, 'k8s'), { recursive: true });
      mkdirSync(join(folder, 'own'));
      writeFileSync(join(folder, 'own/kustomization.yaml'), overlay);
      const own = parseManifests(rendered(join(folder, 'own')) ?? '');
      const job = own.find((one) => nameOf(one) === 'Job/worker');
      assert.deepEqual([get(job, 'spec.parallelism'), get(job, 'spec.completions')], [16, 16]);
      assert.equal(get(job, 'spec.template.spec.containers.0.image'), 'registry.example/noisefold-worker-gpu:0.1.0');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('speaks of objects, overlays and components that there are', () => {
    const names = new Set(renderings.flatMap((name) => manifests[name].map(nameOf)).map((name) => name.toLowerCase()));
    const said = [...page.matchAll(/\b(service|job|statefulset|deployment)\/([\w-]+)/g)].map(([name]) => name);
    assert.ok(said.length > 1);
    assert.deepEqual(
      said.filter((name) => !names.has(name)),
      [],
    );
    const listed = [...page.matchAll(/^\| `([\w-]+)` \|/gm)].map((match) => match[1]).sort();
    assert.deepEqual(listed, [...readdirSync(`${root}k8s/components`), ...readdirSync(`${root}k8s/overlays`)].sort());
  });
});
