/** The configuration held against the tables it names: what a schema alone cannot know. */
import { nearest } from '../base/nearest.ts';
import { invalid, placed, type GivenConfig } from './given.ts';
import { levelKeyFor, parseLevelRange } from './levels.ts';
import { isDistribution } from './parameters.ts';
import { quote } from './quote.ts';
import { data as dataSchema } from './schema/data.ts';
import { valueAt, type Path, type Problem } from './source.ts';
import { suggestion } from './suggest.ts';
import type { DataConfig, Searchable, SweepConfig } from './types.ts';

export interface TableFacts {
  /** Names of the training table's columns. */
  readonly columns: readonly string[];
  /** Those of the test table's; undefined without one. */
  readonly test?: readonly string[] | undefined;
  /** Of both tables. */
  readonly rows: number;
}

/** Passes if every column that the configuration names is there, and a batch can be filled. Throws CONFIG_INVALID with every problem at once. */
export function checkTables(given: GivenConfig, config: SweepConfig, tables: TableFacts): void {
  const problems = tableProblems(config, config.training, tables);
  if (problems.length === 0) return;
  throw invalid(
    given.file,
    placed(given, [...problems, ...lackedByTest(config, tables)]),
    '`noisefold data inspect` shows the columns of a table.',
  );
}

/**
 * Columns that are named and are not there, and batches that cannot be filled.
 * @param raw the configuration, or plain values with whatever else is wrong with them
 * @param training the section, where it is right
 */
export const tableProblems = (
  raw: unknown,
  training: SweepConfig['training'] | undefined,
  { columns, rows }: TableFacts,
): readonly Problem[] => [
  ...columnProblems(raw, columns),
  ...(training === undefined ? [] : batchProblems(training.batchSize, rows)),
];

/** Where the tables are and how CSV files are read, as far as it is told. */
export function tableFiles(
  raw: unknown,
): Pick<DataConfig, 'test' | 'delimiter' | 'missing'> & { readonly train: string | undefined } {
  const { train, test, delimiter, missing } = dataSchema.shape;
  const at = (key: string): unknown => valueAt(raw, ['data', key]);
  return {
    train: train.safeParse(at('train')).data,
    test: test.safeParse(at('test')).data,
    delimiter: delimiter.safeParse(at('delimiter')).data,
    missing: missing.safeParse(at('missing')).data ?? [],
  };
}

/** The names of columns that stand in a configuration. */
function namesIn(raw: unknown) {
  const text = (...path: Path): string | undefined => {
    const value = valueAt(raw, path);
    return typeof value === 'string' && value !== '' ? value : undefined;
  };
  const keys = (...path: Path): readonly string[] => {
    const value = valueAt(raw, path);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
  };
  const drop = valueAt(raw, ['data', 'drop']);
  return {
    target: text('data', 'target', 'column') ?? text('data', 'target'),
    id: text('data', 'id'),
    drop: Array.isArray(drop) ? drop.map(String) : [],
    kinds: keys('data', 'kinds'),
    noised: keys(...noisePath),
    groups: text('ridge', 'folds', 'column'),
  };
}

const noisePath = ['noise', 'swapProbability', 'columns'];
const mostNames = 20;

function columnProblems(raw: unknown, columns: readonly string[]): readonly Problem[] {
  const known = new Set(columns);
  const { target, id, drop, kinds, noised, groups } = namesIn(raw);
  const missing = (name: string | undefined, path: Path, at?: 'key'): readonly Problem[] => {
    if (name === undefined || known.has(name)) return [];
    const meant = suggestion(name, columns) || ` (the columns are ${listed(columns)})`;
    return [{ path, at, message: `the training table has no column \`${quote(name)}\`${meant}` }];
  };
  const keyed = (names: readonly string[], path: Path): readonly Problem[] =>
    names.flatMap((name) => missing(name, [...path, name], 'key'));
  const notInputs = noised.flatMap((name): Problem[] => {
    const role =
      name === target ? 'the target' : name === id ? 'the id' : drop.includes(name) ? 'dropped (data.drop)' : undefined;
    return role === undefined || !known.has(name)
      ? []
      : [
          {
            path: [...noisePath, name],
            at: 'key',
            message: `\`${quote(name)}\` is ${role}, so no noise is put on it (remove it here)`,
          },
        ];
  });
  return [
    ...missing(target, ['data', 'target', 'column']),
    ...missing(id, ['data', 'id']),
    ...drop.flatMap((name, i) => missing(name, ['data', 'drop', i])),
    ...keyed(kinds, ['data', 'kinds']),
    ...keyed(noised, noisePath),
    ...notInputs,
    ...missing(groups, ['ridge', 'folds', 'column']),
  ];
}

/** Columns that the test table would need. To be told beside other problems: alone, whoever prepares the data tells it, and knows the inputs better. */
export function lackedByTest(raw: unknown, { columns, test }: TableFacts): readonly Problem[] {
  if (test === undefined) return [];
  const { target = '', drop } = namesIn(raw);
  // A misspelt target is told of the training table, and is lacked by no test table.
  const meant = columns.includes(target) ? target : nearest(target, columns);
  const others = new Set([meant, ...drop, ...test]);
  const lacking = columns.filter((name) => !others.has(name));
  return lacking.length === 0
    ? []
    : [{ path: ['data', 'test'], message: `the test table has no column ${listed(lacking)}, as the training table has` }];
}

const listed = (names: readonly string[]): string =>
  `${names
    .slice(0, mostNames)
    .map((name) => quote(name))
    .join(', ')}${names.length > mostNames ? ', ...' : ''}`;

function batchProblems(space: Searchable<number>, rows: number): readonly Problem[] {
  const path = ['training', 'batchSize'];
  const tooLarge = (size: number, at: Path): readonly Problem[] =>
    size > rows
      ? [
          {
            path: at,
            message: `a batch of ${size} rows is more than the ${rows === 1 ? 'one row' : `${rows} rows`} of the data (use at most ${rows})`,
          },
        ]
      : [];
  if (!isDistribution(space)) return tooLarge(space, path);
  if ('choice' in space) return space.choice.flatMap((size, i) => tooLarge(Number(size), [...path, 'choice', i]));
  return 'integer' in space ? tooLarge(space.integer[1], [...path, 'integer', 1]) : [];
}

/**
 * A warning for every fixed `noise.swapProbability.levels` that no column takes. (A searched one is an error of the plan.)
 * @param categorical the inputs that are categorical, with their number of levels
 */
export function idleLevels(
  { swapProbability: { levels, columns } }: SweepConfig['noise'],
  categorical: readonly { readonly name: string; readonly levels: number }[],
): readonly string[] {
  const keys = Object.keys(levels);
  const taken = new Set(
    categorical.filter(({ name }) => !Object.hasOwn(columns, name)).map((column) => levelKeyFor(keys, column.levels)),
  );
  const counts = [...new Set(categorical.map((column) => column.levels))].sort((a, b) => a - b);
  const have =
    counts.length === 0
      ? 'there is no categorical column'
      : `categorical columns have ${counts.slice(0, mostNames).join(', ')}${counts.length > mostNames ? ', ...' : ''} levels`;
  return Object.entries(levels).flatMap(([key, space]) => {
    if (taken.has(key) || isDistribution(space)) return [];
    const covered = counts.some((count) => levelKeyFor([key], count) !== undefined);
    const why = covered ? 'noise.swapProbability.columns has all of its columns' : have;
    return parseLevelRange(key) === undefined
      ? []
      : [`noise.swapProbability.levels has "${key}", which no column takes: ${why}.`];
  });
}
