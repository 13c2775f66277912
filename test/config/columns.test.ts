import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NoisefoldError } from '../../src/base/errors.ts';
import { checkTables, idleLevels, lackedByTest, tableFiles, tableProblems, type TableFacts } from '../../src/config/columns.ts';
import { type GivenConfig, unchanged } from '../../src/config/given.ts';
import { parseGiven, readSweep } from '../../src/config/parse.ts';

const tables: TableFacts = { columns: ['key', 'carat', 'cut', 'price'], rows: 100 };

function problems(given: GivenConfig, facts = tables): readonly string[] {
  const config = parseGiven(given);
  try {
    checkTables(given, config, facts);
  } catch (thrown) {
    assert(thrown instanceof NoisefoldError, String(thrown));
    assert.equal(thrown.code, 'CONFIG_INVALID');
    return thrown.message.split('\n').slice(1);
  }
  return [];
}

describe('a configuration held against its tables', () => {
  it('passes where every column is there and a batch can be filled', () => {
    const text = `
data: { train: a.csv, target: price, id: key, drop: [cut], kinds: { carat: numerical } }
noise: { swapProbability: { columns: { carat: 0.1 } } }
training: { batchSize: { choice: [10, 100] } }
ridge: { folds: { kind: grouped, column: cut } }
`;
    assert.deepEqual(problems(unchanged(text, 'f.yaml')), []);
  });

  it('is refused with every column that is not there, and batches that are too large, in file order', () => {
    const text = `data:
  train: a.csv
  target: prize
  id: kay
  drop: [cut, colour]
  kinds: { karat: numerical }
noise: { swapProbability: { columns: { price: 0.1, carrat: 0.1, cut: 0.2, key: 0.3 } } }
training: { batchSize: { choice: [10, 101] } }
ridge: { folds: { kind: grouped, column: cute } }
`;
    assert.deepEqual(
      problems(unchanged(text, 'f.yaml')).map((line) => line.replace('the training table has no column ', '')),
      [
        'f.yaml:3:11  data.target.column: `prize`; did you mean `price`?',
        'f.yaml:4:7  data.id: `kay`; did you mean `key`?',
        'f.yaml:5:15  data.drop.1: `colour` (the columns are key, carat, cut, price)',
        'f.yaml:6:12  data.kinds.karat: `karat`; did you mean `carat`?',
        'f.yaml:7:52  noise.swapProbability.columns.carrat: `carrat`; did you mean `carat`?',
        'f.yaml:7:65  noise.swapProbability.columns.cut: `cut` is dropped (data.drop), so no noise is put on it (remove it here)',
        'f.yaml:8:39  training.batchSize.choice.1: a batch of 101 rows is more than the 100 rows of the data (use at most 100)',
        'f.yaml:9:42  ridge.folds.column: `cute`; did you mean `cut`?',
      ],
    );
  });

  it('takes a batch size from the key, or from the high end of a range', () => {
    const of = (batchSize: string): readonly string[] =>
      problems(unchanged(`data: { train: a.csv, target: price }\ntraining: { batchSize: ${batchSize} }\n`, 'f.yaml'));
    assert.match(of('384').join(), /^f\.yaml:2:24 {2}training\.batchSize: a batch of 384/);
    assert.match(of('{ integer: [64, 384] }').join(), /^f\.yaml:2:40 {2}training\.batchSize\.integer\.1: a batch of 384/);
    assert.deepEqual(of('{ integer: [64, 100] }'), []);
  });

  it('names the columns where none is close, but not all of a wide table', () => {
    const columns = Array.from({ length: 500 }, (_, i) => `column${i}`);
    const [line = ''] = problems(unchanged('data: { train: a.csv, target: zzz }', 'f.yaml'), { columns, rows: 1_000 });
    assert.match(line, /\(the columns are column0, .*, column19, \.\.\.\)$/);
  });
});

describe('a configuration with something wrong in it', () => {
  const text = `data: { train: a.csv, target: { column: prize, task: binry }, drop: [colour, 3], kinds: [carat], missing: NA, delimiter: ";" }
noise: { swapProbability: { columns: { karat: 7 } } }
ridge: { folds: { count: 1, kind: grouped, column: cute } }
`;
  const { value, sections, config } = readSweep(unchanged(text, 'f.yaml'));

  it('is held against its tables as far as it goes', () => {
    assert.equal(config, undefined);
    assert.deepEqual(
      tableProblems(value, sections.training, { ...tables, rows: 10 }).map(({ path }) => path.join('.')),
      [
        'data.target.column',
        'data.drop.0',
        'data.drop.1',
        'noise.swapProbability.columns.karat',
        'ridge.folds.column',
        'training.batchSize',
      ],
    );
    assert.deepEqual(tableProblems('a text', undefined, tables), []);
  });

  it('tells which files it names, and how to read them', () => {
    assert.deepEqual(tableFiles(value), { train: 'a.csv', test: undefined, delimiter: ';', missing: [] });
    assert.deepEqual(tableFiles(undefined), { train: undefined, test: undefined, delimiter: undefined, missing: [] });
  });

  it('says what the test table lacks: all but the target and what is dropped', () => {
    const of = (test: readonly string[], target = 'price'): string =>
      lackedByTest({ data: { target, drop: ['cut'] } }, { ...tables, test })
        .map(({ message }) => message)
        .join();
    assert.equal(of(['key', 'carat']), '');
    assert.equal(of(['key', 'carat'], 'prize'), '');
    assert.equal(of(['cut', 'price']), 'the test table has no column key, carat, as the training table has');
  });
});

describe('what --set wrote', () => {
  const written = '# A comment\ndata: {train: a.csv,\n    target: price}\ntraining:\n        epochs: many\n';
  const given: GivenConfig = {
    file: 'f.yaml',
    written,
    text: 'data: { train: a.csv, target: price, drop: [cat] }\ntraining: { epochs: many, batchSize: 0 }\nridgy: { alphas: 1 }\n',
    settings: [
      { path: ['training', 'batchSize'], typed: 'training.batchSize=0' },
      { path: ['data', 'drop'], typed: 'data.drop=[cat]' },
      { path: ['ridgy', 'alphas'], typed: 'ridgy.alphas=1' },
    ],
  };

  it('is blamed on the setting; lines and columns are those of the file as it is', () => {
    assert.throws(
      () => parseGiven(given),
      (thrown: Error) => {
        assert.deepEqual(
          thrown.message.split('\n').map((line) => line.split(':').slice(0, 4).join(':')),
          [
            '3 problems',
            'f.yaml:5:17  training.epochs: expected a number or a distribution such as {integer',
            '--set training.batchSize=0  training.batchSize: must be at least 1, got `0`',
            '--set ridgy.alphas=1  ridgy: unknown key `ridgy`; did you mean `ridge`?',
          ],
        );
        return true;
      },
    );
    const checked = { ...given, text: 'data: { train: a.csv, target: price, drop: [cat] }\ntraining: { batchSize: 50 }\n' };
    assert.deepEqual(problems(checked), [
      '--set data.drop=[cat]  data.drop.0: the training table has no column `cat`; did you mean `cut`?',
    ]);
  });
});

describe('what is not a configuration at all', () => {
  it('is not printed: what is quoted is short', () => {
    const table = `a,b,c\n${'1,2,3\n'.repeat(100_000)}`;
    assert.throws(
      () => parseGiven(unchanged(table, 't.csv')),
      (thrown: Error) => {
        assert.ok(thrown.message.length < 300, `${thrown.message.length} characters`);
        assert.match(thrown.message, /got the text "a,b,c 1,2,3.*…".*is this a table\?/);
        return true;
      },
    );
    const long = 'x'.repeat(100_000);
    for (const text of [
      `${long}: 1`,
      `data: { ${long}: 1 }`,
      `data: { target: { task: ${long} } }`,
      `${long}: 1\n${long}: 1`,
      `training: { epochs: { ${long}: 1 } }`,
    ])
      assert.throws(
        () => parseGiven(unchanged(text, 'f.yaml')),
        ({ message }: Error) => message.length < 2_000,
      );
  });

  it('is called what it is where it is not even text', () => {
    assert.throws(
      () => parseGiven(unchanged('PAR1\0\u0001: [', 't.parquet')),
      /1 problem\nt\.parquet:1:1 {2}the file is not text/,
    );
  });

  it('has no more problems listed than one reads', () => {
    const text = Array.from({ length: 200 }, (_, i) => `k${i}: 1`).join('\n');
    assert.throws(() => parseGiven(unchanged(text, 'f.yaml')), /^NoisefoldError: 201 problems\n(.*\n){50}\.\.\. and 151 more$/);
  });
});

describe('fixed swap probabilities by levels', () => {
  const noise = (columns: Readonly<Record<string, number>> = {}) =>
    ({
      flavour: 'group',
      swapProbability: { numerical: 0.1, categorical: 0.2, levels: { 2: 0.3, '3-8': { uniform: [0, 1] }, '50+': 0.5 }, columns },
    }) as const;

  it('are warned of where no column has so many levels', () => {
    assert.deepEqual(
      idleLevels(noise(), [
        { name: 'a', levels: 2 },
        { name: 'b', levels: 12 },
      ]),
      ['noise.swapProbability.levels has "50+", which no column takes: categorical columns have 2, 12 levels.'],
    );
    assert.match(idleLevels(noise(), []).join('\n'), /"2".*no categorical column\.\n.*"50\+"/);
  });

  it('are warned of where every such column has its own', () => {
    assert.match(
      idleLevels(noise({ a: 0.1 }), [
        { name: 'a', levels: 2 },
        { name: 'b', levels: 60 },
      ]).join(),
      /^noise.swapProbability.levels has "2", .*columns has all/,
    );
  });
});
