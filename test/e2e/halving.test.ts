/** Successive halving: the same trials go on, with the same bytes, whoever trains them and whatever is killed. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { hasProc, run, smallSweep, start, type Study, studyAt, temporaryFolder, until, writeDiamonds } from './harness.ts';

const folder = temporaryFolder();
const halved = ['--set', 'search.trials=6', '--set', 'search.halving={factor: 3}', '--set', 'training.epochs=18'];
const command = (output: string, ...more: readonly string[]): string[] => [
  'sweep',
  'small.yaml',
  ...halved,
  ...more,
  '--out',
  output,
];
const reference = studyAt(folder, 'undisturbed', 'small');

before(async () => {
  writeDiamonds(folder);
  writeFileSync(join(folder, 'small.yaml'), smallSweep);
  await run(0, folder, ...command('undisturbed', '--workers', '2'));
});

function sameResults(study: Study): void {
  for (const name of [
    'ranking.csv',
    'ranking.json',
    'rungs.csv',
    'best/features.npy',
    'best/predictions.csv',
    'best/bundle.json',
  ])
    assert.ok(study.bytes(name).equals(reference.bytes(name)), `${name} differs from that of an undisturbed run`);
}

describe('successive halving', () => {
  it('trains all trials for some epochs, and the best one in three to the end', () => {
    const rungs = reference.table('rungs.csv');
    assert.deepEqual(
      rungs.map(({ rung, epochs }) => `${rung} ${epochs}`),
      [...Array.from({ length: 6 }, () => '1 6'), '2 18', '2 18'],
    );
    const means = rungs.slice(0, 6).map(({ mean }) => Number(mean));
    assert.deepEqual(
      means,
      means.toSorted((a, b) => a - b),
    );
    const promoted = rungs.flatMap(({ trial, promoted: on }) => (on === 'true' ? [trial] : []));
    assert.deepEqual(
      promoted,
      rungs.slice(0, 2).map(({ trial }) => trial),
    );
    assert.deepEqual(new Set(rungs.slice(6).map(({ trial }) => trial)), new Set(promoted));
  });

  it('ranks each trial by the best of its scores, and leaves the checkpoint of that alone', () => {
    const ranking = reference.table('ranking.csv');
    const best = (id: string): string[] => {
      const own = reference.table('rungs.csv').filter(({ trial }) => trial === id);
      const [first] = own.toSorted((a, b) => Number(a['mean']) - Number(b['mean']));
      return [first?.['epochs'] ?? '', first?.['mean'] ?? ''];
    };
    for (const row of ranking.filter(({ kind }) => kind === 'trained')) {
      const id = row['id'] ?? '';
      assert.deepEqual([row['epochs'], row['mean']], best(id));
      assert.equal(reference.table(`trials/${id}/history.csv`).length, Number(row['epochs']));
      const { sha256 } = JSON.parse(reference.text(`trials/${id}/manifest.json`)) as { sha256: string };
      assert.equal(sha256, row['checkpoint']);
    }
    // A checkpoint for each trial and the untrained network, the data and the table: nothing of the rungs that were left behind.
    const blobs = readdirSync(reference.path('artifacts'), { recursive: true, encoding: 'utf8' });
    assert.equal(blobs.filter((name) => /^[0-9a-f]{2}\/[0-9a-f]{62}$/.test(name)).length, 6 + 1 + 2);
    assert.match(reference.text('report.md'), /Successive halving: 6 trials were trained for 6 epochs, 2 of them for 18\./);
    const leader = ranking.find(({ kind }) => kind === 'trained');
    const bundle = JSON.parse(reference.text('best/bundle.json')) as { config: { training: { epochs: number } } };
    assert.equal(String(bundle.config.training.epochs), leader?.['epochs']);
  });

  it('gives the same bytes with one worker, and as much training as if the best had been trained to the end at once', async () => {
    await run(0, folder, ...command('alone', '--workers', '1'));
    sameResults(studyAt(folder, 'alone', 'small'));
    const trial = reference.table('rungs.csv').find(({ rung }) => rung === '2')?.['trial'] ?? '';
    const all = ['--set', 'search.trials=6', '--set', 'training.epochs=18', '--out', 'all', '--workers', '2'];
    await run(0, folder, 'sweep', 'small.yaml', ...all);
    const whole = studyAt(folder, 'all', 'small');
    for (const name of ['model.safetensors', 'history.csv', 'score.json'])
      assert.ok(whole.bytes(`trials/${trial}/${name}`).equals(reference.bytes(`trials/${trial}/${name}`)), name);
  });

  it('gives the same bytes when the sweep is killed at a later rung and goes on', { skip: !hasProc }, async () => {
    const study = studyAt(folder, 'killed', 'small');
    const running = start(folder, ...command('killed', '--workers', '2'));
    await until(running, 'a task of the second rung', () =>
      study.log().some(({ message, task }) => message === 'first heartbeat' && task !== undefined && !task.includes('/0-')),
    );
    running.child.kill('SIGKILL');
    assert.equal(await running.ended, 'SIGKILL');
    await run(0, folder, ...command('killed', '--workers', '2'));
    sameResults(study);
  });

  it('goes on with more trials: the finished ones stay, and the best of all of them go on', async () => {
    const study = studyAt(folder, 'alone', 'small');
    await run(0, folder, ...command('alone', '--set', 'search.trials=9'));
    const rungs = study.table('rungs.csv');
    assert.equal(rungs.filter(({ rung }) => rung === '1').length, 9);
    const first = rungs.filter(({ rung }) => rung === '1').slice(0, 3);
    assert.ok(first.every(({ promoted }) => promoted === 'true'));
  });
});
