import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import { serveHttp } from '../../src/coordinator/http.ts';
import { createMetrics } from '../../src/coordinator/metrics.ts';
import { open, storeOf } from './bench.ts';

/** `name{label="value"} number` */
const samples = (text: string): Map<string, number> =>
  new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))] as const),
  );

describe('metrics', () => {
  it('are those that docs/metrics.md describes, with their types and meanings', async () => {
    const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
    const described = page
      .split('\n')
      .filter((line) => line.startsWith('| `noisefold_'))
      .map((line) => {
        const [, name = '', type = '', , meaning = ''] = line.split('|').map((cell) => cell.trim());
        return `${name.replaceAll('`', '')} ${type} ${meaning}`;
      });
    const text = await createMetrics(() => 0).text();
    const help = new Map([...text.matchAll(/^# HELP (\S+) (.*)$/gm)].map(([, name, meaning]) => [name, meaning]));
    const made = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type} ${help.get(name)}`);
    assert.deepEqual(made.sort(), described.sort());
  });

  it('count what a study did', async () => {
    const metrics = createMetrics(() => performance.now());
    const bench = open({ stores: new Map([['s', storeOf('s')]]), metrics });
    assert.equal(samples(await metrics.text()).get('noisefold_wanted_workers'), 5);
    bench.join('w1');
    await bench.coordinator.ended('s');
    const values = samples(await metrics.text());
    const rows = (bench.stores.get('s')?.transitions().length ?? 0) + (bench.stores.get('s')?.studyTransitions().length ?? 0);
    assert.equal(values.get('noisefold_tasks{study="s",status="done"}'), 5);
    assert.equal(values.get('noisefold_tasks{study="s",status="pending"}'), 0);
    assert.equal(values.get('noisefold_wanted_workers'), 0);
    assert.equal(values.get('noisefold_studies{status="finished"}'), 1);
    assert.equal(values.get('noisefold_events_committed_total'), rows);
    assert.equal(values.get('noisefold_dispatch_seconds_count'), 5);
    assert.equal(values.get('noisefold_disk_full{where="database"}'), 0);
    assert.equal(values.get('noisefold_queue_length{queue="turn"}'), 0);
    await bench.close();
  });
});

describe('the HTTP server', () => {
  it('serves metrics and health, and says why it is not ready', async () => {
    const reasons: string[] = [];
    const server = await serveHttp({ host: '127.0.0.1', port: 0, metrics: createMetrics(() => 0), unready: () => reasons[0] });
    const get = async (path: string, method = 'GET'): Promise<[number, string]> => {
      const response = await fetch(`${server.address}${path}`, { method });
      return [response.status, await response.text()];
    };
    assert.deepEqual(await get('/healthz'), [200, 'ok\n']);
    assert.deepEqual(await get('/readyz'), [200, 'ok\n']);
    reasons.push('starting');
    assert.deepEqual(await get('/readyz'), [503, 'starting\n']);
    const [status, text] = await get('/metrics?x=1');
    assert.ok(status === 200 && text.includes('noisefold_commit_seconds_bucket'));
    assert.equal((await get('/'))[0], 404);
    assert.equal((await get('/metrics', 'POST'))[0], 405);
    const port = Number(new URL(server.address).port);
    await assert.rejects(
      serveHttp({ host: '127.0.0.1', port, metrics: createMetrics(() => 0), unready: () => undefined }),
      (error) => error instanceof NoisefoldError && error.code === 'WIRE_ADDRESS',
    );
    await server.close();
  });
});
