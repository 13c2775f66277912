/** The configuration held against the tables it names: what a schema alone cannot know. */
import { invalid, placesIn, sentence, type GivenConfig } from './given.ts';
import { levelKeyFor, parseLevelRange } from './levels.ts';
import { isDistribution } from './parameters.ts';
import { quote } from './quote.ts';
import type { Path, Problem } from './source.ts';
import { suggestion } from './suggest.ts';
import type { Searchable, SweepConfig } from './types.ts';

export interface TableFacts {
  /** Names of the training table's columns. */
  readonly columns: readonly string[];
  /** Of both tables. */
  readonly rows: number;
}

/** Passes if every column that the configuration names is there, and a batch can be filled. Throws CONFIG_INVALID with every problem at once. */
export function checkTables(given: GivenConfig, config: SweepConfig, tables: TableFacts): void {
  const problems = [...columnProblems(config, tables.columns), ...batchProblems(config.training.batchSize, tables.rows)];
  if (problems.length === 0) return;
  const placeOf = placesIn(given);
  throw invalid(
    given.file,
    problems.map((problem) => ({ place: placeOf(problem), what: sentence(problem) })),
    '`noisefold data inspect` shows the columns of a table.',
  );
}

const mostNames = 20;

function columnProblems({ data, noise, ridge }: SweepConfig, columns: readonly string[]): readonly Problem[] {
  const known = new Set(columns);
  const { target, id, drop } = data;
  const missing = (name: string, path: Path, at?: 'key'): readonly Problem[] => {
    if (known.has(name)) return [];
    const more = columns.length > mostNames ? ', ...' : '';
    const meant =
      suggestion(name, columns) ||
      ` (the columns are ${columns
        .slice(0, mostNames)
        .map((known) => quote(known))
        .join(', ')}${more})`;
    return [{ path, at, message: `the training table has no column \`${quote(name)}\`${meant}` }];
  };
  const keyed = (names: readonly string[], path: Path): readonly Problem[] =>
    names.flatMap((name) => missing(name, [...path, name], 'key'));
  const noised = Object.keys(noise.swapProbability.columns);
  const noisePath = ['noise', 'swapProbability', 'columns'];
  const notInputs = noised.flatMap((name): Problem[] => {
    const role =
      name === target.column ? 'the target' : name === id ? 'the id' : drop.includes(name) ? 'dropped (data.drop)' : undefined;
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
    ...missing(target.column, ['data', 'target', 'column']),
    ...(id === undefined ? [] : missing(id, ['data', 'id'])),
    ...drop.flatMap((name, i) => missing(name, ['data', 'drop', i])),
    ...keyed(Object.keys(data.kinds), ['data', 'kinds']),
    ...keyed(noised, noisePath),
    ...notInputs,
    ...(ridge.folds.column === undefined ? [] : missing(ridge.folds.column, ['ridge', 'folds', 'column'])),
  ];
}

function batchProblems(space: Searchable<number>, rows: number): readonly Problem[] {
  const path = ['training', 'batchSize'];
  const tooLarge = (size: number, at: Path): readonly Problem[] =>
    size > rows
      ? [{ path: at, message: `a batch of ${size} rows is more than the ${rows} rows of the data (use at most ${rows})` }]
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
