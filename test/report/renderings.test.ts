import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { corruptionCsv, foldsCsv, historyCsv, learningCurveCsv, rungsCsv, timingsCsv } from '../../src/report/csv.ts';
import { defaults } from '../../src/config/defaults.ts';
import { rankingCsv } from '../../src/rank/render.ts';
import { leaderboard } from '../../src/report/leaderboard.ts';
import { reportMarkdown } from '../../src/report/markdown.ts';
import { briefNames, shortNames, type StudyReport } from '../../src/report/model.ts';
import { verdict } from '../../src/report/verdict.ts';
import { difference, ranked, ranking, report } from './fixtures.ts';

const seconds = new Map([['trial-0003', 34]]);
const lines = (text: string): string[] => text.split('\n');

describe('short names of searched parameters', () => {
  it('say what is searched, in the words of a table head', () => {
    const paths = ['noise.numerical', 'noise.levels.3-8', 'noise.columns.a.b', 'model.units', 'training.learningRate'];
    const names = shortNames([Object.fromEntries(paths.map((path) => [path, 1]))]);
    assert.deepEqual([...names.values()], ['numerical p', '3-8 levels p', 'a.b p', 'units', 'learningRate']);
  });

  it('stay whole where two would be the same', () => {
    const names = shortNames([{ 'noise.numerical': 1 }, { 'noise.columns.numerical': 1, 'model.units': 1 }]);
    assert.deepEqual([...names.values()], ['noise.numerical', 'noise.columns.numerical', 'units']);
  });

  it('are shorter still where there is little room, unless they would then be the same', () => {
    const brief = (...paths: string[]): string[] => [...briefNames(paths).values()];
    assert.deepEqual(
      brief('noise.numerical', 'noise.levels.3-8', 'training.learningRate', 'noise.columns.categorical', 'model.units'),
      ['num p', '3-8 lv p', 'rate', 'categor… p', 'units'],
    );
    assert.deepEqual(brief('noise.columns.temperature_in', 'noise.columns.temperature_out'), [
      'temperature_in p',
      'temperature_out p',
    ]);
  });
});

describe('successive halving', () => {
  const halved = ranking.map((trial) =>
    trial.kind === 'trained' ? { ...trial, epochs: trial.id === 'trial-0003' ? 9 : 3 } : trial,
  );

  it('has a column of the epochs that each trial got, on the terminal, in ranking.csv and in the report', () => {
    const [head, first, second] = lines(leaderboard({ ranking: halved, seconds }));
    assert.match(head ?? '', / learningRate {2}epochs {2}RMSE /);
    assert.match(first ?? '', / 0\.0003 {7}9 {2}0\.1131 /);
    assert.match(second ?? '', / 0\.0003 {7}3 {2}0\.1133 /);
    const csv = lines(rankingCsv(halved, 'transductive'));
    const column = csv[0]?.split(',').indexOf('epochs') ?? -1;
    assert.deepEqual(
      csv.slice(1, 6).map((line) => line.split(',')[column]),
      ['9', '3', '3', '', ''],
    );
    assert.ok(!rankingCsv(ranking, 'transductive').includes('epochs'));
    const rungs = [
      { epochs: 1, trials: 9 },
      { epochs: 3, trials: 3 },
    ];
    const page = reportMarkdown(report({ ranking: halved, halving: { mode: 'eager', rungs } }));
    assert.match(page, /\| parameters \| epochs \|/);
    assert.match(
      page,
      /Successive halving: 9 trials were trained for 1 epoch, 3 of them for 3\. .*Mode eager: .* may rank otherwise\./,
    );
  });

  it('has a file of who was scored at which rung, and a rung for each task in timings.csv', () => {
    assert.equal(
      rungsCsv([
        { rung: 1, epochs: 3, trial: 'a', mean: 0.5, promoted: true },
        { rung: 1, epochs: 3, trial: 'b', mean: undefined, promoted: false },
      ]),
      'rung,epochs,trial,mean,promoted\n1,3,a,0.5,true\n1,3,b,,false\n',
    );
    const row = { trial: 'a', fold: 'all', attempts: 1, worker: 'w', seconds: 2, engine: 'onnx' } as const;
    assert.equal(timingsCsv([{ ...row, rung: 2 }]), 'trial,fold,rung,attempts,worker,seconds,engine\na,all,2,1,w,2,onnx\n');
    assert.equal(timingsCsv([row]), 'trial,fold,attempts,worker,seconds,engine\na,all,1,w,2,onnx\n');
  });
});

describe('leaderboard', () => {
  it('shows trials and baselines in order, with ties, differences and gains', () => {
    assert.deepEqual(lines(leaderboard({ ranking, seconds })).slice(0, 7), [
      '     trial        numerical p  learningRate  RMSE              to the best           to untrained   to raw  alpha  time',
      '1    trial-0003          0.25        0.0003  0.1131 ± 0.00038                             −10.4 %  −36.5 %     10  0:34',
      '2 =  trial-0001          0.25        0.0003  0.1133 ± 0.00038  +0.000200 ± 0.000050       −10.2 %  −36.4 %     10',
      '3    trial-0002          0.25        0.0003  0.1201 ± 0.00038  +0.0070 ± 0.0017            −4.8 %  −32.6 %     10',
      '4    untrained-1                             0.1262 ± 0.00038  +0.0131 ± 0.0033                    −29.1 %     10',
      '5    raw                                     0.1781 ± 0.00038  +0.065 ± 0.016                                  10',
      '',
    ]);
  });

  it('keeps to the width, down to rank, trial and score', () => {
    fc.assert(
      fc.property(fc.integer({ min: 34, max: 140 }), (width) => {
        for (const line of lines(leaderboard({ ranking, seconds, width }))) assert.ok(line.length <= width, line);
      }),
      { numRuns: 25 },
    );
    assert.equal(lines(leaderboard({ ranking, seconds, width: 25 }))[0], '     trial        RMSE');
  });

  it('keeps what was searched in 80 columns, and gives up alpha, time, long heads and the errors before it', () => {
    const parameters = { 'noise.numerical': 0.1234, 'noise.categorical': 0.1234, 'training.learningRate': 0.0001234 };
    const searched = ranking.map((trial) => (trial.kind === 'trained' ? { ...trial, parameters } : trial));
    const head = (width: number): string[] => (lines(leaderboard({ ranking: searched, seconds, width }))[0] ?? '').split(/ {2,}/);
    const [, ...all] = head(200);
    const [long, brief] = [
      ['numerical p', 'categorical p', 'learningRate'],
      ['num p', 'cat p', 'rate'],
    ];
    assert.deepEqual(all, ['trial', ...long, 'RMSE', 'to the best', 'to untrained', 'to raw', 'alpha', 'time']);
    assert.deepEqual(head(125).slice(1), ['trial', ...long, 'RMSE', 'to the best', 'to untrained', 'to raw']);
    assert.deepEqual(head(110).slice(1), ['trial', ...brief, 'RMSE', 'to the best', 'to untrained', 'to raw']);
    assert.deepEqual(head(80).slice(1), ['trial', ...brief, 'RMSE', 'to untrained']);
    assert.deepEqual(head(70).slice(1), ['trial', ...brief, 'RMSE', 'untrained']);
    assert.deepEqual(head(52).slice(1), ['trial', ...brief, 'RMSE']);
    assert.match(
      leaderboard({ ranking: searched, seconds, width: 36 }),
      /^ +trial +num p +RMSE\n[^]*\n2 more parameters in ranking\.csv\n/,
    );
  });

  it('shows the first trials of many, and all baselines', () => {
    const table = lines(leaderboard({ ranking, seconds, top: 1 }));
    assert.deepEqual(
      table.slice(1, 5).map((line) => line.split(/\s+/)[1]),
      ['trial-0003', 'untrained-1', 'raw', '2'],
    );
    assert.equal(table[4], 'and 2 more in ranking.csv');
  });

  it('shows many parameters beside each other, without what control characters would do', () => {
    const parameters = Object.fromEntries(['a', 'b', 'c', 'd', 'e\n'].map((name) => [`noise.columns.${name}`, 0.123456]));
    const table = leaderboard({ ranking: [ranked('trial-0001', 1, 0.1, { parameters })], seconds, width: 80 });
    assert.match(lines(table)[0] ?? '', /trial +a p +b p +c p +d p +e {1,2}p +RMSE/);
    assert.match(lines(table)[1] ?? '', /trial-0001( +0\.1235){5}/);
  });

  it('gives up nothing for its colours: they take no room', () => {
    const code = (n: number) => (text: string) => `\x1b[${n}m${text}\x1b[39m`;
    const paint = { bold: code(1), dim: code(2), green: code(32), cyan: code(36), red: code(31) };
    for (const width of [60, 80, 100, 120]) {
      const painted = leaderboard({ ranking, seconds, width, paint });
      assert.equal(painted.replace(/\x1b\[[0-9;]*m/g, ''), leaderboard({ ranking, seconds, width }));
    }
  });

  it('paints the best and dims the baselines without moving a column', () => {
    const mark = (name: string) => (text: string) => `\x1b[${name}m${text}\x1b[39m`;
    const paint = { bold: mark('1'), dim: mark('2'), green: mark('32'), cyan: mark('36'), red: mark('31') };
    const painted = leaderboard({ ranking, seconds, paint });
    const plain = painted.replace(/\x1b\[\d+m/g, '');
    assert.equal(plain, leaderboard({ ranking, seconds }));
    assert.match(painted, /\x1b\[32mtrial-0003/);
    assert.match(painted, /\x1b\[2mraw/);
  });

  it('is empty where nothing was scored', () => {
    assert.equal(leaderboard({ ranking: [], seconds }), '');
  });
});

describe('verdict', () => {
  const text = (...trials: Parameters<typeof verdict>[0]): string => verdict(trials).join(' ');

  it('compares the best trial with both baselines, counts ties, and says that the score is optimistic', () => {
    const said = text(...ranking);
    assert.match(
      said,
      /^trial-0003 is 10\.4 % better than the untrained network \(p = 0\.003\) and 36\.5 % better than ridge on the raw inputs \(p < 0\.001\)\./,
    );
    assert.match(said, /1 other trial ties with it/);
    assert.match(said, /optimistic/);
  });

  it('does not call a gain certain that the folds do not show', () => {
    assert.match(
      text(ranked('trial-1', 1, 0.12, { toUntrained: difference(-0.001, 0.21) })),
      /\(p = 0\.21: within the noise of the folds\)/,
    );
  });

  it('says so when the best alpha is the end of the grid', () => {
    const { score } = ranked('trial-1', 1, 0.1);
    const said = (alpha: number, best: number): string => text(ranked('trial-1', 1, 0.1, { alpha, score: { ...score, best } }));
    assert.match(said(1, 0), /alpha, 1, is the smallest that was tried: smaller ones/);
    assert.match(said(100, 2), /alpha, 100, is the largest that was tried: larger ones/);
    assert.doesNotMatch(said(10, 1), /alpha/);
  });

  it('says so when the best alpha of a baseline is the end of the grid: the gain is then too good', () => {
    const baseline = (id: string, best: number) => ranked(id, 9, 0.2, { score: { ...ranked(id, 9, 0.2).score, best } });
    const said = (raw: number, untrained: number): string =>
      text(ranked('trial-1', 1, 0.1), baseline('raw', raw), baseline('untrained-1', untrained), baseline('untrained-2', 2));
    assert.match(said(2, 1), /The alpha of raw, 10, is the largest that was tried/);
    assert.match(said(1, 0), /The alpha of untrained-1, 10, is the smallest that was tried/);
    assert.doesNotMatch(said(1, 1), /alpha/);
  });

  it('says so when a baseline leads', () => {
    const said = text(ranked('raw', 1, 0.1), ranked('trial-1', 2, 0.12, { toRaw: difference(0.02), toUntrained: undefined }));
    assert.equal(
      said,
      'trial-1 is 20.0 % worse than ridge on the raw inputs (p = 0.003). No trial beats ridge on the raw inputs (raw): a wider network, more epochs, or features.inputs: true may.',
    );
  });

  it('takes a larger AUC for the better one', () => {
    const binary = { metric: 'auc', toRaw: undefined } as const;
    assert.match(text(ranked('trial-1', 1, 0.9, { ...binary, toUntrained: difference(0.09) })), /is 11\.1 % better/);
  });

  it('says nothing without a trained trial', () => {
    assert.deepEqual(verdict([ranked('raw', 1, 0.1)]), []);
  });
});

/** Rows of every table in a page, split at the bars that are not escaped. */
const tableRows = (page: string): string[][] =>
  lines(page)
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split(/(?<!\\)\|/).slice(1, -1));

describe('report.md', () => {
  it('has a section for everything that there is to say', () => {
    const page = reportMarkdown(
      report({ failures: [{ trial: 'trial-0009', code: 'TRAIN_DIVERGED', message: 'NaN' }], warnings: ['careful'] }),
    );
    assert.deepEqual(
      lines(page).filter((line) => line.startsWith('#')),
      [
        '# diamonds',
        '## Warnings',
        '## Protocol',
        '## Ranking',
        '## Parameters of trial-0003',
        '## What the noise of trial-0003 changed',
        '## With fewer labels',
        '## Failures',
        '## Using it',
      ],
    );
    for (const part of [
      '**trial-0003: RMSE of log(price) 0.1131 ± 0.00038**',
      'it never saw a target',
      '53,940 rows, 43,940 of them with a target (price); 9 columns, encoded as 26 inputs. 2-fold cross-validation: rows were shuffled with seed 7.',
      'Seed 7; noisefold 1.2.3; engine onnx.',
      '| 2 = | trial-0001 | numerical p 0.25, learningRate 0.0003 | 0.1133 ± 0.00038 | +0.000200 ± 0.000050 | −10.2 % | −36.4 % | 10 |  |',
      '| cut | 0.6 | 43.2 % |',
      '| 200 | 0.3000 ± 0.010 | 0.2000 ± 0.010 |',
      '| 1,000 |  | 0.2000 ± 0.010 |',
      '| trial-0009 | TRAIN_DIVERGED | NaN |',
      'npx noisefold features --model runs/diamonds/best --data FILE --out features.parquet --predictions predictions.csv',
      'npx noisefold ridge --features runs/diamonds/best/features.npy --data train.csv --target price --log --folds 2 --seed 7 --alphas 1,10,100\n',
    ])
      assert.ok(page.includes(part), part);
  });

  it('speaks of predictions where there are any', () => {
    const said = (labelled: number): boolean =>
      reportMarkdown(report({ data: { ...report().data, labelled } })).includes('predictions for the rows without a target');
    assert.deepEqual([said(43_940), said(53_940)], [true, false]);
  });

  it('leaves out what there is nothing to say about', () => {
    const page = reportMarkdown(report({ ranking: [], corruption: [], learningCurve: [] }));
    assert.deepEqual(
      lines(page).filter((line) => line.startsWith('#')),
      ['# diamonds', '## Protocol'],
    );
    assert.match(page, /No trial was scored/);
  });

  it('has well-formed tables whatever columns and messages are called', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('|', '\\', '\n', '`', '<b>', '*', '_', 'a', ' ') }), (name) => {
        const page = reportMarkdown(
          report({
            corruption: [{ column: name, nominal: 0.5, effective: 0.5 }],
            failures: [{ trial: 't', code: 'INTERNAL', message: name }],
            warnings: [name],
          }),
        );
        const widths = new Set(tableRows(page).map((cells) => cells.length));
        assert.deepEqual([...widths].sort(), [2, 3, 9]);
        assert.ok(!page.includes('<b>'));
      }),
    );
  });

  it('quotes names for the shell', () => {
    const page = reportMarkdown(report({ target: { column: "it's $5", task: 'regression', transform: 'none' } }), 'my runs/x');
    assert.ok(page.includes(`--model 'my runs/x/best'`));
    assert.ok(page.includes(`--target 'it'\\''s $5'`));
  });

  it('says in a sentence what the protocol means, and promises the score from best/ only where it comes out again', () => {
    const [seen, later] = [reportMarkdown(report()), reportMarkdown(report({ protocol: 'inductive' }))];
    assert.match(
      seen,
      /Protocol: \*\*transductive\*\*\. One autoencoder a trial, trained on the inputs of all rows, labelled or not/,
    );
    assert.match(later, /Protocol: \*\*inductive\*\*\. One autoencoder a trial and fold: .* the fold's training rows only/);
    assert.match(later, /Rows without a target had no part in any of it\./);
    assert.match(later, /rows that fold 0 held out: its autoencoder has seen neither/);
    assert.deepEqual(
      [seen, later].map((page) => page.includes('npx noisefold ridge')),
      [true, false],
    );
  });

  it('says how the rows were split', () => {
    const said = (folds: StudyReport['folds']): string => reportMarkdown(report({ folds }));
    assert.match(said({ count: 5, kind: 'plain' }), /5-fold cross-validation: each fold is a run of consecutive rows\./);
    const grouped = said({ count: 3, kind: 'grouped', column: 'a*b' });
    assert.match(grouped, /3-fold cross-validation: rows with the same a\\\*b share a fold\./);
    assert.match(grouped, /with shuffled folds, not grouped ones/);
  });

  it('prints commands that name all that the study was given, and no more', () => {
    const said = (change: Partial<StudyReport>): string =>
      /npx noisefold ridge.*/.exec(reportMarkdown(report(change), 'runs/x'))?.[0] ?? '';
    const alphas = defaults.ridge.alphas;
    const plain = ranked('trial-1', 1, 0.1);
    assert.equal(
      said({
        target: { column: 'y', task: 'binary', transform: 'none' },
        data: { ...report().data, files: ['a b.csv', 'test.csv'], missing: ['NA', 'not known'], delimiter: ';' },
        seed: defaults.seed,
        folds: { count: defaults.ridge.folds.count, kind: 'plain' },
        ranking: [{ ...plain, score: { ...plain.score, alphas } }],
      }),
      `npx noisefold ridge --features runs/x/best/features.npy --data 'a b.csv' test.csv --target y --missing NA 'not known' --delimiter ';' --task binary --fold-kind plain`,
    );
  });

  it('shows the first twenty trials of many', () => {
    const many = Array.from({ length: 30 }, (_, i) => ranked(`trial-${i + 1}`, i + 1, 0.1 + i / 100));
    assert.match(reportMarkdown(report({ ranking: many })), /10 more in ranking\.csv/);
  });
});

describe('CSV tables', () => {
  it('hold numbers that read back to the same double', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.double({ noNaN: true }), fc.double({ noNaN: true }))), (rows) => {
        const csv = historyCsv(
          rows.map(([loss, learningRate], epoch) => ({ epoch, step: 7, loss, learningRate, corruption: 0 })),
        );
        const read = lines(csv)
          .slice(1, -1)
          .map((line) => line.split(',').map(Number));
        assert.deepEqual(
          read,
          rows.map(([loss, learningRate], i) => [i + 1, 7, loss + 0, learningRate + 0, 0]),
        );
      }),
    );
  });

  it('quote what needs quotes, and leave out what is not there', () => {
    const row = { trial: 'trial-1', fold: 'all', attempts: 2, worker: 'a "b", c', seconds: 1.5, engine: 'onnx' } as const;
    assert.equal(
      timingsCsv([row, { ...row, worker: undefined }]),
      'trial,fold,attempts,worker,seconds,engine\ntrial-1,all,2,"a ""b"", c",1.5,onnx\ntrial-1,all,2,,1.5,onnx\n',
    );
    assert.equal(corruptionCsv([{ column: 'x\ny', nominal: 0.5, effective: NaN }]), 'column,nominal,effective\n"x\ny",0.5,\n');
  });

  it('say which labelled row was held out in which fold', () => {
    assert.equal(foldsCsv('id', ['a', 'b', 'c'], Int32Array.of(1, -1, 0)), 'id,fold\na,1\nc,0\n');
  });

  it('have one row a point of a learning curve', () => {
    const points = [200, 1000].map((labels) => ({ labels, draws: 5, mean: 0.25, standardError: 0.01 }));
    assert.equal(
      learningCurveCsv([{ name: 'raw', points }]),
      'features,labels,draws,mean,standardError\nraw,200,5,0.25,0.01\nraw,1000,5,0.25,0.01\n',
    );
  });
});
