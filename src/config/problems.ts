/** zod's issues, said in the words of the configuration: what is wrong at which key, and what to do. */
import type { z } from 'zod';
import { allKeys, distributionKeys, isDistributionKey, keysAt } from './json-schema.ts';
import { quote } from './quote.ts';
import { valueAt, type Path, type Problem } from './source.ts';
import { suggestion } from './suggest.ts';

type Issue = z.core.$ZodIssue;

/** Every problem of a failed parse. `raw` is the value that was parsed, for saying what stands there now. */
export const problemsOf = (issues: readonly Issue[], raw: unknown): readonly Problem[] =>
  issues.flatMap((issue) => translate(issue, raw, []));

function translate(issue: Issue, raw: unknown, base: Path): readonly Problem[] {
  const path: Path = [...base, ...issue.path.map((step) => (typeof step === 'number' ? step : String(step)))];
  const value = valueAt(raw, path);
  const problem = (message: string, at?: 'key'): readonly Problem[] => [{ path, message, at }];
  switch (issue.code) {
    case 'invalid_type':
      if (value === undefined) return problem(`required, but missing (add \`${String(path.at(-1) ?? '')}:\`)`);
      if (path.length === 0 && typeof value !== 'object')
        return problem(
          `expected keys such as \`data:\`, got ${show(value)} (a sweep's configuration is a YAML file; is this a table?)`,
        );
      return problem(`expected ${expectation(issue)}, got ${show(value)}${remedy(value, issue.expected)}`);
    case 'invalid_value':
      return problem(
        `expected ${listed(issue.values.map(String))}, got ${show(value)}${suggest(value, issue.values.map(String))}`,
      );
    case 'too_small':
      return problem(bound(issue.origin, issue.minimum, issue.inclusive === false ? 'more than' : 'at least', value));
    case 'too_big':
      return problem(bound(issue.origin, issue.maximum, issue.inclusive === false ? 'less than' : 'at most', value));
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: [...path, key], at: 'key' as const, message: unknownKey(key, path) }));
    case 'invalid_union':
      return unionProblems(issue, raw, path);
    case 'invalid_key':
      return problem(`the key ${show(path.at(-1))} cannot be used here`, 'key');
    case 'custom':
      return problem(issue.message, issue.params?.['at'] === 'key' ? 'key' : undefined);
    case 'invalid_format':
    case 'not_multiple_of':
    case 'invalid_element':
      return problem(`${issue.message} (got ${show(value)})`);
    default:
      issue satisfies never;
      return [];
  }
}

/**
 * A union reports the branch that the user was on, not all of them. A branch was left at once if the value has the wrong type or is the wrong
 * word; what remains is one branch to report on, or none, and then the message lists what could have stood here.
 */
function unionProblems(issue: z.core.$ZodIssueInvalidUnion, raw: unknown, path: Path): readonly Problem[] {
  const value = valueAt(raw, path);
  if (issue.discriminator !== undefined) {
    const kinds = ('options' in issue ? (issue.options ?? []) : []).map(String);
    const message =
      value === undefined
        ? `required, but missing (one of ${listed(kinds)})`
        : `expected ${listed(kinds)}, got ${show(value)}${suggest(value, kinds)}`;
    return [{ path, message }];
  }
  const leftAtOnce = (one: Issue) => one.path.length === 0 && (one.code === 'invalid_type' || one.code === 'invalid_value');
  const onBranch = issue.errors.filter((errors) => !errors.some(leftAtOnce));
  const fitting = onBranch.filter(
    (errors) => !errors.some(({ code, path: inner }) => code === 'unrecognized_keys' && inner.length === 0),
  );
  const chosen = fitting.length === 1 ? fitting[0] : onBranch.length === 1 ? onBranch[0] : undefined;
  if (chosen !== undefined) return chosen.flatMap((one) => translate(one, raw, path));

  const known = keysAt(path);
  const mayBeSearched = known.some(isDistributionKey);
  if (mayBeSearched && isMapping(value)) return [distributionProblem(Object.keys(value), known, path)];
  const words = issue.errors
    .flatMap((errors) => errors.filter(leftAtOnce))
    .flatMap((one) =>
      one.code === 'invalid_type'
        ? one.expected === 'object'
          ? []
          : [expectation(one)]
        : one.code === 'invalid_value'
          ? one.values.map((word) => `\`${String(word)}\``)
          : [],
    );
  const expected = [...new Set(words), ...(mayBeSearched ? [example(known)] : isMappingAllowed(issue) ? ['a mapping'] : [])];
  if (value === undefined) return [{ path, message: `required, but missing (add \`${String(path.at(-1) ?? '')}:\`)` }];
  const number = issue.errors
    .flat()
    .some((one) => leftAtOnce(one) && one.code === 'invalid_type' && ['number', 'int'].includes(one.expected));
  return [{ path, message: `expected ${orList(expected)}, got ${show(value)}${remedy(value, number ? 'number' : '')}` }];
}

const isMappingAllowed = (issue: z.core.$ZodIssueInvalidUnion): boolean =>
  issue.errors.flat().some((one) => one.code === 'invalid_type' && one.expected === 'object');

const example = (known: readonly string[]): string =>
  known.includes('integer') ? 'a distribution such as {integer: [1, 8]}' : 'a distribution such as {uniform: [0.1, 0.5]}';

function distributionProblem(keys: readonly string[], known: readonly string[], path: Path): Problem {
  const choices = orList(known.filter(isDistributionKey).map((key) => `\`${key}\``));
  const [key, ...more] = keys;
  if (key === undefined || more.length > 0)
    return { path, message: `a distribution has exactly one key, ${choices}, got ${keys.length}` };
  if (isDistributionKey(key)) {
    const why = known.includes('integer') ? 'a whole number' : 'not a whole number';
    return { path: [...path, key], at: 'key', message: `\`${key}\` does not fit, as this is ${why} (use ${choices})` };
  }
  return {
    path: [...path, key],
    at: 'key',
    message: `unknown distribution \`${quote(key)}\`${suggestion(key, distributionKeys)} (use ${choices})`,
  };
}

function unknownKey(key: string, parent: Path): string {
  const known = keysAt(parent);
  if (known.includes(key)) return `\`${quote(key)}\` does not go with the other keys here (it belongs to another kind)`;
  const close = suggestion(key, known);
  if (close !== '') return `unknown key \`${quote(key)}\`${close}`;
  const elsewhere = allKeys().filter(({ path }) => path.at(-1) === key);
  if (elsewhere.length === 1 && elsewhere[0] !== undefined)
    return `unknown key \`${quote(key)}\`; did you mean \`${elsewhere[0].path.join('.')}\`?`;
  return `unknown key \`${quote(key)}\` (known here: ${known.join(', ')})`;
}

const suggest = (value: unknown, words: readonly string[]): string => (typeof value === 'string' ? suggestion(value, words) : '');

function bound(origin: string, limit: number | bigint, relation: string, value: unknown): string {
  if (origin === 'string')
    return value === '' ? 'must not be empty' : `must have ${relation} ${String(limit)} characters, got ${show(value)}`;
  if (origin === 'array')
    return value instanceof Array && value.length === 0 ? 'must not be empty' : `must have ${relation} ${String(limit)} items`;
  return `must be ${relation} ${String(limit)}, got ${show(value)}`;
}

function expectation(issue: z.core.$ZodIssueInvalidType): string {
  const names: Readonly<Record<string, string>> = {
    string: 'text',
    number: 'a number',
    int: 'a whole number',
    boolean: '`true` or `false`',
    array: 'a list',
    tuple: 'a list of two numbers',
    object: 'a mapping',
    record: 'a mapping',
  };
  return names[issue.expected] ?? issue.expected;
}

function remedy(value: unknown, expected: string): string {
  if (value === null) return ' (give it a value, or remove the key)';
  if (expected === 'string' && typeof value !== 'object') return ' (write it in quotes)';
  const isNumber = expected === 'number' || expected === 'int';
  return isNumber && typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))
    ? ' (write it without quotes)'
    : '';
}

function show(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (typeof value === 'string') return `the text "${quote(value)}"`;
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  return typeof value === 'number' || typeof value === 'boolean' ? `\`${value}\`` : `a ${typeof value}`;
}

const listed = (words: readonly string[]): string => orList(words.map((word) => `\`${word}\``));
const orList = (words: readonly string[]): string =>
  words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}`;

const isMapping = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
