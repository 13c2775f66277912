/**
 * What the pods of k8s/overlays/local run, with their options and environment as they are, beside each other on this machine: folders and ports are mapped, as a kubelet
 * does. Keys, the Secret and the client are by the commands of k8s/README.md.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { commandsOf, commandWith } from '../deploy/commands.ts';
import { type Json, get, listAt, parseManifests, podsOf, read, scalar, textAt } from '../deploy/manifest.ts';
import { run, smallSweep, start, startIn, studyAt, temporaryFolder, writeDiamonds } from './harness.ts';

const folder = temporaryFolder();
const pods = podsOf(parseManifests(read('test/deploy/rendered/local.yaml')));
const containerOf = (owner: string): Json => pods.find((pod) => pod.owner === owner)?.containers[0] ?? null;

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

/** The options of `npx noisefold ...` as k8s/README.md has it, for the test's study. */
const written = (words: string): string[] =>
  commandWith(commandsOf('k8s/README.md', '## Five commands'), `npx noisefold ${words}`)
    .replace('examples/diamonds/sweep.yaml', 'sweep.yaml')
    .replace('diamonds', 'small')
    .split(' ')
    .slice(2);

/** What the Secret of k8s/README.md has, by file; by kubectl where it is installed, which needs no cluster for that. */
function secretOf(keys: string): (name: string) => Buffer {
  const create = commandWith(commandsOf('k8s/README.md', '## Five commands'), 'create secret');
  const made = spawnSync('sh', ['-c', `command -v kubectl >/dev/null || exit 127; ${create} --dry-run=client --output=json`], {
    cwd: join(keys, '..'),
    encoding: 'utf8',
    env: { ...process.env, KUBECONFIG: '/dev/null' },
  });
  if (made.status === 127) return (name) => readFileSync(join(keys, name));
  assert.equal(made.status, 0, made.stderr);
  const { data } = JSON.parse(made.stdout) as { readonly data: Readonly<Record<string, string>> };
  return (name) => {
    const file = data[name];
    assert.ok(file !== undefined, `the Secret has no ${name}`);
    return Buffer.from(file, 'base64');
  };
}

/** Waits until a probe of the container answers 200. */
async function passes(container: Json, probe: string, port: number): Promise<void> {
  const path = textAt(container, `${probe}.httpGet.path`);
  for (let tries = 0; tries < 300; tries++) {
    const status = await fetch(`http://127.0.0.1:${port}${path}`).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
    await sleep(100);
  }
  assert.fail(`${probe} never passed`);
}

describe('the pods of k8s/', { timeout: 240_000 }, () => {
  it('run a study that is submitted with the client’s key, answer their probes, and end with 0 when there is no more work', async () => {
    const [zmq, health, workerHealth] = [await freePort(), await freePort(), await freePort()];
    const at = (path: string): string => join(folder, path);
    await run(0, folder, ...written('keys init'));
    const secret = secretOf(at('keys'));
    // The Secret's items, each pod's own.
    for (const [mount, owner] of [
      ['coordinator-keys', 'StatefulSet/coordinator'],
      ['worker-keys', 'Job/worker'],
    ] as const) {
      mkdirSync(at(mount));
      const spec = pods.find((pod) => pod.owner === owner)?.spec;
      for (const item of listAt(spec, 'volumes.0.secret.items'))
        writeFileSync(at(`${mount}/${textAt(item, 'path')}`), secret(textAt(item, 'key')), { mode: 0o600 });
    }
    const argsOf = (owner: string, mapped: Readonly<Record<string, string>>): string[] =>
      listAt(containerOf(owner), 'args').map((arg) => {
        const [name = '', ...value] = scalar(arg).split('=');
        return name in mapped ? `${name}=${mapped[name] ?? ''}` : [name, ...value].join('=');
      });

    const coordinator = start(
      folder,
      // 0.0.0.0 as it is: beyond loopback keys are needed.
      ...argsOf('StatefulSet/coordinator', {
        '--data': at('data'),
        '--listen': `tcp://0.0.0.0:${zmq}`,
        '--keys': at('coordinator-keys'),
        '--http': `127.0.0.1:${health}`,
      }),
    );
    for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe'])
      await passes(containerOf('StatefulSet/coordinator'), probe, health);

    writeDiamonds(folder);
    writeFileSync(at('sweep.yaml'), smallSweep);
    // Where port-forward would put it is 7777.
    const there = { env: { NOISEFOLD_CONNECT: `tcp://127.0.0.1:${zmq}`, NOISEFOLD_KEY: 'keys/client.json' } };
    await run(0, folder, ...written('submit'), '--connect', there.env.NOISEFOLD_CONNECT);

    const environment = listAt(containerOf('Job/worker'), 'env').map((variable) => textAt(variable, 'name'));
    assert.deepEqual(environment.sort(), ['NOISEFOLD_CONNECT', 'NOISEFOLD_KEY', 'WORKER_NAME']);
    assert.equal(get(containerOf('Job/worker'), 'command'), undefined);
    const worker = start(
      folder,
      ...argsOf('Job/worker', {
        '--name': 'worker-x7k2p',
        '--cache': at('cache'),
        '--http': `127.0.0.1:${workerHealth}`,
        '--idle-exit': '5',
      }),
      `--connect=tcp://127.0.0.1:${zmq}`,
      `--key=${at('worker-keys/worker.json')}`,
    );
    for (const probe of ['readinessProbe', 'livenessProbe']) await passes(containerOf('Job/worker'), probe, workerHealth);

    assert.equal(await worker.ended, 0, worker.stderr());
    for (const words of ['top', 'fetch']) {
      const client = startIn(there, folder, ...written(words));
      assert.equal(await client.ended, 0, client.stderr());
    }
    assert.ok(studyAt(folder, 'runs/small').text('ranking.csv').split('\n').length > 3);
    coordinator.child.kill('SIGTERM');
    assert.equal(await coordinator.ended, 0, coordinator.stderr());
  });
});
