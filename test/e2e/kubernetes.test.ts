/** What the pods of k8s/overlays/local run, with their options and environment as they are, beside each other on this machine: folders and ports are mapped, as a kubelet does. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Json, get, listAt, parseManifests, podsOf, read, scalar, textAt } from '../deploy/manifest.ts';
import { run, smallSweep, start, temporaryFolder, writeDiamonds } from './harness.ts';

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
    await run(0, folder, 'keys', 'init', '--dir', 'keys');
    // The Secret's items, each pod's own.
    for (const [mount, owner] of [
      ['coordinator-keys', 'StatefulSet/coordinator'],
      ['worker-keys', 'Job/worker'],
    ] as const) {
      mkdirSync(at(mount));
      const spec = pods.find((pod) => pod.owner === owner)?.spec;
      for (const item of listAt(spec, 'volumes.0.secret.items'))
        copyFileSync(at(`keys/${textAt(item, 'key')}`), at(`${mount}/${textAt(item, 'path')}`));
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
    const there = ['--connect', `tcp://127.0.0.1:${zmq}`, '--key', 'keys/client.json'];
    await run(0, folder, 'submit', 'sweep.yaml', ...there);

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
    const { stdout } = await run(0, folder, 'ls', '--json', ...there);
    assert.match(stdout(), /"status": "finished"/);
    coordinator.child.kill('SIGTERM');
    assert.equal(await coordinator.ended, 0, coordinator.stderr());
  });
});
