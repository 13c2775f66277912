import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { silentLog } from '../../src/base/ports.ts';
import { nextWait, superviseDevices, worstCode } from '../../src/cli/device-workers.ts';
import { startWorkerProcesses } from '../../src/cli/worker-processes.ts';
import { byteSize } from '../../src/cli/byte-size.ts';

const folder = mkdtempSync(join(tmpdir(), 'noisefold-devices-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Writes its arguments into a file, and does what its device says. */
const script = join(folder, 'worker.mjs');
const seen = join(folder, 'seen');
writeFileSync(
  script,
  `import { appendFileSync, readFileSync } from 'node:fs';
const args = process.argv.slice(2);
const device = args[args.indexOf('--slot') + 1];
if (device === 'cpu-3') process.on('SIGTERM', () => process.exit(75));
appendFileSync(${JSON.stringify(seen)}, args.join(' ') + '\\n');
const times = readFileSync(${JSON.stringify(seen)}, 'utf8').split('\\n').filter((line) => line.endsWith(device)).length;
if (device === 'cpu-1') process.exit(75);
if (device === 'cpu-2') process.exit(times === 1 ? 1 : 0);
if (device === 'cpu-3') setInterval(() => {}, 1_000);
`,
);

describe('a supervisor of device workers', () => {
  it('starts one process a device, again when it crashes, and ends with the worst of their codes', async () => {
    const devices = [1, 2].map((slot) => ({ kind: 'cpu', slot }) as const);
    let running = (): number => -1;
    const supervised = superviseDevices({
      ...{ devices, host: 'host', args: ['--threads', '2'], log: silentLog, script },
      watch: (count) => (running = count),
    });
    assert.equal(running(), 2);
    const code = await supervised;
    assert.equal(running(), 0);
    assert.equal(code, 75);
    const started = readFileSync(seen, 'utf8').trim().split('\n').toSorted();
    const line = (device: string): string => `worker --threads 2 --name host/${device} --slot ${device}`;
    assert.deepEqual(started, [line('cpu-1'), line('cpu-2'), line('cpu-2')]);
  });

  it('starts a crashed worker again after ever longer waits, and one that ended as it should never', () => {
    const crashed = { code: 1, ms: 100 };
    assert.equal(nextWait(undefined, crashed), 1_000);
    assert.equal(nextWait(1_000, crashed), 2_000);
    assert.equal(nextWait(60_000, crashed), 60_000);
    assert.equal(nextWait(60_000, { code: null, ms: 600_000 }), 1_000, 'it had run for a while');
    for (const code of [0, 75, 78]) assert.equal(nextWait(undefined, { code, ms: 1 }), undefined);
  });

  it('knows which exit code is the worst', () => {
    assert.equal(worstCode([]), 0);
    assert.equal(worstCode([0, 75, 0]), 75);
    assert.equal(worstCode([75, 1, 0]), 1);
    assert.equal(worstCode([1, 78, 75]), 78);
  });
});

describe('worker processes', () => {
  it('get signals, and are not started again once they are retired', async () => {
    let asked = 0;
    const processes = startWorkerProcesses({
      workers: [{ name: 'w', args: ['--slot', 'cpu-3'] }],
      again: () => {
        asked++;
        return 0;
      },
      stderr: 'keep',
      log: silentLog,
      script,
    });
    while (!readFileSync(seen, 'utf8').includes('cpu-3')) await new Promise((resolve) => setTimeout(resolve, 20));
    processes.retire();
    processes.signal('SIGTERM');
    assert.deepEqual([...(await processes.ended)], [['w', 75]]);
    assert.deepEqual([asked, processes.running()], [0, 0]);
  });
});

describe('--cache-size', () => {
  it('is a number of bytes, with a unit or without', () => {
    assert.deepEqual(['10GiB', '1.5 gib', '500MB', '4096'].map(byteSize), [10 * 2 ** 30, 1.5 * 2 ** 30, 5e8, 4096]);
    for (const wrong of ['much', '', '10 GiBi', '-1']) assert.throws(() => byteSize(wrong), /--cache-size/);
  });
});
