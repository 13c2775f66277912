/** A study that is submitted, as its owner sees it: what is said of it here, and what its folder is told. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startCluster, type Cluster } from './cluster.ts';
import { smallSweep, temporaryFolder, writeDiamonds } from './harness.ts';

const folder = temporaryFolder();
let service: Cluster;

before(async () => {
  writeDiamonds(folder);
  writeFileSync(join(folder, 'small.yaml'), smallSweep.replace('trials: 3', 'trials: 2'));
  service = await startCluster({ folder, name: 'service' });
  await service.coordinate();
});
after(() => service.close());

describe('a study that is submitted', () => {
  it('leaves its device to its workers, and says so; it is fetched by a machine that does not have it', async () => {
    const submitted = await service.command(0, 'submit', 'small.yaml', '--set', 'workers.device=cuda');
    assert.match(submitted.stderr(), /^warning: workers\.device: cuda is not handed over: each worker/m);
    service.worker('worker', { args: ['--device', 'cpu'] });
    await service.finished('small');
    const fetched = await service.command(0, 'fetch', 'small');
    const counts = '2 of 2 trials and 2 of 2 baselines are scored';
    assert.ok(fetched.stderr().includes(counts), fetched.stderr());
    const status = await service.command(0, 'status', 'small');
    assert.match(status.stdout(), /^2\/2 trials and 2\/2 baselines done/m);
  });
});
