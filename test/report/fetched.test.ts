import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TrialKind } from '../../src/plan/types.ts';
import { countsText } from '../../src/report/counts.ts';
import { type Fetched, fetchedLines } from '../../src/report/fetched.ts';

const fetched: Fetched = {
  folder: 'runs/diamonds',
  study: 'diamonds',
  status: 'running',
  counts: '1 of 12 trials and 2 of 2 baselines',
  scored: 3,
  checkpoints: ['trial-0002', 'untrained-0002'],
  earlier: false,
  again: 'noisefold fetch diamonds',
};
const said = (change: Partial<Fetched> = {}): string => fetchedLines({ ...fetched, ...change }).join('\n');

describe('how far a study is', () => {
  it('is said of trials that are trained, and of baselines apart', () => {
    const trials = ([...['raw', 'untrained'], ...Array.from({ length: 3 }, () => 'trained')] as TrialKind[]).map((kind, i) => ({
      id: `${i}`,
      kind,
    }));
    assert.equal(
      countsText(trials, (id) => ['0', '3'].includes(id)),
      '1 of 3 trials and 1 of 2 baselines',
    );
  });
});

describe('what is said of a study that was fetched before its end', () => {
  it('is what is there, what is not yet, and that the same command completes it', () => {
    assert.deepEqual(fetchedLines(fetched), [
      'runs/diamonds has the study as it is now, running:',
      '  ranking.csv, ranking.json  the ranking so far: 1 of 12 trials and 2 of 2 baselines',
      '  trials/                    what is over; checkpoints of trial-0002, untrained-0002',
      '  study.db, artifacts/       the copy that the next fetch goes on from',
      'Not there yet: best/ (model, features, predictions) and report.md. When the study is finished, the same command completes the folder: noisefold fetch diamonds',
    ]);
  });

  it('counts checkpoints where there are many, and names no folder that is not there', () => {
    assert.match(said({ checkpoints: ['a', 'b', 'c', 'd'] }), /checkpoints of a and 3 others$/m);
    assert.match(said({ checkpoints: [], scored: 1 }), /1 of 12 trials.*\n.*checkpoints of none$/m);
    assert.doesNotMatch(said({ checkpoints: [], scored: 0 }), /trials\//);
  });

  it('tells how a paused study goes on, and that a cancelled one does not', () => {
    assert.match(said({ status: 'paused' }), /^Not there yet: .*noisefold resume diamonds\nWhen .* completes/m);
    assert.match(said({ status: 'cancelled' }), /no best\/ and no report\.md/);
    assert.ok(!said({ status: 'cancelled' }).includes('completes'));
  });

  it('does not pass off the best model of an earlier fetch for that of this one', () => {
    assert.match(said({ earlier: true }), /^Of an earlier fetch: best\/ and report\.md\. When/m);
    assert.match(said({ earlier: true, status: 'cancelled' }), /earlier fetch.* no others/);
  });
});
