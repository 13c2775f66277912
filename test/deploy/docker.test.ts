/**
 * Docker: the images and deploy/compose.yaml, as a user of deploy/README.md has them. Needs a Docker Engine and a compose; base images come from
 * a registry, or by NOISEFOLD_BASE_IMAGE and NOISEFOLD_BUILD_IMAGE. test/deploy/with-docker.sh brings all of it, without a network.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { studyAt, temporaryFolder } from '../e2e/harness.ts';
import { command, eventually, inTheMiddle, settings, study, tasksOf, undisturbed } from './sweeps.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const works = (program: string, ...args: readonly string[]): boolean => spawnSync(program, args).status === 0;
const compose = [['docker', 'compose'] as const, ['docker-compose'] as const].find(([program, ...args]) =>
  works(program, ...args, 'version'),
);
const skip = !works('docker', 'info')
  ? 'no Docker Engine answers (test/deploy/with-docker.sh starts one)'
  : compose === undefined && 'no docker compose';

const folder = temporaryFolder();
const project = 'noisefold-test';
const environment = {
  ...process.env,
  DOCKER_BUILDKIT: '1',
  COMPOSE_DOCKER_CLI_BUILD: '1',
  COMPOSE_FILE: 'deploy/compose.yaml',
  COMPOSE_PROJECT_NAME: project,
  NOISEFOLD_VERSION: 'test',
  NOISEFOLD_DEVICES: 'cpu:1',
  STUDY: join(folder, 'study'),
};
const docker = (...args: readonly string[]): string => command('docker', args, { cwd: root, env: environment });
const [composeProgram = '', ...composeArgs] = compose ?? [];
const dockerCompose = (...args: readonly string[]): string =>
  command(composeProgram, [...composeArgs, ...args], { cwd: root, env: environment });

interface Container {
  readonly Id: string;
  readonly State: { readonly Status: string; readonly ExitCode: number; readonly Health?: { readonly Status: string } };
  readonly Config: { readonly User: string };
  readonly HostConfig: { readonly ReadonlyRootfs: boolean; readonly CapDrop: readonly string[] | null };
}
const inspect = (id: string): Container => {
  const [container] = JSON.parse(docker('inspect', id)) as readonly Container[];
  assert.ok(container !== undefined);
  return container;
};
const containersOf = (service: string): readonly string[] => dockerCompose('ps', '-q', service).trim().split('\n');
/** In a container of the image, as hardened as it can be. */
const inside = (image: string, script: string): string =>
  docker('run', '--rm', '--read-only', '--cap-drop', 'ALL', '--entrypoint', 'sh', image, '-c', script);
const logs = (): string => dockerCompose('logs', '--no-color', '--tail', '30');

describe('images', { skip }, () => {
  before(() => {
    for (const target of ['coordinator', 'worker']) {
      const given = ['BASE_IMAGE', 'BUILD_IMAGE'].flatMap((name) => {
        const value = process.env[`NOISEFOLD_${name}`];
        return value === undefined ? [] : ['--build-arg', `${name}=${value}`];
      });
      const tag = ['-t', `noisefold-${target}:test`];
      docker('build', '-f', 'deploy/docker/Dockerfile', '--target', target, ...tag, ...given, '.');
    }
  });

  for (const name of ['coordinator', 'worker'] as const) {
    const image = `noisefold-${name}:test`;

    it(`${name}: runs as user 10001, who can write nothing but the volumes`, () => {
      assert.equal(inside(image, 'id -u; id -g').trim(), '10001\n10001');
      assert.equal(inside(image, 'for d in / /app /app/dist /app/node_modules /usr /etc; do test ! -w $d || echo $d; done'), '');
      const volumes = ['/data', '/keys', '/cache', '/runs'].join(' ');
      assert.equal(inside(image, `stat -c %u ${volumes}`).trim(), '10001\n10001\n10001\n10001');
    });

    it(`${name}: has no compiler, nothing of development, nothing of other platforms`, () => {
      assert.equal(inside(image, 'for p in cc gcc g++ make cmake python3; do command -v $p || true; done'), '');
      const found = inside(
        image,
        'cd /app; ls; ls node_modules node_modules/.bin; find . -name "*.map" -o -name "*.dll" -o -name "*.dylib"',
      );
      assert.doesNotMatch(found, /^(typescript|tsx|eslint|prettier|src|test)$|\.(map|dll|dylib)$/m);
    });
  }

  it('the coordinator knows every command, and has no engine; the worker’s engine passes its self-test', () => {
    assert.match(docker('run', '--rm', '--read-only', 'noisefold-coordinator:test', '--help'), /noisefold submit <config>/);
    assert.equal(inside('noisefold-coordinator:test', 'ls -d /app/node_modules/onnxruntime-node 2>/dev/null || true'), '');
    const report = docker(
      'run',
      '--rm',
      '--read-only',
      '--cap-drop',
      'ALL',
      '--tmpfs',
      '/tmp',
      'noisefold-worker:test',
      'doctor',
    );
    assert.match(report, /^onnx +cpu +works/m);
  });

  it('add 60 MB for the coordinator and 110 MB more for the worker to what they stand on', () => {
    const layers = (image: string): number =>
      docker('history', '--human=false', '--format', '{{.Size}} {{.CreatedBy}}', image)
        .split('\n')
        .filter((line) => /COPY|RUN/.test(line) && !line.includes('/usr/local/bin/node #'))
        .reduce((sum, line) => sum + Number(line.split(' ')[0]), 0) / 1e6;
    const [coordinator, worker] = [layers('noisefold-coordinator:test'), layers('noisefold-worker:test')];
    // What the base is made of counts too, where it was built by COPY and RUN.
    if (process.env['NOISEFOLD_BASE_IMAGE'] === 'noisefold-base:test') assert.ok(coordinator < 60, `${coordinator} MB`);
    assert.ok(worker - coordinator < 110, `${worker - coordinator} MB`);
  });
});

describe('deploy/compose.yaml', { skip }, () => {
  let expected: Buffer;
  before(async () => {
    expected = (await undisturbed(folder)).ranking;
    // A run that was killed may have left its volumes.
    dockerCompose('down', '--volumes', '--timeout', '1');
    dockerCompose('up', '--build', '--detach', '--scale', 'worker=2');
  });
  after(() => void dockerCompose('down', '--volumes', '--timeout', '1'));

  const noisefold = (...args: readonly string[]): string =>
    docker('exec', coordinator(), 'noisefold', ...args, '--key', '/keys/client.json');
  const coordinator = (): string => containersOf('coordinator')[0] ?? '';
  const workerOf = (name: string | undefined): string => {
    const id = containersOf('worker').find((container) => name?.startsWith(container.slice(0, 12)));
    assert.ok(id !== undefined, `no container of the worker ${name}`);
    return id;
  };
  const onItsWay = () => eventually('task in the middle', () => inTheMiddle(tasksOf(noisefold))[0], logs);

  it('comes up healthy, without capabilities, on read-only file systems', async () => {
    for (const id of [...containersOf('coordinator'), ...containersOf('worker')]) {
      await eventually('healthy container', () => inspect(id).State.Health?.Status === 'healthy', logs);
      const { Config, HostConfig } = inspect(id);
      assert.deepEqual([Config.User, HostConfig.ReadonlyRootfs, HostConfig.CapDrop], ['10001:10001', true, ['ALL']]);
    }
    assert.match(noisefold('workers'), /\/cpu-1[^]*\/cpu-1/);
  });

  it('a worker that is stopped checkpoints, hands back and ends with 75; one that is killed is replaced; nothing is lost', async () => {
    dockerCompose('run', '--rm', 'client', 'submit', 'sweep.yaml', ...settings);
    const stopped = await onItsWay();
    const first = workerOf(stopped.worker);
    docker('stop', '--time', '30', first);
    assert.equal(inspect(first).State.ExitCode, 75);
    const handedBack = tasksOf(noisefold).find(({ task }) => task === stopped.task);
    assert.ok(handedBack !== undefined);
    assert.deepEqual([handedBack.failures, handedBack.losses], [0, 0]);
    assert.ok(
      (handedBack.checkpointStep ?? 0) > (stopped.checkpointStep ?? 0),
      'there is a later checkpoint than before the stop',
    );

    const killed = await onItsWay();
    const second = workerOf(killed.worker);
    assert.notEqual(second, first);
    docker('kill', '--signal', 'KILL', second);
    docker('start', first);
    const resumed = await eventually(
      'task of the killed worker on the other one',
      () =>
        tasksOf(noisefold).find(
          ({ task, attempt, status }) => task === killed.task && attempt > killed.attempt && status !== 'leased',
        ),
      logs,
    );
    assert.ok((resumed.checkpointStep ?? 0) >= (killed.checkpointStep ?? 0), 'it goes on from its last checkpoint');
    await eventually('end of the study', () => tasksOf(noisefold).every(({ status }) => status === 'done'), logs);
  });

  it('the ranking is the same to the byte as that of an undisturbed sweep without containers', () => {
    dockerCompose('run', '--rm', 'client', 'fetch', study, '--output', '/runs');
    const runs = join(folder, 'runs');
    mkdirSync(runs);
    // The pipe of deploy/README.md.
    const line = [composeProgram, ...composeArgs, 'run --rm -T --entrypoint tar client -C /runs -c'].join(' ');
    command('sh', ['-c', `${line} ${study} | tar -x --no-same-owner -C ${runs}`], { cwd: root, env: environment });
    const fetched = studyAt(runs, study);
    assert.equal(fetched.text('ranking.csv'), expected.toString());
    assert.ok(fetched.text('best/predictions.csv').startsWith('id,prediction\n'));
  });

  it('a coordinator that is stopped ends with 0 and, started again, has its studies and its keys', async () => {
    const id = coordinator();
    docker('stop', id);
    assert.equal(inspect(id).State.ExitCode, 0);
    docker('start', id);
    await eventually('healthy coordinator', () => inspect(id).State.Health?.Status === 'healthy', logs);
    assert.match(noisefold('ls'), /small +finished/);
  });
});
