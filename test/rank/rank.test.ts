import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NoisefoldError } from '../../src/base/errors.ts';
import { pairedDifference, rankTrials } from '../../src/rank/rank.ts';
import { rankingCsv, rankingJson } from '../../src/rank/render.ts';
import type { ScoredTrial } from '../../src/rank/types.ts';
import type { TrialKind } from '../../src/plan/types.ts';

/** A trial with the given errors at its best alpha, 10, and worse ones at 1. */
function trial(id: string, kind: TrialKind, errors: readonly number[], more: Partial<ScoredTrial> = {}): ScoredTrial {
  const folds = errors.map((rmse, fold) => ({
    fold,
    rows: 20,
    metrics: [rmse + 1, rmse].map((value) => ({ rmse: value, mae: value / 2, r2: 0.25, auc: 1 - value, accuracy: 0.5 })),
  }));
  return {
    id,
    kind,
    parameters: {},
    checkpoint: undefined,
    untrained: undefined,
    score: { alphas: [1, 10], folds, best: 1, features: 3 },
    ...more,
  };
}

const study = [
  trial('raw', 'raw', [0.5, 0.5, 0.6, 0.5, 0.5]),
  trial('untrained-1', 'untrained', [0.3, 0.31, 0.32, 0.3, 0.31]),
  trial('trial-0002', 'trained', [0.21, 0.2, 0.23, 0.2, 0.22], {
    parameters: { 'noise.numerical': 0.25, 'noise.columns.a,b': 'say "x"' },
    untrained: 'untrained-1',
    checkpoint: 'c2',
  }),
  trial('trial-0001', 'trained', [0.2, 0.21, 0.22, 0.21, 0.21], {
    parameters: { 'noise.numerical': 0.1 },
    untrained: 'untrained-1',
    checkpoint: 'c1',
  }),
];

describe('a ranking', () => {
  it('orders by mean error, baselines among the trials, and compares each with the leader and its baselines', () => {
    const ranking = rankTrials(study, 'regression');
    assert.deepEqual(
      ranking.map(({ rank, id }) => `${rank} ${id}`),
      ['1 trial-0001', '2 trial-0002', '3 untrained-1', '4 raw'],
    );
    const [leader, second, untrained, raw] = ranking;
    assert.equal(leader!.toLeader, undefined);
    assert.ok(Math.abs(leader!.toUntrained!.mean - (0.21 - 0.308)) < 1e-12);
    assert.ok(Math.abs(second!.toRaw!.mean - (0.212 - 0.52)) < 1e-12);
    assert.equal(untrained!.toUntrained, undefined);
    assert.equal(raw!.toRaw, undefined);
    assert.deepEqual(
      ranking.map(({ tie }) => tie),
      [false, true, false, false],
    );
    assert.equal(leader!.alpha, 10);
  });

  it('is by AUC, the largest first, for a binary task', () => {
    const ranking = rankTrials(study, 'binary');
    assert.equal(ranking[0]!.id, 'trial-0001');
    assert.equal(ranking[0]!.metric, 'auc');
    assert.ok(ranking[3]!.toLeader!.mean < 0);
  });

  it('does not depend on the order of arrival: the same bytes, equal means by id', () => {
    const twin = trial('trial-0000', 'trained', [0.2, 0.21, 0.22, 0.21, 0.21]);
    const all = [...study, twin];
    const csv = rankingCsv(rankTrials(all, 'regression'), 'transductive');
    const json = rankingJson(rankTrials(all, 'regression'), 'transductive');
    assert.equal(rankTrials(all, 'regression')[0]!.id, 'trial-0000');
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: all.length }), (arrived) => {
        const ranking = rankTrials(arrived, 'regression');
        assert.equal(rankingCsv(ranking, 'transductive'), csv);
        assert.equal(rankingJson(ranking, 'transductive'), json);
      }),
      { numRuns: 20 },
    );
  });

  it('calls an equal trial a tie', () => {
    const [, second] = rankTrials([trial('a', 'trained', [1, 2]), trial('b', 'trained', [1, 2])], 'regression');
    assert.deepEqual([second!.tie, second!.toLeader], [true, { mean: 0, standardError: 0, p: 1 }]);
  });

  it('refuses trials that were scored on other folds', () => {
    assert.throws(
      () => rankTrials([trial('a', 'trained', [1, 2]), trial('b', 'trained', [1, 2, 3])], 'regression'),
      (error: unknown) => error instanceof NoisefoldError && error.code === 'DATA_MISMATCH' && error.where === 'b',
    );
  });

  it('of nothing is nothing', () => assert.deepEqual(rankTrials([], 'regression'), []));
});

describe('a paired difference', () => {
  it('has the variance and p of Nadeau and Bengio’s corrected test', () => {
    // Differences 1 .. 5: mean 3, s^2 2.5; 1/5 + 1/4 = 0.45; t = 3 / sqrt(1.125) = 2.828 with 4 degrees of freedom: p 0.047421 (scipy).
    const { mean, standardError, p } = pairedDifference([2, 3, 4, 5, 6], [1, 1, 1, 1, 1], 1 / 4);
    assert.equal(mean, 3);
    assert.ok(Math.abs(standardError - Math.sqrt(1.125)) < 1e-15);
    assert.ok(Math.abs(p - 0.04742065558431) < 1e-12, String(p));
  });

  it('leaves no doubt where every fold agrees exactly, and says nothing from one fold', () => {
    assert.equal(pairedDifference([2, 3], [1, 2], 1).p, 0);
    assert.deepEqual(pairedDifference([2], [1], 1), { mean: 1, standardError: 0, p: 1 });
  });
});

describe('the files', () => {
  it('CSV: a column for every parameter, fold and comparison; quoted where needed; numbers that read back the same', () => {
    const ranking = rankTrials(study, 'regression');
    const lines = rankingCsv(ranking, 'transductive').trimEnd().split('\n');
    assert.equal(
      lines[0],
      'rank,id,kind,"noise.columns.a,b",noise.numerical,protocol,metric,mean,standard_error,fold_0,fold_1,fold_2,fold_3,fold_4,mae,r2,alpha,' +
        'to_leader,to_leader_se,to_leader_p,to_raw,to_raw_se,to_raw_p,to_untrained,to_untrained_se,to_untrained_p,tie,checkpoint',
    );
    assert.match(lines[2]!, /^2,trial-0002,trained,"say ""x""",0\.25,transductive,rmse,/);
    assert.match(lines[4]!, /^4,raw,raw,,,transductive,rmse,.*,,,,,,,false,$/);
    const mean = lines[1]!.split(',')[7];
    assert.equal(Number(mean), ranking[0]!.mean);
  });

  it('CSV of a binary task has AUC and accuracy too', () => {
    assert.match(rankingCsv(rankTrials(study, 'binary'), 'transductive'), /,mae,r2,auc,accuracy,alpha,/);
  });

  it('JSON says that the leader’s score is optimistic, and which protocol it is of', () => {
    const { note, protocol, trials } = JSON.parse(rankingJson(rankTrials(study, 'regression'), 'transductive')) as {
      note: string;
      protocol: string;
      trials: unknown[];
    };
    assert.match(note, /optimistic/);
    assert.equal(protocol, 'transductive');
    assert.equal(trials.length, 4);
  });
});
