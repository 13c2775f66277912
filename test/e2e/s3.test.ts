/** A coordinator whose artifacts are in a bucket: a worker that reaches the bucket, and one that does not. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startProxy, startS3, testBucket, useTestCredentials, type FaultProxy, type S3Server } from '../contract/s3-server.ts';
import { run, smallSweep, start, temporaryFolder, until, writeDiamonds, type Run } from './harness.ts';

const folder = temporaryFolder();
const url = `s3://${testBucket}/e2e/studies`;
let server: S3Server;
let proxy: FaultProxy;
let coordinator: Run;
let address = '';

before(async () => {
  writeDiamonds(folder);
  writeFileSync(join(folder, 'small.yaml'), smallSweep);
  useTestCredentials();
  process.env['AWS_EC2_METADATA_DISABLED'] = 'true';
  server = await startS3(join(folder, 's3'));
  proxy = await startProxy(server);
  const given = ['--data', 'data', '--listen', 'tcp://127.0.0.1:0', '--artifacts', url, '--s3-endpoint', server.endpoint];
  coordinator = start(folder, 'coordinator', ...given);
  address = await until(coordinator, 'address', () => /listens at (\S+)/.exec(coordinator.stderr())?.[1]);
});

after(async () => {
  await proxy.close();
  await server.stop();
});

const objects = (below = ''): string[] =>
  readdirSync(join(folder, 's3', testBucket, 'e2e/studies', below), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('_object'),
  );

const matching = (which: RegExp): number => proxy.requests.filter((request) => which.test(request)).length;

async function study(name: string, seed: number, ...worker: readonly string[]): Promise<Run> {
  const at = ['--connect', address];
  await run(0, folder, 'submit', 'small.yaml', ...at, '--set', `study=${name}`, `seed=${seed}`);
  const working = start(folder, 'worker', ...at, '--name', name, '--idle-exit', '4', '--cache', `cache-${name}`, ...worker);
  const code = await working.ended;
  assert.ok(code === 0 || code === 75, working.stderr());
  await run(0, folder, 'fetch', name, ...at);
  assert.ok(readdirSync(join(folder, 'runs', name)).includes('ranking.csv'), 'the study has ended');
  return working;
}

describe('a coordinator with artifacts in a bucket', () => {
  it('hands a worker that reaches it nothing but names', async () => {
    const worker = await study('direct', 1, '--s3-endpoint', proxy.endpoint);
    assert.match(worker.stderr(), /come from the object store/);
    assert.doesNotMatch(worker.stderr(), /over the wire/);
    assert.ok(matching(/^GET .*coordinator\.id/) >= 1);
    assert.ok(matching(/^GET \/noisefold-test\/e2e\/studies\/[0-9a-f]{2}\//) >= 1, 'the data');
    assert.ok(matching(/^PUT /) >= 3, 'a checkpoint a trial');
  });

  it('streams to and from a worker that has no credentials', async () => {
    const before = proxy.requests.length;
    const keys = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'];
    for (const key of keys) Reflect.deleteProperty(process.env, key);
    const had = objects().length;
    const worker = await study('streamed', 2, '--s3-endpoint', proxy.endpoint);
    assert.match(worker.stderr(), /come over the wire/);
    assert.equal(proxy.requests.length, before);
    assert.ok(objects().length >= had + 3, 'its checkpoints are in the bucket, through the coordinator');
  });

  it('is alone with its prefix', async () => {
    useTestCredentials();
    const other = await run(2, folder, 'coordinator', '--data', 'other', '--artifacts', url, '--s3-endpoint', server.endpoint);
    assert.match(other.stderr(), /STORE_LOCKED s3:.*another coordinator/);
    const broken = await run(
      1,
      folder,
      'coordinator',
      '--data',
      'third',
      '--artifacts',
      's3://not-there/x',
      '--s3-endpoint',
      server.endpoint,
    );
    assert.match(broken.stderr(), /ARTIFACTS_UNAVAILABLE s3:\/\/not-there\/x.*NoSuchBucket/);
  });

  it('leaves when it is told to', async () => {
    coordinator.child.kill('SIGTERM');
    assert.equal(await coordinator.ended, 0, coordinator.stderr());
  });
});
