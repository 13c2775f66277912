/**
 * Docker: the images and deploy/compose.yaml, as a user of deploy/README.md has them. Needs a Docker Engine and a compose; base images come from
 * a registry, or by NOISEFOLD_BASE_IMAGE and NOISEFOLD_BUILD_IMAGE. test/deploy/with-docker.sh brings all of it, without a network.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { studyAt, temporaryFolder } from '../e2e/harness.ts';
import { commandsOf, commandWith } from './commands.ts';
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
const environment = {
  ...process.env,
  DOCKER_BUILDKIT: '1',
  COMPOSE_DOCKER_CLI_BUILD: '1',
  NOISEFOLD_VERSION: 'test',
  NOISEFOLD_DEVICES: 'cpu:1',
  STUDY: join(folder, 'study'),
};
const docker = (...args: readonly string[]): string => command('docker', args, { cwd: root, env: environment });

/** A command of deploy/README.md as it is written there, for the tests' study. */
const written = (words: string): string =>
  commandWith(commandsOf('deploy/README.md', '## Docker'), words).replaceAll('diamonds', study);

/** The small study without containers, once for all who compare theirs with it. */
let alone: ReturnType<typeof undisturbed> | undefined;
const expectedRanking = async (): Promise<string> => (await (alone ??= undisturbed(folder))).ranking.toString();

/** deploy/compose.yaml as a project of its own, with what else is in the environment (COMPOSE_FILE with more files than that). */
function composeProject(project: string, more: Readonly<Record<string, string>> = {}) {
  const env = { COMPOSE_FILE: 'deploy/compose.yaml', ...environment, ...more, COMPOSE_PROJECT_NAME: project };
  const [program = '', ...first] = compose ?? [];
  const dockerCompose = (...args: readonly string[]): string => command(program, [...first, ...args], { cwd: root, env });
  const containersOf = (service: string): readonly string[] => dockerCompose('ps', '-q', service).trim().split('\n');
  const coordinator = (): string => containersOf('coordinator')[0] ?? '';
  return {
    dockerCompose,
    containersOf,
    coordinator,
    logs: (): string => dockerCompose('logs', '--no-color', '--tail', '30'),
    /** A command of the client, within the coordinator's container. */
    noisefold: (...args: readonly string[]): string =>
      docker('exec', coordinator(), 'noisefold', ...args, '--key', '/keys/client.json'),
    /** A line of a shell, with `docker compose` as this machine has it. Its standard output. */
    shell: (line: string): string =>
      command('sh', ['-c', line.replaceAll('docker compose', [program, ...first].join(' '))], { cwd: root, env }),
    /** Without what a run that was killed may have left. */
    remove: (): string => dockerCompose('down', '--volumes', '--timeout', '1'),
  };
}

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
/** In a container of the image, as hardened as it can be. */
const inside = (image: string, script: string): string =>
  docker('run', '--rm', '--read-only', '--cap-drop', 'ALL', '--entrypoint', 'sh', image, '-c', script);

describe('images', { skip }, () => {
  before(() => {
    const given = ['BASE_IMAGE', 'BUILD_IMAGE'].flatMap((name) => {
      const value = process.env[`NOISEFOLD_${name}`];
      return value === undefined ? [] : [`--build-arg ${name}=${value}`];
    });
    for (const target of ['coordinator', 'worker']) {
      const build = written(`-t noisefold-${target}:`).replace(/:[\d.]+ \.$/, `:test ${given.join(' ')} .`);
      command('sh', ['-c', build], { cwd: root, env: environment });
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
    const script = 'node /app/dist/main.js doctor; find /tmp -ipath "*microsoft*"';
    const hardened = ['--rm', '--read-only', '--cap-drop', 'ALL', '--tmpfs', '/tmp'];
    const report = docker('run', ...hardened, '--entrypoint', 'sh', 'noisefold-worker:test', '-c', script);
    // What ONNX Runtime's telemetry would leave.
    assert.doesNotMatch(report, /\/tmp/);
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
  const { containersOf, coordinator, logs, noisefold, shell, remove } = composeProject('noisefold-test');
  before(async () => {
    await expectedRanking();
    remove();
    shell(`${written(' up ')} --scale worker=2`);
  });
  after(() => void remove());

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
    shell(`${written(' submit ')} ${settings.join(' ')}`);
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
    // A terminal of its own, which it wants.
    const watched = shell(`script --quiet --return --command '${written(' top ')}' /dev/null`);
    assert.match(watched, /small/);
    assert.ok(
      tasksOf(noisefold).every(({ status }) => status === 'done'),
      'top ends with the study',
    );
  });

  it('the ranking is the same to the byte as that of an undisturbed sweep without containers', async () => {
    shell(written(' fetch '));
    const runs = join(folder, 'runs');
    mkdirSync(runs);
    shell(`${written('| tar -x')} --no-same-owner -C ${runs}`);
    const fetched = studyAt(runs, study);
    assert.equal(fetched.text('ranking.csv'), await expectedRanking());
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

describe('deploy/compose.gpu.yaml', { skip }, () => {
  it('makes of deploy/compose.yaml a worker for all GPUs, which is not started here', () => {
    const files = { COMPOSE_FILE: 'deploy/compose.yaml:deploy/compose.gpu.yaml' };
    const config = composeProject('noisefold-test-gpu', files).dockerCompose('config');
    assert.match(config, /target: worker-gpu/);
    assert.match(config, /driver: nvidia/);
    assert.match(config, /--engine=tensorflow/);
  });
});

describe('deploy/compose.s3.yaml', { skip }, () => {
  const stores = join(folder, 's3.json');
  const bucket = 'noisefold-test';
  const { dockerCompose, containersOf, coordinator, logs, noisefold, shell, remove } = composeProject('noisefold-test-s3', {
    COMPOSE_FILE: `deploy/compose.yaml:deploy/compose.s3.yaml:${stores}`,
    NOISEFOLD_ARTIFACTS: `s3://${bucket}/studies`,
    AWS_ACCESS_KEY_ID: 'S3RVER',
    AWS_SECRET_ACCESS_KEY: 'S3RVER',
    AWS_ENDPOINT_URL_S3: 'http://s3:4568',
  });
  /** Hashes of the blobs that the bucket has. */
  const blobs = (): readonly string[] =>
    [
      ...dockerCompose('exec', '-T', 's3', 'find', `/tmp/${bucket}/studies`).matchAll(
        /([0-9a-f]{2})\/([0-9a-f]{62})\S*_object$/gm,
      ),
    ].map(([, first, rest]) => `${first}${rest}`);

  before(async () => {
    await expectedRanking();
    // A store beside the coordinator: s3rver of this repository's modules, on the image's Node.
    const s3 = {
      image: 'noisefold-coordinator:test',
      entrypoint: ['node', '--openssl-legacy-provider', '/s3/node_modules/s3rver/bin/s3rver.js'],
      command: ['-d', '/tmp', '-a', '0.0.0.0', '-p', '4568', '--no-vhost-buckets', '--silent', '--configure-bucket', bucket],
      volumes: [`${join(root, 'node_modules')}:/s3/node_modules:ro`],
      healthcheck: {
        test: ['CMD', 'node', '-e', "fetch('http://127.0.0.1:4568').then(() => process.exit(0), () => process.exit(1))"],
      },
    };
    const services = { s3, coordinator: { depends_on: { s3: { condition: 'service_healthy' } } } };
    writeFileSync(stores, JSON.stringify({ services }));
    remove();
    shell(written(' up '));
  });
  after(() => void remove());

  it('prepared data and checkpoints are in the bucket, and not in the volume', async () => {
    shell(`${written(' submit ')} ${settings.join(' ')}`);
    const prepared = blobs().length;
    assert.ok(prepared > 0, 'the prepared data');
    await eventually('task in the middle', () => inTheMiddle(tasksOf(noisefold))[0], logs);
    assert.ok(blobs().length > prepared, 'checkpoints');
    assert.match(dockerCompose('logs', '--no-color', 'worker'), /come from the object store/);
    const inVolume = dockerCompose('exec', '-T', 'coordinator', 'find', '/data/artifacts', '-type', 'f', '-size', '+1k');
    assert.equal(inVolume, '');
  });

  it('`docker compose stop worker` makes workers checkpoint and end with 75; `start worker` goes on from the bucket', async () => {
    const [before] = inTheMiddle(tasksOf(noisefold));
    shell('docker compose stop worker');
    assert.deepEqual(
      containersOf('worker').map((id) => inspect(id).State.ExitCode),
      [75],
    );
    const handedBack = tasksOf(noisefold).find(({ task }) => task === before?.task);
    assert.ok((handedBack?.checkpointStep ?? 0) > (before?.checkpointStep ?? 0), 'with a checkpoint later than the one before');
    shell('docker compose start worker');
    const resumed = await eventually(
      'task that goes on',
      () => tasksOf(noisefold).find(({ task, attempt, status }) => task === before?.task && attempt > 1 && status !== 'leased'),
      logs,
    );
    assert.ok((resumed.checkpointStep ?? 0) >= (handedBack?.checkpointStep ?? 0));
    await eventually('end of the study', () => tasksOf(noisefold).every(({ status }) => status === 'done'), logs);
  });

  it('the coordinator fetches them for the client: the ranking is that of a sweep without containers or bucket', async () => {
    shell(written(' fetch '));
    const ranking = shell(`docker compose run --rm -T --entrypoint cat client /runs/${study}/ranking.csv`);
    assert.equal(ranking, await expectedRanking());
  });

  it('a key is made in the coordinator’s container for a worker of another machine', () => {
    shell('docker compose exec -T coordinator noisefold keys add gpu-7 --dir /keys');
    assert.match(docker('exec', coordinator(), 'cat', '/keys/gpu-7.json'), /"name": "gpu-7"/);
  });
});
